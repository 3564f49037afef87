package site

import (
	"fmt"
	"regexp"
	"strings"
)

// Hints are also read in a terminal, so they have no markup. The page has: manual finds pages such as clone(2), and name finds the
// names of Go and of the kernel, such as cmd.SysProcAttr and CLONE_NEWUTS.
var (
	markup = regexp.MustCompile(`(?s)<pre.*?</pre>|<code>.*?</code>|<[^>]*>`)
	manual = regexp.MustCompile(`\b(\w+)\((\d)(\w*)\)`)
	name   = regexp.MustCompile(`\b(?:[A-Z]+_[A-Z_0-9]+|[a-z]+\.[A-Z]\w*(?:\.[A-Z]\w*)*)\b`)
	see    = regexp.MustCompile(`([.:?"]) (<code>[a-z]+\.[A-Z]\w*</code>)</p>`)
)

// markNames adds links to the manual pages in the text of a page, and the font of code to the names.
func markNames(body string) string {
	var marked strings.Builder
	last := 0
	for _, at := range markup.FindAllStringIndex(body, -1) {
		marked.WriteString(markText(body[last:at[0]]) + body[at[0]:at[1]])
		last = at[1]
	}
	return see.ReplaceAllString(marked.String()+markText(body[last:]), "$1 See $2.</p>")
}

func markText(text string) string {
	var marked strings.Builder
	last := 0
	for _, at := range manual.FindAllStringSubmatchIndex(text, -1) {
		word, section, suffix := text[at[2]:at[3]], text[at[4]:at[5]], text[at[6]:at[7]]
		marked.WriteString(name.ReplaceAllString(text[last:at[0]], "<code>$0</code>"))
		fmt.Fprintf(&marked, `<a href="https://man7.org/linux/man-pages/man%s/%s.%[1]s%[3]s.html">%[2]s(%[1]s%[3]s)</a>`, section, word, suffix)
		last = at[1]
	}
	return marked.String() + name.ReplaceAllString(text[last:], "<code>$0</code>")
}
