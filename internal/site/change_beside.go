package site

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// A frame puts HTML before and after the blocks in it.
type frame struct {
	ast.BaseBlock
	before, after string
}

var kindFrame = ast.NewNodeKind("Frame")

// Kind names the frame for goldmark, which calls drawing.frame.
func (f *frame) Kind() ast.NodeKind { return kindFrame }

// Dump prints the frame. goldmark wants it.
func (f *frame) Dump(source []byte, level int) { ast.DumpHelper(f, source, level, nil, nil) }

// putCode adds to a page what GitHub cannot show: the code beside the paragraphs, and the ways to the whole programs.
func (s *Site) putCode(p *Page, tree ast.Node, source []byte) error {
	section := ""
	for node := tree.FirstChild(); node != nil; node = node.NextSibling() {
		switch n := node.(type) {
		case *ast.Heading:
			section = plain(n, source)
			if path.Base(p.Source) == "PROCESS.md" {
				tree.InsertAfter(tree, n, &frame{before: s.drawFunctions(section)})
			} else if ways := s.ways(p, section); ways != "" {
				tree.InsertAfter(tree, n, &frame{before: ways})
			}
		case *ast.Paragraph:
			if p.Step() == 0 || section != "Walking through" {
				continue
			}
			frame, err := s.beside(s.programs[p.Step()-1], n, source)
			if err != nil {
				return err
			}
			if frame != nil {
				tree.ReplaceChild(tree, n, frame)
				frame.AppendChild(frame, n)
				node = frame
			}
		}
	}
	return nil
}

// ways are the links below a heading that lead to the programs.
func (s *Site) ways(p *Page, section string) string {
	compare, step := p.to("compare.html"), p.Step()
	switch {
	case p.Source == "README.md" && section == "The steps":
		return fmt.Sprintf(`<p class="ways"><a href="%s">Compare two steps</a></p>`+"\n", compare)
	case !strings.HasSuffix(p.Source, "/README.md") || step == 0 || section != "Walking through":
		return ""
	case step == 1:
		return `<p class="ways"><a href="code.html">The whole program</a></p>` + "\n"
	}
	return fmt.Sprintf(`<p class="ways"><a href="code.html">The whole program</a> <a href="%s#%d-%d">Compare with step %d</a></p>`+"\n",
		compare, step-1, step, step-1)
}

// beside returns a frame with the code that a paragraph explains, or nil.
func (s *Site) beside(p *program, paragraph *ast.Paragraph, source []byte) (*frame, error) {
	var code strings.Builder
	for _, name := range names(paragraph, source) {
		piece, err := p.piece(name)
		if err != nil {
			return nil, err
		}
		code.WriteString(p.draw(piece))
	}
	if code.Len() == 0 {
		return nil, nil
	}
	return &frame{before: `<div class="beside wide"><div class="words">` + "\n", after: "</div><div class=\"pieces\">\n" + code.String() + "</div></div>\n"}, nil
}

// besideComment is the comment above a paragraph, such as <!-- beside: flags; checkRootfs -->.
var besideComment = regexp.MustCompile(`(?s)<!-- beside: (.+?) -->`)

// names returns the names of the pieces for a paragraph: from the comment above it, or from the bold words that it begins with.
// **`mountProc`** and **In `child`** name functions, **The flag** the variables, and other bold words name nothing.
func names(paragraph *ast.Paragraph, source []byte) []string {
	if comment, ok := paragraph.PreviousSibling().(*ast.HTMLBlock); ok {
		text := string(comment.Lines().Value(source))
		if comment.HasClosure() {
			text += string(comment.ClosureLine.Value(source))
		}
		if found := besideComment.FindStringSubmatch(text); found != nil {
			return strings.Split(strings.Join(strings.Fields(found[1]), " "), "; ")
		}
	}
	bold, ok := paragraph.FirstChild().(*ast.Emphasis)
	if !ok || bold.Level != 2 {
		return nil
	}
	if plain(bold, source) == "The flag" {
		return []string{"flags"}
	}
	for word := bold.FirstChild(); word != nil; word = word.NextSibling() {
		if word.Kind() == ast.KindCodeSpan {
			return []string{plain(word, source)}
		}
	}
	return nil
}
