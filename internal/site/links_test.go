package site

import (
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"container-workshop/internal/check"
	"container-workshop/internal/lesson"
)

// addresses calls f with each address in a page: those that a reader may follow, and those that the browser loads.
func addresses(page *html.Node, f func(n *html.Node, to string, follow bool)) {
	for _, n := range all(page) {
		for _, name := range []string{"href", "src", "poster", "data", "action", "data-recording"} {
			if to, ok := attribute(n, name); ok {
				f(n, to, n.DataAtom == atom.A && name == "href")
			}
		}
	}
}

func TestEveryLinkLeadsToAPlaceOfTheSite(t *testing.T) {
	b := site(t)
	places := map[string][]string{}
	for name, page := range b.pages {
		places[name] = ids(page)
	}
	links := 0
	for name, page := range b.pages {
		addresses(page, func(n *html.Node, to string, follow bool) {
			address, err := url.Parse(to)
			if !assert.NoError(t, err, "%s: %s", name, to) || address.IsAbs() {
				return
			}
			links++
			if !assert.False(t, strings.HasPrefix(to, "/"), "%s: %s is the address on one server only", name, to) {
				return
			}
			target := name
			if address.Path != "" {
				target = path.Join(path.Dir(name), address.Path)
			}
			_, exists := b.files[target]
			if assert.True(t, exists, "%s: nothing is at %s", name, to) && address.Fragment != "" {
				assert.Contains(t, places[target], address.Fragment, "%s: no place %s", name, to)
			}
		})
	}
	assert.Greater(t, links, 500)
}

// What nobody links to, nobody finds. The link to the live page comes with make serve.
func TestEveryPageIsLinkedFromAnother(t *testing.T) {
	b := site(t)
	linked := map[string]bool{"index.html": true, "live.html": true}
	for name, page := range b.pages {
		addresses(page, func(n *html.Node, to string, follow bool) {
			if address, err := url.Parse(to); err == nil && follow && !address.IsAbs() && address.Path != "" {
				if target := path.Join(path.Dir(name), address.Path); target != name {
					linked[target] = true
				}
			}
		})
	}
	for _, name := range slices.Sorted(maps.Keys(b.pages)) {
		assert.True(t, linked[name], "no page leads to %s", name)
	}
}

func TestPagesLoadNothingFromElsewhere(t *testing.T) {
	b := site(t)
	for name, page := range b.pages {
		addresses(page, func(n *html.Node, to string, follow bool) {
			if !follow {
				assert.NotContains(t, to, "//", "%s: %s", name, n.Data)
			}
		})
	}
	style := string(b.files["site/style.css"])
	require.NotEmpty(t, style)
	for _, loading := range []string{"url(", "@import", "@font-face"} {
		assert.False(t, strings.Contains(style, loading), "style.css: %s", loading)
	}
}

func TestWhatACheckSaysToReadIsOnAPage(t *testing.T) {
	b := site(t)
	for _, p := range slices.Concat(check.Properties, check.Stretch) {
		file, anchor, ok := strings.Cut(p.Where, "#")
		require.True(t, ok, p.Name)
		page := b.pages[lesson.Address(file)]
		require.NotNil(t, page, "%s: %s", p.Name, p.Where)
		assert.Contains(t, ids(page), anchor, p.Name)
	}
}
