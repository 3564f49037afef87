// Package lesson keeps the pages of the workshop true: it types the commands of a page at a terminal and compares the output, writes
// the parts of a page that come from the programs, and draws what a terminal shows.
package lesson

import (
	"bytes"
	"os"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// A Document is a page of Markdown.
type Document struct {
	// Path is the page's file.
	Path string
	// Source is the whole text of the page.
	Source []byte
	// Headings are the page's headings, in order.
	Headings []Heading
	// Blocks are the page's fenced blocks, in order.
	Blocks []Block
	// Links are the targets of links and pictures.
	Links []Link
	// Paragraphs are the paragraphs outside of lists and tables.
	Paragraphs []Paragraph
}

// A Heading is a title on a page.
type Heading struct {
	// Level is 1 for the title of the page.
	Level int
	// Text has no markup.
	Text string
}

// A Block is the text between two fences.
type Block struct {
	// Line is the number of the first line between the fences. The page's first line is 1.
	Line int
	// Language is the word after the opening fence.
	Language string
	// Note is the comment above the block, such as <!-- not run: it takes an hour -->.
	Note string
	// Lines are the lines between the fences, without line ends.
	Lines []string
}

// A Link points to something.
type Link struct {
	// Line is the number of the link's line, or of a line close to it.
	Line int
	// Text is what a reader sees, and Target where the link leads.
	Text, Target string
}

// A Paragraph is running text.
type Paragraph struct {
	// Line is the number of the paragraph's first line.
	Line int
	// Height is the number of lines in the source.
	Height int
}

// Read parses a page.
func Read(path string) (*Document, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, source), nil
}

// Parse parses the text of a page. Messages show the path.
func Parse(path string, source []byte) *Document {
	d := &Document{Path: path, Source: source}
	page := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	ast.Walk(page, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			d.add(node)
		}
		return ast.WalkContinue, nil
	})
	return d
}

func (d *Document) add(node ast.Node) {
	switch n := node.(type) {
	case *ast.Heading:
		d.Headings = append(d.Headings, Heading{n.Level, plain(n, d.Source)})
	case *ast.FencedCodeBlock:
		block := Block{Line: d.line(node), Language: string(n.Language(d.Source))}
		for i := range n.Lines().Len() {
			segment := n.Lines().At(i)
			block.Lines = append(block.Lines, strings.TrimRight(string(segment.Value(d.Source)), "\n"))
		}
		if comment, ok := n.PreviousSibling().(*ast.HTMLBlock); ok {
			block.Note = note(string(comment.Lines().Value(d.Source)))
		}
		d.Blocks = append(d.Blocks, block)
	case *ast.Link:
		d.Links = append(d.Links, Link{d.line(node), plain(n, d.Source), string(n.Destination)})
	case *ast.Image:
		d.Links = append(d.Links, Link{d.line(node), plain(n, d.Source), string(n.Destination)})
	case *ast.Paragraph:
		if n.Parent().Kind() == ast.KindDocument {
			d.Paragraphs = append(d.Paragraphs, Paragraph{d.line(node), n.Lines().Len()})
		}
	}
}

// line returns the number of the source line where a block begins. For a part of a block, it is the line of that block.
func (d *Document) line(node ast.Node) int {
	for node.Type() == ast.TypeInline || node.Lines().Len() == 0 {
		if node.Parent() == nil {
			return 1
		}
		node = node.Parent()
	}
	return 1 + bytes.Count(d.Source[:node.Lines().At(0).Start], []byte("\n"))
}

// plain returns the text of a node, without markup.
func plain(node ast.Node, source []byte) string {
	var words strings.Builder
	ast.Walk(node, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			words.Write(t.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return words.String()
}

// note returns the words of an HTML comment.
func note(comment string) string {
	comment = strings.TrimSpace(comment)
	comment, isComment := strings.CutPrefix(comment, "<!--")
	if !isComment {
		return ""
	}
	return strings.TrimSpace(strings.TrimSuffix(comment, "-->"))
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)

// Anchor returns what GitHub puts after the # in a link to the heading.
func (h Heading) Anchor() string {
	return strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(h.Text), ""), " ", "-")
}
