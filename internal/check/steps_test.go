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
			assert.Zero(t, removed, "lines of the predecessor that are gone or changed")
			assert.Positive(t, added)
			assert.LessOrEqual(t, added, []int{22, 10, 35, 28, 65, 22}[i], "added lines")
			assert.LessOrEqual(t, hunks, 5, "hunks")
		})
	}
}

func TestStepsAreShort(t *testing.T) {
	dirs := steps(t)
	assert.LessOrEqual(t, lines(t, dirs[0], "main.go"), 45)
	assert.LessOrEqual(t, lines(t, dirs[6], "main.go"), 215)
	assert.LessOrEqual(t, lines(t, dirs[0], "process.go"), 250)
}

func lines(t *testing.T, dir, name string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return strings.Count(string(text), "\n")
}

func TestStepsAreStandalone(t *testing.T) {
	number := regexp.MustCompile(`(?i)step ?0?[1-7]`)
	allowed := []string{"github.com/spf13/pflag", "golang.org/x/sys/unix"}
	for _, dir := range steps(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			for _, name := range []string{"main.go", "process.go"} {
				path := filepath.Join(dir, name)
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				assert.NotRegexp(t, number, string(text), "a step does not know its number")

				formatted, err := format.Source(text)
				require.NoError(t, err)
				assert.Equal(t, string(formatted), string(text), "gofmt")

				file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
				require.NoError(t, err)
				for _, spec := range file.Imports {
					imported, err := strconv.Unquote(spec.Path.Value)
					require.NoError(t, err)
					assert.NotEqual(t, "syscall", imported)
					if strings.ContainsAny(imported, ".-") {
						assert.Contains(t, allowed, imported)
					}
				}
			}
			for _, name := range []string{"process.go", "main_other.go"} {
				first, err := os.ReadFile(filepath.Join(steps(t)[0], name))
				require.NoError(t, err)
				same, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				assert.Equal(t, string(first), string(same), "%s is the same in every step", name)
			}
		})
	}
}
