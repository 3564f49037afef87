package site

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"regexp"

	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/formatters/html"
	"github.com/alecthomas/chroma/v2/lexers"
	"github.com/alecthomas/chroma/v2/styles"
)

// formatter draws code. The colours are in the style sheet.
var formatter = html.New(html.WithClasses(true), html.PreventSurroundingPre(true))

// highlight draws code of a language.
func highlight(w io.Writer, language, code string) error {
	lexer := lexers.Get(language)
	if lexer == nil {
		lexer = lexers.Fallback
	}
	tokens, err := chroma.Coalesce(lexer).Tokenise(nil, code)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, `<figure class="code" data-language="%s"><pre tabindex="0"><code>`, template.HTMLEscapeString(language))
	if err := formatter.Format(w, styles.Fallback, tokens); err != nil {
		return err
	}
	fmt.Fprint(w, "</code></pre></figure>\n")
	return nil
}

// stylesheet returns all style sheets as one, with the colours of the code.
func stylesheet() ([]byte, error) {
	var sheet bytes.Buffer
	files, err := fs.Glob(look, "look/*.css")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := look.ReadFile(file)
		if err != nil {
			return nil, err
		}
		sheet.Write(text)
	}
	for _, theme := range []struct{ name, style string }{{"light", "github"}, {"dark", "github-dark"}} {
		var colours bytes.Buffer
		if err := formatter.WriteCSS(&colours, styles.Get(theme.style)); err != nil {
			return nil, err
		}
		fmt.Fprintf(&sheet, "\n[data-theme=%s] {\n%s}\n", theme.name, colours.String())
	}
	return sheet.Bytes(), nil
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
