//go:build linux

package scripts_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// remembering gives the hints of a test a memory of their own, as that in work is the learner's.
func remembering(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "seen", "here")
	t.Setenv("HINTS_SEEN", dir)
	return dir
}

func TestHintsComeOneAtATime(t *testing.T) {
	remembering(t)
	for i, c := range []struct{ args, headline, end string }{
		{"", "Hint 1 of 3 for step 3", "The next hint: make hint STEP=3"},
		{"", "Hint 2 of 3 for step 3", "The next hint: make hint STEP=3"},
		// The one that is asked for changes nothing.
		{"LEVEL=1", "Hint 1 of 3 for step 3", "The next hint: make hint STEP=3 LEVEL=2"},
		{"", "Hint 3 of 3 for step 3", "That was the last. The solution: make diff STEP=3\nThe first one again: make hint STEP=3 LEVEL=1"},
		{"", "Hint 3 of 3 for step 3", "That was the last. The solution: make diff STEP=3\nThe first one again: make hint STEP=3 LEVEL=1"},
		// Each step has its own.
		{"STEP=5", "Hint 1 of 3 for step 5", "The next hint: make hint STEP=5"},
	} {
		hint := workshop(t, append([]string{"hint", "STEP=3"}, strings.Fields(c.args)...)...)
		assert.Zero(t, hint.status, hint.output)
		assert.True(t, strings.HasPrefix(hint.output, c.headline+"\n\n"), "%d: %s", i, hint.output)
		assert.True(t, strings.HasSuffix(hint.output, "\n\n"+c.end+"\n"), "%d: %s", i, hint.output)
	}
}

func TestStartBeginsTheHintsAnew(t *testing.T) {
	dir := own(t)
	for range 2 {
		workshop(t, "hint", "STEP=3")
		workshop(t, "hint", "STEP=5")
	}
	require.Zero(t, workshop(t, "start", "STEP=3", "DIR="+dir).status)
	assert.Contains(t, workshop(t, "hint", "STEP=3").output, "Hint 1 of 3 for step 3")
	assert.Contains(t, workshop(t, "hint", "STEP=5").output, "Hint 3 of 3 for step 5")
}

func TestHintsAreForATerminal(t *testing.T) {
	seen := remembering(t)
	for step := range 7 {
		for level := range 3 {
			hint := workshop(t, "hint", fmt.Sprint("STEP=", step+1), fmt.Sprint("LEVEL=", level+1))
			require.Zero(t, hint.status, hint.output)
			assert.NotRegexp(t, "(?m)^#|```|\t|\n\n\n", hint.output)
			// A page has room for the command and the prompt too.
			assert.LessOrEqual(t, strings.Count(hint.output, "\n"), 24, hint.output)
		}
	}
	assert.NoDirExists(t, seen)
	code := workshop(t, "hint", "STEP=2", "LEVEL=3")
	assert.Contains(t, code.output, "\n    if errors.Is(err, unix.EPERM) {\n        err = ")
}

func TestHintsThatAreNotThereAreNamed(t *testing.T) {
	seen := remembering(t)
	for _, c := range []struct{ step, level, cause string }{
		{"0", "", "hint: which step? make hint STEP=3 (1 to 7)\n"},
		{"final", "", "hint: which step? make hint STEP=3 (1 to 7)\n"},
		{"", "2", "hint: which step? make hint STEP=3 (1 to 7)\n"},
		{"3", "0", "hint: LEVEL=0: there is no such hint: make hint STEP=3 LEVEL=2 (1 to 3)\n"},
		{"3", "4", "hint: LEVEL=4: there is no such hint: make hint STEP=3 LEVEL=2 (1 to 3)\n"},
		{"3", "two words", "hint: LEVEL=two words: there is no such hint: make hint STEP=3 LEVEL=2 (1 to 3)\n"},
	} {
		top := workshop(t, "hint", "STEP="+c.step, "LEVEL="+c.level)
		assert.NotZero(t, top.status, top.output)
		assert.True(t, strings.HasPrefix(top.output, c.cause), top.output)
	}
	elsewhere := script{"hint: step03-*/HINTS.md: no such file: call it from the top of the workshop, by make hint STEP=3\n", 1}
	assert.Equal(t, elsewhere, run(t, nil, "hint.sh", "3"))
	assert.NoDirExists(t, seen)
}

func TestHintsAreRememberedOrRefused(t *testing.T) {
	seen := remembering(t)
	require.NoError(t, os.MkdirAll(seen, 0o755))
	// What makes no sense is as good as nothing.
	for _, text := range []string{"", "nonsense\n", "4\n", "\x00"} {
		require.NoError(t, os.WriteFile(filepath.Join(seen, "7"), []byte(text), 0o644))
		hint := workshop(t, "hint", "STEP=7")
		assert.True(t, strings.HasPrefix(hint.output, "Hint 1 of 3 for step 7\n"), "%q: %s", text, hint.output)
	}
	t.Setenv("HINTS_SEEN", "/dev/null/nowhere")
	refused := workshop(t, "hint", "STEP=3")
	assert.NotZero(t, refused.status)
	assert.Contains(t, refused.output, "hint: /dev/null/nowhere/3: cannot be written, so there is no next hint: make it yours, or use make hint STEP=3 LEVEL=1\n")
	assert.NotContains(t, refused.output, "Hint")
}

// hints are the three sections of a step's hints, and the program that they lead to.
func hints(t *testing.T, step int) (name string, sections []string, program string) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("../step0%d-*/HINTS.md", step))
	require.NoError(t, err)
	require.Len(t, files, 1)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	source, err := os.ReadFile(filepath.Join(filepath.Dir(files[0]), "main.go"))
	require.NoError(t, err)
	parts := regexp.MustCompile(`(?m)^## Hint ([0-9])\n\n`).Split(string(text), -1)
	require.Len(t, parts, 4, "%s: want three hints", files[0])
	assert.Equal(t, fmt.Sprintf("# Hints for step %d\n\nTo be read one at a time, with `make hint STEP=%d`.\n\n", step, step), parts[0])
	for i := range 3 {
		assert.Contains(t, string(text), fmt.Sprintf("\n## Hint %d\n", i+1), files[0])
	}
	return files[0], parts[1:], string(source)
}

// code returns the lines in the fences of Markdown, and those outside.
func code(markdown string) (inside, outside []string) {
	fenced := false
	for line := range strings.Lines(markdown) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced:
			inside = append(inside, line)
		default:
			outside = append(outside, line)
		}
	}
	return inside, outside
}

func TestHintsAreShort(t *testing.T) {
	for step := range 7 {
		name, sections, _ := hints(t, step+1)
		for i, section := range sections {
			inside, outside := code(section)
			lines, paragraph := len(inside), 0
			for _, line := range append(inside, outside...) {
				assert.LessOrEqual(t, utf8.RuneCountInString(line), 130, "%s: %s", name, line)
			}
			for _, line := range outside {
				paragraph++
				if line == "" {
					paragraph = 0
					continue
				}
				lines++
				assert.LessOrEqual(t, paragraph, 6, "%s: %s", name, line)
			}
			assert.GreaterOrEqual(t, lines, 3, "%s: hint %d", name, i+1)
			assert.LessOrEqual(t, lines, 15, "%s: hint %d", name, i+1)
			// The first two say it in words, the third leaves something to do.
			assert.Equal(t, i == 2, len(inside) > 0, "%s: hint %d", name, i+1)
			assert.Equal(t, i == 2, strings.Contains(strings.Join(inside, ""), "…"), "%s: hint %d", name, i+1)
		}
	}
}

// What hints name is in the program, and their code is lines of it, with gaps. So neither changes without the other.
func TestHintsFitTheirStep(t *testing.T) {
	// Such as unix.CLONE_NEWPID and cmd.Process.Kill, or changeRoot.
	identifier := regexp.MustCompile(`\b[a-z]\w*(\.[A-Z]\w*)+|\b[a-z]+[A-Z]\w*`)
	for step := range 7 {
		name, sections, program := hints(t, step+1)
		named := 0
		for _, found := range identifier.FindAllString(strings.Join(sections, ""), -1) {
			named++
			assert.Regexp(t, `\b`+regexp.QuoteMeta(found)+`\b`, program, "%s: %s", name, found)
		}
		assert.Greater(t, named, 5, name)
		inside, _ := code(sections[2])
		for _, line := range inside {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "//") {
				continue
			}
			pattern := strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".+")
			assert.Regexp(t, `(?m)^\t*`+pattern+`$`, program, "%s: %s", name, line)
		}
	}
}

func TestHelpListsHint(t *testing.T) {
	help := workshop(t, "help")
	require.Zero(t, help.status, help.output)
	assert.Regexp(t, `(?m)^make hint +[A-Z].*LEVEL`, help.output)
}
