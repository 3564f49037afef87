package site

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/lexers"
)

// highlight returns the lines of a text as HTML, with their line ends. The colours are in the style sheet. The language is a name that
// chroma knows, or a file name.
func highlight(language, text string) ([]template.HTML, error) {
	lexer := lexers.Get(language)
	if lexer == nil {
		lexer = lexers.Match(language)
	}
	if lexer == nil {
		lexer = lexers.Fallback
	}
	tokens, err := chroma.Coalesce(lexer).Tokenise(nil, text)
	if err != nil {
		return nil, err
	}
	var lines []template.HTML
	for _, tokens := range chroma.SplitTokensIntoLines(tokens.Tokens()) {
		var line strings.Builder
		for _, token := range tokens {
			word := template.HTMLEscapeString(token.Value)
			if class := colour(token.Type); class != "" {
				word = fmt.Sprintf(`<span class="%s">%s</span>`, class, word)
			}
			line.WriteString(word)
		}
		lines = append(lines, template.HTML(line.String()))
	}
	return lines, nil
}

// colour returns the class of the style sheet for a kind of word, or nothing for names and signs, which have the colour of the text.
func colour(kind chroma.TokenType) string {
	switch {
	case kind.InCategory(chroma.Keyword):
		return "k"
	case kind.InSubCategory(chroma.LiteralString):
		return "s"
	case kind.InSubCategory(chroma.LiteralNumber):
		return "m"
	case kind.InCategory(chroma.Comment):
		return "c"
	case kind == chroma.NameFunction || kind == chroma.NameBuiltin:
		return "f"
	case kind == chroma.GenericInserted:
		return "added"
	case kind == chroma.GenericDeleted:
		return "removed"
	case kind.InCategory(chroma.Generic):
		return "c"
	}
	return ""
}

// figure returns code as HTML. The class says more about it, and the caption may be empty.
func figure(class, language string, caption template.HTML, code string) string {
	if caption != "" {
		caption = "<figcaption>" + caption + "</figcaption>"
	}
	return fmt.Sprintf(`<figure class="%s" data-language="%s">%s<pre tabindex="0"><code>%s</code></pre></figure>`+"\n",
		strings.TrimSpace("code "+class), template.HTMLEscapeString(language), caption, code)
}

// numbered returns a line of code with its number. With a prefix, such as L, the line has an anchor: L42.
func numbered(class, prefix string, number int, code template.HTML) string {
	id := ""
	if prefix != "" {
		id = fmt.Sprintf(` id="%s%d"`, prefix, number)
	}
	return fmt.Sprintf(`<span class="%s"%s data-line="%d">%s</span>`, strings.TrimSpace("line "+class), id, number, code)
}

// listing returns a whole file as HTML. Each line has an anchor.
func listing(language string, lines []template.HTML) string {
	var code strings.Builder
	for i, line := range lines {
		code.WriteString(numbered("", "L", i+1, line))
	}
	return figure("listing wide", language, "", code.String())
}
