package site

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"container-workshop/internal/lesson"
)

// heaviest is how many bytes a page may load at once.
const heaviest = 150_000

func TestIDsAreUnique(t *testing.T) {
	for name, page := range site(t).pages {
		found := ids(page)
		slices.Sort(found)
		assert.Equal(t, slices.Compact(slices.Clone(found)), found, name)
	}
}

func TestPicturesHaveATextAndASize(t *testing.T) {
	pictures := 0
	for name, page := range site(t).pages {
		for _, n := range all(page, atom.Img) {
			pictures++
			for _, needed := range []string{"alt", "width", "height"} {
				value, _ := attribute(n, needed)
				assert.NotEmpty(t, value, "%s: %v has no %s", name, n.Attr, needed)
			}
		}
	}
	assert.Greater(t, pictures, 14)
}

func TestAPageHasATitleAndItsParts(t *testing.T) {
	titles := map[string]string{}
	for name, page := range site(t).pages {
		for _, part := range []atom.Atom{atom.Title, atom.H1, atom.Main} {
			assert.Len(t, all(page, part), 1, "%s: %s", name, part)
		}
		for _, nav := range all(page, atom.Nav) {
			label, _ := attribute(nav, "aria-label")
			assert.NotEmpty(t, label, "%s: a nav has no name", name)
		}
		language, _ := attribute(all(page, atom.Html)[0], "lang")
		assert.Equal(t, "en", language, name)
		title := words(all(page, atom.Title)[0])
		assert.Empty(t, titles[title], "%s has the same title: %s", name, title)
		titles[title] = name
	}
}

// The server forbids scripts and styles inside a page: what a learner's program prints may be in one. Data is allowed.
func TestPagesHaveNoScriptsInside(t *testing.T) {
	for name, page := range site(t).pages {
		for _, n := range all(page) {
			if kind, _ := attribute(n, "type"); n.DataAtom == atom.Script && kind != "application/json" {
				assert.Nil(t, n.FirstChild, "%s has a script inside", name)
				assert.NotEqual(t, "module", kind, "%s: a browser loads no modules from files", name)
			}
			for _, a := range n.Attr {
				assert.False(t, strings.HasPrefix(a.Key, "on"), "%s: %s %s", name, n.Data, a.Key)
			}
		}
	}
}

func TestPagesAreLight(t *testing.T) {
	b := site(t)
	for name, page := range b.pages {
		weight := len(b.files[name])
		addresses(page, func(n *html.Node, to string, follow bool) {
			if n.DataAtom == atom.Link || n.DataAtom == atom.Script || n.DataAtom == atom.Img {
				weight += len(b.files[path.Join(path.Dir(name), to)])
			}
		})
		assert.LessOrEqual(t, weight, heaviest, name)
	}
}

// What you copy is in kbd.
func TestCommandsAreApartFromTheirPrompts(t *testing.T) {
	commands := 0
	for name, page := range site(t).pages {
		for _, figure := range all(page, atom.Figure) {
			if !class(figure, "terminal") {
				continue
			}
			var typed []string
			for _, n := range all(figure, atom.Kbd) {
				typed = append(typed, words(n))
			}
			var wanted []string
			for _, line := range strings.Split(words(all(figure, atom.Code)[0]), "\n") {
				if _, command, ok := lesson.Prompt(line); ok {
					wanted = append(wanted, command)
				}
			}
			assert.Equal(t, wanted, typed, name)
			commands += len(wanted)
		}
	}
	assert.Greater(t, commands, 100)
}

func TestEveryLessonPlaysItsRecording(t *testing.T) {
	b := site(t)
	casts, err := filepath.Glob("../../step0*/*.cast")
	require.NoError(t, err)
	require.Len(t, casts, 7)
	for _, cast := range casts {
		want, err := os.ReadFile(cast)
		require.NoError(t, err)
		step := path.Base(path.Dir(cast))
		page := b.pages[step+"/index.html"]
		require.NotNil(t, page, step)
		assert.True(t, slices.ContainsFunc(all(page, atom.Img), func(n *html.Node) bool {
			recording, _ := attribute(n, "data-recording")
			return path.Join(step, recording) == path.Join(step, path.Base(cast)+".js")
		}), "%s does not play %s", step, cast)

		script := string(b.files[path.Join(step, path.Base(cast)+".js")])
		quoted, ok := strings.CutPrefix(script, "window.recording = ")
		require.True(t, ok, step)
		var got string
		require.NoError(t, json.Unmarshal([]byte(strings.TrimSuffix(quoted, ";\n")), &got))
		assert.Equal(t, string(want), got, step)
	}
}

func TestTheSearchHasTheTextsOnly(t *testing.T) {
	b := site(t)
	require.Len(t, b.sources, len(b.pages))
	for name, page := range b.pages {
		_, indexed := attribute(all(page, atom.Main)[0], "data-pagefind-body")
		assert.Equal(t, path.Ext(b.sources[name]) == ".md", indexed, name)
	}
}
