package site

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"container-workshop/internal/check"
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
	for _, elsewhere := range []string{"//", "@import", "@font-face"} {
		assert.NotContains(t, style, "url("+elsewhere)
		assert.NotContains(t, style, `url("`+elsewhere)
	}
	assert.NotContains(t, style, "@import")
	assert.NotContains(t, style, "@font-face")
}

func TestWhatACheckSaysToReadIsOnAPage(t *testing.T) {
	b := site(t)
	for _, p := range slices.Concat(check.Properties, check.Stretch) {
		file, anchor, ok := strings.Cut(p.Where, "#")
		require.True(t, ok, p.Name)
		page := b.pages[address(file)]
		require.NotNil(t, page, "%s: %s", p.Name, p.Where)
		assert.Contains(t, ids(page), anchor, p.Name)
	}
}
