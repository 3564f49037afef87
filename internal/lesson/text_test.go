//go:build linux

package lesson

import (
	"bufio"
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// all are the pages of the workshop.
var all = []string{"*.md", "step0*/*.md", "final/*.md"}

// headings are those of a lesson, below its title.
var headings = []string{"Before", "Goal", "How it works", "Now yours", "The change", "Walking through", "Check your work",
	"Break it", "What still leaks", "Test yourself", "Read more"}

func TestLessonsHaveTheSameHeadings(t *testing.T) {
	for i, lesson := range pages(t, "step0*/README.md") {
		require.NotEmpty(t, lesson.Headings)
		assert.Regexp(t, `^Step `+string(rune('1'+i))+`: [a-z]`, lesson.Headings[0].Text)
		var below []string
		for _, heading := range lesson.Headings[1:] {
			assert.Equal(t, 2, heading.Level, heading.Text)
			below = append(below, heading.Text)
		}
		assert.Equal(t, headings, below, lesson.name())
	}
}

// section returns what stands below a heading of a lesson, up to the next.
func (d *Document) section(t *testing.T, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(string(d.Source), "\n## "+heading+"\n")
	require.True(t, found, "%s: %s", d.name(), heading)
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

func TestLessonsSayWhatTheyTake(t *testing.T) {
	for _, lesson := range pages(t, "step0*/README.md") {
		head, _, _ := strings.Cut(string(lesson.Source), "\n## ")
		assert.Regexp(t, takes, head, lesson.name())
	}
}

func TestLessonsHaveAPicture(t *testing.T) {
	for _, lesson := range pages(t, "step0*/README.md") {
		assert.Regexp(t, `(?m)^!\[[^\]]{20,}\]\(picture\.svg\)$`, lesson.section(t, "How it works"), lesson.name())
	}
}

// answer is a folded part of a page.
var answer = regexp.MustCompile(`(?s)<details>\s*<summary>(.+?)</summary>\n\n(.+?)\n\n</details>\n`)

func TestLessonsEndWithThreeQuestions(t *testing.T) {
	for _, lesson := range pages(t, "step0*/README.md") {
		text := lesson.section(t, "Test yourself")
		assert.Len(t, answer.FindAllString(text, -1), 3, lesson.name())
		questions := answer.ReplaceAllString(text, "$1")
		assert.NotContains(t, questions, "details>", lesson.name())
		assert.GreaterOrEqual(t, strings.Count(questions, "?"), 3, lesson.name())
	}
}

func TestLessonsLeadToTheNext(t *testing.T) {
	lessons := pages(t, "step0*/README.md")
	for i, lesson := range lessons {
		target, title := "../final/README.md", "final: the same seven ideas, grown up"
		if i+1 < len(lessons) {
			target, title = "../"+filepath.Base(filepath.Dir(lessons[i+1].Path))+"/README.md", lessons[i+1].Headings[0].Text
		}
		assert.True(t, bytes.HasSuffix(lesson.Source, []byte("\n\nNext: ["+title+"]("+target+")\n")), lesson.name())
		_, leaks, _ := strings.Cut(string(lesson.Source), "\n## What still leaks\n")
		first, _, _ := strings.Cut(strings.TrimPrefix(leaks, "\n- "), "\n- ")
		assert.Contains(t, first, "]("+target+")", "%s: the first leak is where the next begins", lesson.name())
	}
}

// beside is a comment for the web page: the code that the paragraph below explains.
var beside = regexp.MustCompile(`(?m)^<!-- beside: .*-->\n`)

func TestLessonsAreShort(t *testing.T) {
	for _, lesson := range pages(t, "step0*/README.md") {
		own := beside.ReplaceAll(generated.ReplaceAll(lesson.Source, nil), nil)
		assert.LessOrEqual(t, bytes.Count(own, []byte("\n")), 250, lesson.name())
	}
	for _, page := range pages(t, all...) {
		for _, paragraph := range page.Paragraphs {
			assert.LessOrEqual(t, paragraph.Height, 6, "%s:%d", page.name(), paragraph.Line)
		}
		for i, line := range strings.Split(string(generated.ReplaceAll(page.Source, nil)), "\n") {
			if !strings.HasPrefix(line, "|") && !strings.Contains(line, "](") {
				assert.LessOrEqual(t, len([]rune(line)), 130, "%s, about line %d", page.name(), i+1)
			}
		}
	}
}

func TestGeneratedPartsAreUpToDate(t *testing.T) {
	parts := 0
	for _, page := range pages(t, "README.md", "step0*/README.md") {
		text, err := page.Generate()
		require.NoError(t, err)
		assert.True(t, bytes.Equal(text, page.Source), "%s: make diffs", page.name())
		parts += len(generated.FindAll(page.Source, -1))
	}
	assert.Equal(t, 1+7, parts)
}

func TestPicturesAreUpToDate(t *testing.T) {
	for _, lesson := range pages(t, "step0*/README.md") {
		path, want, err := lesson.Picture()
		require.NoError(t, err)
		svg, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, svg), "%s: make diffs", path)
	}
}

func TestBlocksAreRunOrGenerated(t *testing.T) {
	for _, page := range pages(t, withCommands...) {
		own := Parse(page.Path, generated.ReplaceAll(page.Source, nil))
		for _, block := range own.Blocks {
			assert.Equal(t, "console", block.Language, "%s: %q", page.name(), block.Lines)
		}
	}
}

func TestLinksResolve(t *testing.T) {
	for _, page := range pages(t, all...) {
		for _, link := range page.Links {
			target, err := url.Parse(link.Target)
			require.NoError(t, err)
			if target.Scheme != "" {
				assert.Equal(t, "https", target.Scheme, "%s:%d", page.name(), link.Line)
				continue
			}
			path := page.Path
			if target.Path != "" {
				path = filepath.Join(filepath.Dir(page.Path), target.Path)
			}
			_, err = os.Stat(path)
			assert.NoError(t, err, "%s:%d", page.name(), link.Line)
			if target.Fragment != "" {
				other, err := Read(path)
				require.NoError(t, err)
				var anchors []string
				for _, heading := range other.Headings {
					anchors = append(anchors, heading.Anchor())
				}
				assert.Contains(t, anchors, target.Fragment, "%s:%d", page.name(), link.Line)
			}
		}
	}
}

var (
	manual     = regexp.MustCompile(`(?:^|[\s\[(])([A-Za-z_][\w-]*)\(([1-8](?:const)?)\)`)
	manualLink = regexp.MustCompile(`^https://man7\.org/linux/man-pages/man([1-8])/([^/]+)\.([1-8](?:const)?)\.html$`)
)

// Which manual pages there are is in a list of names, as few machines have them all: scripts/manuals.sh
// writes it. A call in a program, like unix.CloseOnExec(3), has a dot before its name.
func TestManualPagesExist(t *testing.T) {
	list, err := os.Open("testdata/manuals")
	require.NoError(t, err)
	defer list.Close()
	known := map[string]bool{}
	for lines := bufio.NewScanner(list); lines.Scan(); {
		known[lines.Text()] = true
	}
	named := 0
	for _, page := range pages(t, append(all, "step0*/main.go")...) {
		for _, found := range manual.FindAllStringSubmatch(string(page.Source), -1) {
			assert.True(t, known[found[1]+"."+found[2]], "%s: %s", page.name(), found[0])
			named++
		}
		for _, link := range page.Links {
			if !strings.Contains(link.Target, "man7.org") {
				continue
			}
			parts := manualLink.FindStringSubmatch(link.Target)
			require.NotNil(t, parts, link.Target)
			assert.Equal(t, parts[1], parts[3][:1], link.Target)
			assert.True(t, known[parts[2]+"."+parts[3]], link.Target)
			if text := manual.FindStringSubmatch(link.Text); text != nil {
				assert.Equal(t, text[1]+"."+text[2], parts[2]+"."+parts[3], "%s:%d", page.name(), link.Line)
			}
		}
	}
	assert.Greater(t, named, 100)
}

func TestRecordingsShowWhatTheLessonSays(t *testing.T) {
	for _, lesson := range pages(t, "step0*/README.md") {
		block, err := lesson.recordedBlock()
		require.NoError(t, err)
		dir := filepath.Dir(lesson.Path)
		cast, err := ReadCast(filepath.Join(dir, "terminal.cast"))
		require.NoError(t, err)
		assert.Equal(t, lesson.Headings[0].Text, cast.Title)
		assert.NoError(t, Exchange{Line: block.Line, Command: lesson.name() + ": make casts", Want: block.Lines}.Match(cast.Lines()))

		picture, err := os.ReadFile(filepath.Join(dir, "terminal.svg"))
		require.NoError(t, err)
		assert.Equal(t, string(cast.picture()), string(picture), "%s: make casts", lesson.name())
		for i := 1; i < len(cast.Events); i++ {
			assert.False(t, cast.Events[i].At.Before(cast.Events[i-1].At))
		}
	}
}
