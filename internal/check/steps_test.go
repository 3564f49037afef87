//go:build linux

package check

import (
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// steps returns the folders of the steps, in order.
func steps(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("../../step0*")
	require.NoError(t, err)
	if len(dirs) == 0 {
		t.Skip("needs the sources of the steps")
	}
	require.Len(t, dirs, 7)
	return dirs
}

func TestEveryStepIsItsPredecessorPlusAFewLines(t *testing.T) {
	dirs := steps(t)
	for i, dir := range dirs[1:] {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			diff, _ := exec.Command("diff", "-u", filepath.Join(dirs[i], "main.go"), filepath.Join(dir, "main.go")).Output()
			require.NotEmpty(t, diff)
			var hunks, added, removed int
			for _, line := range strings.Split(string(diff), "\n")[2:] {
				switch {
				case strings.HasPrefix(line, "@@"):
					hunks++
				case strings.HasPrefix(line, "+"):
					added++
				case strings.HasPrefix(line, "-"):
					removed++
				}
			}
			limit := 35
			if strings.Contains(dir, "cgroups") {
				limit = 60
			}
			assert.Zero(t, removed, "lines of the predecessor that are gone or changed")
			assert.Positive(t, added)
			assert.LessOrEqual(t, added, limit, "added lines")
			assert.LessOrEqual(t, hunks, 5, "hunks")
		})
	}
}

func TestStepsAreStandalone(t *testing.T) {
	number := regexp.MustCompile(`(?i)step ?0?[1-7]`)
	allowed := []string{"github.com/spf13/pflag", "golang.org/x/sys/unix"}
	other, err := os.ReadFile(filepath.Join(steps(t)[0], "main_other.go"))
	require.NoError(t, err)
	for _, dir := range steps(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			path := filepath.Join(dir, "main.go")
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.NotRegexp(t, number, string(text), "a step does not know its number")

			formatted, err := format.Source(text)
			require.NoError(t, err)
			assert.Equal(t, string(formatted), string(text), "gofmt")

			file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
			require.NoError(t, err)
			for _, spec := range file.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				require.NoError(t, err)
				assert.NotEqual(t, "syscall", name)
				if strings.ContainsAny(name, ".-") {
					assert.Contains(t, allowed, name)
				}
			}

			same, err := os.ReadFile(filepath.Join(dir, "main_other.go"))
			require.NoError(t, err)
			assert.Equal(t, string(other), string(same))
		})
	}
}
