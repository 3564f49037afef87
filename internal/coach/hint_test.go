//go:build linux

package coach_test

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

func TestHintsComeOneAtATime(t *testing.T) {
	c := cloned(t)
	const last = "That was the last hint. The solution: make diff STEP=3\nThe first one again: make hint STEP=3 LEVEL=1"
	for i, say := range []struct{ args, headline, end string }{
		{"--step 3", "Hint 1 of 3 for step 3", "The next hint: make hint STEP=3"},
		{"--step 3", "Hint 2 of 3 for step 3", "The next hint: make hint STEP=3"},
		// A hint that is asked for by its level changes nothing.
		{"--step 3 --level 1", "Hint 1 of 3 for step 3", "The next hint: make hint STEP=3 LEVEL=2"},
		{"--step 3", "Hint 3 of 3 for step 3", last},
		{"--step 3", "Hint 3 of 3 for step 3", last},
		// Each step has its own.
		{"--step 5", "Hint 1 of 3 for step 5", "The next hint: make hint STEP=5"},
	} {
		hint := c.does(append([]string{"hint"}, strings.Fields(say.args)...)...)
		assert.True(t, strings.HasPrefix(hint, say.headline+"\n\n"), "%d: %s", i, hint)
		assert.True(t, strings.HasSuffix(hint, "\n\n"+say.end+"\n"), "%d: %s", i, hint)
	}
}

func TestHintsAreForTheCurrentStep(t *testing.T) {
	c := cloned(t)
	c.refuses("hint: which step? make hint STEP=3 (1 to 7)\n", "hint")
	c.does("start", "--step", "3")
	hint := c.does("hint")
	assert.Contains(t, hint, "Hint 1 of 3 for step 3")
	assert.Contains(t, hint, "The next hint: make hint\n")
	assert.Contains(t, c.does("hint"), "Hint 2 of 3 for step 3")
	assert.Contains(t, c.does("progress"), "2 hints")
	c.does("hint", "--level", "1")
	assert.Contains(t, c.does("progress"), "2 hints")
	c.does("hint", "--level", "3")
	assert.Contains(t, c.does("progress"), "3 hints")
}

func TestStartBeginsTheHintsAnew(t *testing.T) {
	c := cloned(t)
	for range 2 {
		c.does("hint", "--step", "3")
		c.does("hint", "--step", "5")
	}
	c.does("start", "--step", "3")
	assert.Contains(t, c.does("hint", "--step", "3"), "Hint 1 of 3 for step 3")
	assert.Contains(t, c.does("hint", "--step", "5"), "Hint 3 of 3 for step 5")
}

func TestHintsAreForATerminal(t *testing.T) {
	c := cloned(t)
	for step := range 7 {
		for level := range 3 {
			hint := c.does("hint", "--step", fmt.Sprint(step+1), "--level", fmt.Sprint(level+1))
			assert.NotRegexp(t, "(?m)^#|```|\t|\n\n\n", hint)
			// A page has room for the command and the prompt too.
			assert.LessOrEqual(t, strings.Count(hint, "\n"), 24, hint)
			for line := range strings.Lines(hint) {
				assert.True(t, strings.HasPrefix(line, "    ") || utf8.RuneCountInString(line) <= 101, line)
			}
		}
	}
	assert.NoFileExists(t, filepath.Join(c.dir, "work/.progress"))
	assert.Contains(t, c.does("hint", "--step", "2", "--level", "3"), "\n    hostname = pflag.String(")
}

func TestHintsThatAreNotThereAreNamed(t *testing.T) {
	c := cloned(t)
	for _, step := range []string{"0", "final", "8", "3 "} {
		c.refuses("hint: STEP="+step+": there is no such step: make hint STEP=3 (1 to 7)\n", "hint", "--step", step)
	}
	for _, level := range []string{"0", "4", "two words"} {
		c.refuses("hint: LEVEL="+level+": there is no such hint: make hint STEP=3 LEVEL=2 (1 to 3)\n", "hint", "--step", "3", "--level", level)
	}
	assert.NoFileExists(t, filepath.Join(c.dir, "work/.progress"))
}

func TestHintsAreRememberedOrRefused(t *testing.T) {
	c := cloned(t)
	c.shell("rmdir work && touch work")
	c.refuses("work", "hint", "--step", "3")
	c.shell("rm work && mkdir -p work/.progress")
	refused := c.coach("hint", "--step", "3")
	assert.Equal(t, 1, refused.status)
	assert.Contains(t, refused.output, "work/.progress")
	assert.NotContains(t, refused.output, "Hint 1")
}

// hints are the three sections of a step's hints, and the program that they lead to.
func hints(t *testing.T, step int) (name string, sections []string, program string) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("../../step0%d-*/HINTS.md", step))
	require.NoError(t, err)
	require.Len(t, files, 1)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	var source []byte
	for _, name := range []string{"main.go", "process.go"} {
		part, err := os.ReadFile(filepath.Join(filepath.Dir(files[0]), name))
		require.NoError(t, err)
		source = append(source, part...)
	}
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
			assert.True(t, regexp.MustCompile(`\b`+regexp.QuoteMeta(found)+`\b`).MatchString(program), "%s: %s is not in the program", name, found)
		}
		assert.Greater(t, named, 5, name)
		inside, _ := code(sections[2])
		for _, line := range inside {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "//") {
				continue
			}
			pattern := strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".+")
			assert.True(t, regexp.MustCompile(`(?m)^\t*`+pattern+`$`).MatchString(program), "%s: %s is not in the program", name, line)
		}
	}
}
