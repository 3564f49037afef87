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

// Whoever types go build gets a final that runs in any image, at once or by the command in the error.
func TestAPlainBuildLeadsToAFinalThatCanBeInit(t *testing.T) {
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

	cmd := exec.Command(program, "--root", c.root, "run", "--init", "--name", c.id, "--rootfs", rootfsOf(t, nil), "--env", c.mark, "echo", "ran")
	cmd.Env = append(os.Environ(), c.mark)
	require.Equal(t, result{"ran\n", "", 0}, outcome(t, cmd))
}

// In a container only --init executes final itself: everything else is a list of system calls, which needs no dynamic linker.
func TestAProgramWithADynamicLinkerNeedsOneInTheImageForInitOnly(t *testing.T) {
	needs.Compiler(t)
	c := newTrial(t)
	program := filepath.Join(t.TempDir(), "final")
	needs.Build(t, program, []string{"CGO_ENABLED=0"}, "-buildvcs=false", "-buildmode=pie", ".")
	// The image has no dynamic linker.
	image := rootfsOf(t, nil)
	linked := func(args ...string) result {
		cmd := exec.Command(program, append([]string{"--root", c.root}, args...)...)
		cmd.Env = append(os.Environ(), c.mark)
		return outcome(t, cmd)
	}
	run := []string{"run", "--name", c.id, "--rootfs", image, "--env", c.mark}
	require.Equal(t, result{"ran\n", "", 0}, linked(append(run, "echo", "ran")...))
	refused(t, linked(append(run, "--init", "echo", "ran")...), 126, "--init", "dynamic linker", "CGO_ENABLED=0")
	require.Equal(t, result{c.id + "\n", "", 0}, linked(append(run, "--detach", "sleep", "1000")...))
	require.Equal(t, result{"ran\n", "", 0}, linked("exec", c.id, "echo", "ran"))
}
