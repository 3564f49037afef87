package site

import (
	"fmt"
	"html/template"
	"path"
	"strings"
)

// comparePage returns the page that shows two steps side by side. No step takes a line away, so the last program
// has the lines of all steps. Each line of the page says which step added it, and compare.js hides the lines of later steps.
func (s *Site) comparePage() *Page {
	p := &Page{
		Address: "compare.html",
		Kind:    "compare",
		Scripts: []string{"compare.js"},
		Title:   "Two steps side by side",
		Summary: "Each step keeps all lines of the step before. The number beside a line is the step that added the line.",
	}
	last := s.programs[len(s.programs)-1]
	var code strings.Builder
	for _, l := range last.lines {
		fmt.Fprintf(&code, `<span class="line" data-line="%d">%s</span>`, l.step, l.html)
	}
	p.Body = template.HTML(fmt.Sprintf("<p>%s</p>\n<ol class=\"pairs\">\n%s</ol>\n%s%s", p.Summary, s.pairs(), s.choices(),
		figure("listing wide whole", "go", "main.go", code.String())))
	return p
}

// pairs is a list of the steps that follow one another. With the script, each item shows its two steps.
func (s *Site) pairs() string {
	var list strings.Builder
	for _, program := range s.programs[1:] {
		pair := fmt.Sprintf("%d-%d", program.step-1, program.step)
		fmt.Fprintf(&list, "<li id=\"%s\"><a href=\"#%s\">%d and %d</a></li>\n", pair, pair, program.step-1, program.step)
	}
	return list.String()
}

// choices returns the controls. They are hidden, because only the script can move them: the script shows them.
func (s *Site) choices() string {
	var names strings.Builder
	for _, program := range s.programs {
		title := s.find(path.Join(path.Dir(program.path), "README.md")).Title
		fmt.Fprintf(&names, "<option value=\"%d\" label=\"%s\"></option>\n", program.step, template.HTMLEscapeString(title))
	}
	return fmt.Sprintf(`<form class="choices wide" hidden>
<datalist id="names">
%s</datalist>
<p class="slide"><label for="left">Left</label> <b id="left-name"></b> <input type="range" id="left" min="1" max="%d" value="1" list="names"></p>
<p class="slide"><label for="right">Right</label> <b id="right-name"></b> <input type="range" id="right" min="1" max="%[2]d" value="2" list="names"></p>
<p class="difference"><span id="difference" role="status"></span> <button type="button" id="turn">Next change</button></p>
<p class="divide"><label for="divide" class="sr">Width of the left column, in percent</label> <input type="range" id="divide" min="0" max="100" value="50"></p>
</form>
`, names.String(), len(s.programs))
}
