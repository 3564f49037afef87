//go:build linux

package main

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/needs"
)

// typed finds the command that the error of a build with C says to type.
var typed = regexp.MustCompile(`CGO_ENABLED=0 go build -o build/ \./final`)

func TestABuildWithCFailsWithTheCommandToType(t *testing.T) {
	for _, cgo := range []bool{false, true} {
		context := build.Default
		context.CgoEnabled = cgo
		there, err := context.MatchFile(".", "cgo.go")
		require.NoError(t, err)
		assert.Equal(t, cgo, there)
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "cgo.go", nil, 0)
	require.NoError(t, err)
	_, err = new(types.Config).Check("main", files, []*ast.File{file}, nil)
	require.Error(t, err)
	assert.Regexp(t, typed, err.Error())
}

// Whoever types go build gets a final that can join a container, at once or by the command in the error.
func TestAPlainBuildLeadsToAFinalThatCanExec(t *testing.T) {
	needs.Compiler(t)
	c := newTrial(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "final")
	goBuild := func(command string) (string, error) {
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = ".."
		// Go decides about C itself, as on the machine of a user.
		cmd.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "CGO_ENABLED=") })
		cmd.Env = append(cmd.Env, "GOFLAGS=-buildvcs=false")
		output, err := cmd.CombinedOutput()
		return string(output), err
	}
	output, err := goBuild("go build -o " + program + " ./final")
	if err != nil {
		require.Regexp(t, typed, output)
		output, err = goBuild(strings.Replace(typed.FindString(output), "build/", dir, 1))
	}
	require.NoError(t, err, output)

	c.detached(kept)
	cmd := exec.Command(program, "--root", c.root, "exec", c.id, "echo", "ran")
	cmd.Env = append(os.Environ(), c.mark)
	require.Equal(t, result{"ran\n", "", 0}, outcome(t, cmd))
}

// A program that needs a dynamic linker would run the dynamic linker of the container.
func TestAProgramWithADynamicLinkerJoinsNoContainer(t *testing.T) {
	needs.Compiler(t)
	c := newTrial(t)
	program := filepath.Join(t.TempDir(), "final")
	needs.Build(t, program, []string{"CGO_ENABLED=0"}, "-buildvcs=false", "-buildmode=pie", ".")
	c.detached(kept)
	cmd := exec.Command(program, "--root", c.root, "exec", c.id, "echo", "ran")
	cmd.Env = append(os.Environ(), c.mark)
	refused(t, outcome(t, cmd), failure("exec"), "dynamic linker", "-buildmode=pie")
}
