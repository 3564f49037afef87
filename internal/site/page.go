package site

import (
	"bytes"
	"fmt"
	"html/template"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"container-workshop/internal/lesson"
)

// A Page is one page of the site.
type Page struct {
	// Source is the Markdown file, and Address the page, both from the top.
	Source, Address string
	// Lesson is true for the pages that you read from the first to the last.
	Lesson bool
	// Kind is a class for the style sheet: empty for a page of text.
	Kind string
	// Scripts are the files of look that only this page needs.
	Scripts []string
	// Title is the text of the first heading, and Summary the paragraph below it.
	Title, Summary string
	// Contents are the other headings.
	Contents []lesson.Heading
	// Body is the page below the title.
	Body template.HTML
	// files are the pictures that the page shows, from the top.
	files []string
	// recordings are the recordings that the page can play, from the top.
	recordings []string
}

// read makes a page from a Markdown file.
func (s *Site) read(source string) (*Page, error) {
	markdown, err := os.ReadFile(filepath.Join(s.top, source))
	if err != nil {
		return nil, err
	}
	document := lesson.Parse(source, markdown)
	p := &Page{Source: source, Address: lesson.Address(source), Kind: kind(source), Title: document.Headings[0].Text, Contents: document.Headings[1:]}
	if p.Kind == "lesson" && p.Step() > 0 {
		p.Scripts = []string{"ours.js", "problem.js"}
	}
	g := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(
		html.WithUnsafe(), renderer.WithNodeRenderers(util.Prioritized(&drawing{site: s, page: p, document: document}, 1))))
	tree := g.Parser().Parse(text.NewReader(markdown))
	title := tree.FirstChild()
	if first, ok := title.NextSibling().(*ast.Paragraph); ok {
		p.Summary = strings.Join(strings.Fields(plain(first, markdown)), " ")
	}
	tree.RemoveChild(tree, title)
	if err := s.putCode(p, tree, markdown); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if err := g.Renderer().Render(&body, markdown, tree); err != nil {
		return nil, err
	}
	p.Body = template.HTML(p.finish(body.String()))
	return p, nil
}

// kind returns the class of a page for the style sheet.
func kind(source string) string {
	switch file := path.Base(source); {
	case source == "README.md":
		return "home"
	case file == "HINTS.md":
		return "hints"
	case file == "README.md":
		return "lesson"
	}
	return ""
}

// Root is the way from the page to the top: empty, ../ or more.
func (p *Page) Root() string { return strings.Repeat("../", strings.Count(p.Address, "/")) }

// to returns the link from this page to the address, which is from the top.
func (p *Page) to(address string) string { return p.Root() + address }

// resolve returns where a link of the page's Markdown leads, from the top.
func (p *Page) resolve(target string) string { return path.Join(path.Dir(p.Source), target) }

// plain returns the text of a node, without markup.
func plain(node ast.Node, source []byte) string {
	var words strings.Builder
	ast.Walk(node, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			words.Write(t.Value(source))
			if t.SoftLineBreak() {
				words.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return words.String()
}

// Step is the number of the step that the page belongs to, or 0.
func (p *Page) Step() int {
	step := 0
	fmt.Sscanf(p.Source, "step%02d-", &step)
	return step
}

// Markdown is true for a page of text, which the search finds, and false for a page of code.
func (p *Page) Markdown() bool { return strings.HasSuffix(p.Source, ".md") }
