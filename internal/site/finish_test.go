package site

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// classed returns the elements of a page that have the class.
func classed(page *html.Node, name string) (found []*html.Node) {
	for _, n := range all(page) {
		if class(n, name) {
			found = append(found, n)
		}
	}
	return found
}

// lessonPages returns the pages of the seven lessons.
func lessonPages(t *testing.T) map[string]*html.Node {
	t.Helper()
	found := map[string]*html.Node{}
	for name, page := range site(t).pages {
		if matched, _ := path.Match("step0*/index.html", name); matched {
			found[name] = page
		}
	}
	require.Len(t, found, 7)
	return found
}

func TestALessonSaysOnACardWhatItTakes(t *testing.T) {
	for name, page := range lessonPages(t) {
		cards := classed(page, "takes")
		require.Len(t, cards, 1, name)
		assert.Regexp(t, `^\d+ minutes (easy|medium|hard)At the end you can say [a-z]`, words(cards[0]), name)
	}
}

// The way to the next page is at the foot, once.
func TestPagesLeadFromTheFirstToTheLast(t *testing.T) {
	pages := site(t).pages
	at, seen := "index.html", []string{}
	for at != "" {
		seen = append(seen, at)
		require.Less(t, len(seen), 20)
		from := at
		at = ""
		for _, n := range all(pages[from], atom.A) {
			href, _ := attribute(n, "href")
			if rel, _ := attribute(n, "rel"); rel == "next" {
				require.Empty(t, at, from)
				at = path.Join(path.Dir(from), href)
			}
		}
		assert.NotContains(t, words(all(pages[from], atom.Main)[0]), "\nNext: ", from)
	}
	assert.Len(t, seen, 9)
	assert.Equal(t, "final/index.html", seen[8])
}

func TestTheFirstPageHasACardForEachStep(t *testing.T) {
	cards := classed(site(t).pages["index.html"], "cards")
	require.Len(t, cards, 1)
	list := all(cards[0], atom.Li)
	require.Len(t, list, 8)
	for i, card := range list[:7] {
		link := all(card, atom.A)[0]
		href, _ := attribute(link, "href")
		page := site(t).pages[href]
		require.NotNil(t, page, href)
		name := strings.TrimSpace(words(all(page, atom.H1)[0]))
		assert.Equal(t, name, "Step "+strings.Replace(words(link), " ", ": ", 1), "card %d", i+1)
		assert.Contains(t, words(card), strings.Join(strings.Fields(words(all(page, atom.P)[0])), " "), href)
	}
}

func TestHintsAreFoldedOneByOne(t *testing.T) {
	hints := 0
	for name, page := range site(t).pages {
		if path.Base(name) != "HINTS.html" {
			continue
		}
		folds := classed(page, "fold")
		require.Len(t, folds, 3, name)
		for i, fold := range folds {
			headings := all(fold, atom.H2)
			require.Len(t, headings, 1, name)
			id, _ := attribute(headings[0], "id")
			assert.Equal(t, "hint-"+string(rune('1'+i)), id, name)
			_, open := attribute(fold, "open")
			assert.False(t, open, name)
			assert.Greater(t, len(words(fold)), 100, name)
		}
		hints++
	}
	assert.Equal(t, 7, hints)
}

// Of the notes above a block, a reader sees which terminal and which version of cgroups the block is for, and nothing else.
func TestTerminalsSayWhichTheyAre(t *testing.T) {
	pages := site(t)
	wanted := regexp.MustCompile(`(?m)^<!-- (second terminal|cgroup v[12])(, \w+)? -->$`)
	shown := map[string]int{}
	for name, page := range pages.pages {
		captions := 0
		for _, figure := range classed(page, "terminal") {
			for _, caption := range all(figure, atom.Figcaption) {
				shown[words(caption)]++
				captions++
			}
		}
		if path.Ext(pages.sources[name]) == ".md" {
			markdown, err := os.ReadFile("../../" + pages.sources[name])
			require.NoError(t, err)
			assert.Len(t, wanted.FindAllString(string(markdown), -1), captions, name)
		}
	}
	assert.Len(t, shown, 3)
	for _, label := range []string{"second terminal", "cgroup version 1", "cgroup version 2"} {
		assert.Positive(t, shown[label], label)
	}
}

func TestAShellInAContainerHasItsOwnPrompt(t *testing.T) {
	inside := 0
	for name, page := range site(t).pages {
		for _, prompt := range classed(page, "prompt") {
			assert.Equal(t, strings.HasPrefix(words(prompt), "root@container:"), class(prompt, "inside"), "%s: %s", name, words(prompt))
			if class(prompt, "inside") {
				inside++
			}
		}
	}
	assert.Greater(t, inside, 20)
}
