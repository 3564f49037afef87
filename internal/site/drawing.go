package site

import (
	"fmt"
	"html/template"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"

	"container-workshop/internal/lesson"
)

// A drawing draws the parts of a page that goldmark would draw in another way.
type drawing struct {
	site     *Site
	page     *Page
	document *lesson.Document
	// blocks counts the fenced blocks so far, and folds the headings that fold.
	blocks, folds int
}

// RegisterFuncs names the parts. goldmark calls it.
func (d *drawing) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, d.heading)
	r.Register(ast.KindFencedCodeBlock, d.block)
	r.Register(ast.KindLink, d.link)
	r.Register(ast.KindImage, d.image)
	r.Register(ast.KindHTMLBlock, d.html)
	r.Register(kindFrame, d.frame)
}

// heading draws a heading with the anchor that GitHub gives it.
func (d *drawing) heading(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n := node.(*ast.Heading)
	folds := d.page.Kind == "hints" && n.Level == 2
	id := lesson.Heading{Text: plain(n, source)}.Anchor()
	switch {
	case entering && folds:
		w.WriteString(d.fold(id))
	case entering:
		fmt.Fprintf(w, `<h%d id="%s">`, n.Level, id)
	case folds:
		w.WriteString("</h2></summary>\n")
	default:
		fmt.Fprintf(w, "</h%d>\n", n.Level)
	}
	return ast.WalkContinue, nil
}

// block draws a fenced block.
func (d *drawing) block(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	block := d.document.Blocks[d.blocks]
	d.blocks++
	if block.Language == "console" {
		return ast.WalkSkipChildren, terminal(w, block)
	}
	lines, err := highlight(block.Language, strings.Join(block.Lines, "\n")+"\n")
	if err != nil {
		return ast.WalkStop, err
	}
	var code strings.Builder
	for _, line := range lines {
		code.WriteString(string(line))
	}
	w.WriteString(figure("", block.Language, "", code.String()))
	return ast.WalkSkipChildren, nil
}

// link leads to the page of a Markdown file, and leaves other addresses as they are.
func (d *drawing) link(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		w.WriteString("</a>")
		return ast.WalkContinue, nil
	}
	fmt.Fprintf(w, `<a href="%s">`, template.HTMLEscapeString(d.target(string(node.(*ast.Link).Destination))))
	return ast.WalkContinue, nil
}

// target returns the address for a link of the Markdown.
func (d *drawing) target(to string) string {
	if strings.Contains(to, "://") || strings.HasPrefix(to, "#") {
		return to
	}
	file, anchor, _ := strings.Cut(to, "#")
	if anchor != "" {
		anchor = "#" + anchor
	}
	file = d.page.resolve(file)
	if path.Ext(file) != ".md" {
		d.site.mention(file, d.page)
	}
	return d.page.to(d.site.address(file)) + anchor
}

// image draws a picture with its size, so that the page does not jump when the picture comes.
func (d *drawing) image(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	n := node.(*ast.Image)
	file := d.page.resolve(string(n.Destination))
	text, err := os.ReadFile(filepath.Join(d.site.top, file))
	if err != nil {
		return ast.WalkStop, err
	}
	d.page.files = append(d.page.files, file)
	width, height := size(text)
	fmt.Fprintf(w, `<img src="%s" alt="%s" width="%s" height="%s" loading="lazy"`, d.page.to(file), template.HTMLEscapeString(plain(n, source)), width, height)
	recording, err := d.site.recording(file)
	if err != nil {
		return ast.WalkStop, err
	}
	if recording != "" {
		d.page.record(recording)
		fmt.Fprintf(w, ` data-recording="%s.js"`, d.page.to(recording))
	}
	fmt.Fprint(w, ">")
	return ast.WalkSkipChildren, nil
}

var dimensions = regexp.MustCompile(`<svg[^>]* width="([0-9.]+)" height="([0-9.]+)"`)

// size returns the width and the height of a picture, in pixels.
func size(svg []byte) (width, height string) {
	found := dimensions.FindSubmatch(svg)
	if found == nil {
		return "", ""
	}
	return string(found[1]), string(found[2])
}

// html leaves out comments, which are for the tests and for the authors. A generated part is in a box with its name.
func (d *drawing) html(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n := node.(*ast.HTMLBlock)
	if !entering {
		return ast.WalkContinue, nil
	}
	text := string(n.Lines().Value(source))
	if n.HasClosure() {
		text += string(n.ClosureLine.Value(source))
	}
	w.WriteString(comment.ReplaceAllStringFunc(text, box))
	return ast.WalkContinue, nil
}

// frame draws the HTML before and after the blocks in a frame.
func (d *drawing) frame(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if n := node.(*frame); entering {
		w.WriteString(n.before)
	} else {
		w.WriteString(n.after)
	}
	return ast.WalkContinue, nil
}
