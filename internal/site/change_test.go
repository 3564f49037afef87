package site

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const top = "../.."

// workshop is the site, which all tests share.
var workshop = sync.OnceValues(func() (*Site, error) { return New(top) })

// pages returns the site's pages by their addresses.
func pages(t *testing.T) map[string]*Page {
	t.Helper()
	s, err := workshop()
	require.NoError(t, err)
	found := map[string]*Page{}
	for _, p := range s.pages {
		found[p.Address] = p
	}
	return found
}

// holds fails unless a page has a part. Unlike assert.Contains, it does not print the page.
func holds(t *testing.T, page, part, where string) {
	t.Helper()
	assert.True(t, strings.Contains(page, part), "%s: want %.200q", where, part)
}

// steps returns the folders of the steps, in order.
func steps(t *testing.T) []string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(top, "step0*"))
	require.NoError(t, err)
	require.Len(t, folders, 7)
	return folders
}

// addedLines returns the numbers of the lines that diff calls new in a step's main.go. In step 1 all lines are new.
func addedLines(t *testing.T, step int) []int {
	t.Helper()
	folders := steps(t)
	before := os.DevNull
	if step > 1 {
		before = filepath.Join(folders[step-2], "main.go")
	}
	output, _ := exec.Command("diff", "-u", before, filepath.Join(folders[step-1], "main.go")).Output()
	require.NotEmpty(t, output)
	var added []int
	number := 0
	for line := range strings.Lines(string(output)) {
		if start := hunk.FindStringSubmatch(line); start != nil {
			number = numbers(t, start[1:])[0] - 1
		} else if line[0] != '-' {
			number++
		}
		if line[0] == '+' && !strings.HasPrefix(line, "+++ ") {
			added = append(added, number)
		}
	}
	return added
}

var hunk = regexp.MustCompile(`^@@ .* \+(\d+)`)

func numbers(t *testing.T, words []string) []int {
	t.Helper()
	var found []int
	for _, word := range words {
		n, err := strconv.Atoi(word)
		require.NoError(t, err)
		found = append(found, n)
	}
	return found
}

var newLine = regexp.MustCompile(`<span class="line new"[^>]* data-line="(\d+)"`)

// marked returns the numbers of the lines that the HTML marks as new.
func marked(t *testing.T, html string) []int {
	t.Helper()
	var words []string
	for _, found := range newLine.FindAllStringSubmatch(html, -1) {
		words = append(words, found[1])
	}
	return numbers(t, words)
}

func TestEveryAddedLineIsBesideItsParagraph(t *testing.T) {
	all := pages(t)
	for i, folder := range steps(t) {
		name := filepath.Base(folder)
		source, err := os.ReadFile(filepath.Join(folder, "main.go"))
		require.NoError(t, err)
		lines := strings.Split(string(source), "\n")
		// The comment on the package and the imports explain themselves.
		head := slices.Index(lines, ")") + 1
		beside := marked(t, string(all[name+"/index.html"].Body))
		for _, number := range addedLines(t, i+1) {
			if number > head && lines[number-1] != "" {
				assert.Contains(t, beside, number, "%s: no paragraph of Walking through is beside %q", name, lines[number-1])
			}
		}
	}
}

var numberedLine = regexp.MustCompile(`<span class="line[^"]*" data-line="(\d+)"`)

func TestAPieceIsGoThatYouCanCopy(t *testing.T) {
	all := pages(t)
	pieces, gaps := 0, 0
	for _, folder := range steps(t) {
		page := string(all[filepath.Base(folder)+"/index.html"].Body)
		for _, figure := range regexp.MustCompile(`(?s)<figure class="code" data-language="go"><figcaption><a href="code.*?</figure>`).FindAllString(page, -1) {
			pieces++
			_, code, _ := strings.Cut(figure, "</figcaption>")
			_, err := parser.ParseFile(token.NewFileSet(), folder, "package p\n"+textOf(code), 0)
			assert.NoError(t, err, "%s: %s", folder, textOf(code))
			gaps += strings.Count(textOf(code), "// …\n")
			previous := 0
			for _, found := range numberedLine.FindAllStringSubmatch(code, -1) {
				number := numbers(t, found[1:])[0]
				if previous > 0 {
					assert.NotContains(t, []int{2, 3}, number-previous, "%s: what a piece leaves out before line %d is shorter than what says so", folder, number)
				}
				previous = number
			}
		}
	}
	assert.Greater(t, pieces, 20)
	assert.Greater(t, gaps, 3)
}

func TestTheWholeProgramMarksTheLinesOfTheDiff(t *testing.T) {
	all := pages(t)
	for i, folder := range steps(t) {
		page := string(all[filepath.Base(folder)+"/code.html"].Body)
		main, _, found := strings.Cut(page, `<details class="wide" id="process">`)
		require.True(t, found)
		want := addedLines(t, i+1)
		if i == 0 {
			want = nil
		}
		assert.Equal(t, want, marked(t, main), folder)
		for _, file := range []string{"main.go", "process.go"} {
			source, err := os.ReadFile(filepath.Join(folder, file))
			require.NoError(t, err)
			holds(t, textOf(page), string(source), folder+" "+file)
		}
	}
}

func TestPiecesLeadToTheirLines(t *testing.T) {
	all := pages(t)
	led := 0
	for _, folder := range steps(t) {
		name := filepath.Base(folder)
		whole := string(all[name+"/code.html"].Body)
		for _, link := range regexp.MustCompile(`<a href="code\.html#(L\d+)">`).FindAllStringSubmatch(string(all[name+"/index.html"].Body), -1) {
			holds(t, whole, fmt.Sprintf(` id="%s" `, link[1]), name)
			led++
		}
	}
	assert.Greater(t, led, 7)
}

func TestAPieceThatIsNotThereIsRefused(t *testing.T) {
	programs, err := readPrograms(top)
	require.NoError(t, err)
	for name, message := range map[string]string{
		"mountSysfs":                      "declares no mountSysfs",
		"run from `CLONE_NEWNET`":         "no line of run in",
		"run until `no such words`":       "no line of run in",
		"run from `NEWUTS` until `check`": "no line of run in",
		"run, child":                      "want a name",
		"setHostname":                     "no line is new",
		"run from `return supervise`":     "no line is new",
	} {
		_, err := programs[6].piece(name)
		assert.ErrorContains(t, err, message, name)
		assert.ErrorContains(t, err, "beside: "+name)
	}
}

func TestAStepThatTakesALineAwayIsRefused(t *testing.T) {
	first, second := &program{path: "one", step: 1}, &program{path: "two", step: 2}
	require.NoError(t, first.read("package main\n\nvar a = 1\n", &program{}))
	assert.ErrorContains(t, second.read("package main\n\nvar b = 1\n", first), `the line "var a = 1" of one is missing`)
}

func TestTheChapterOnProcessGoShowsItsFunctions(t *testing.T) {
	all := pages(t)
	page, code := string(all["step01-exec/PROCESS.html"].Body), string(all["step01-exec/code.html"].Body)
	source, err := os.ReadFile(filepath.Join(top, "step01-exec/process.go"))
	require.NoError(t, err)
	shown := 0
	for _, function := range regexp.MustCompile(`(?ms)^func (\w+)\((?:[^\n]*}\n|.*?^}\n)`).FindAllStringSubmatch(string(source), -1) {
		heading := regexp.MustCompile(`<h2 id="[^"]*">[^:<]*\b` + function[1] + `\b[^:<]*:`)
		if heading.MatchString(page) {
			holds(t, textOf(page), function[0], "PROCESS.html")
			shown++
		}
	}
	assert.Greater(t, shown, 7)
	for _, link := range regexp.MustCompile(`href="code\.html#(P\d+)"`).FindAllStringSubmatch(page, -1) {
		holds(t, code, fmt.Sprintf(` id="%s" `, link[1]), "code.html")
	}
}
