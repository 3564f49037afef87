package site

import (
	"fmt"
	"html/template"
	"path"
	"strings"
)

// codePages returns a page for each program: the whole main.go with its new lines marked, and process.go.
func (s *Site) codePages() []*Page {
	var pages []*Page
	for _, program := range s.programs {
		p := &Page{
			Source:  program.path,
			Address: path.Join(path.Dir(program.path), "code.html"),
			Title:   fmt.Sprintf("Step %d: the whole program", program.step),
			Summary: fmt.Sprintf("The program of step %d, with its new lines marked.", program.step),
			Kind:    "program",
		}
		p.Body = template.HTML(s.introduce(program) + program.drawWhole("L") +
			"<details class=\"wide\" id=\"process\">\n<summary>process.go: what a program owes to any command, the same file in all steps</summary>\n" +
			s.process.drawWhole("P") + "</details>\n")
		pages = append(pages, p)
	}
	return pages
}

// introduce says what the reader sees, and leads back.
func (s *Site) introduce(p *program) string {
	change, compare := "All lines are new.", ""
	if p.step > 1 {
		change = fmt.Sprintf("The %d marked lines are new in this step.", p.added())
		compare = fmt.Sprintf(` <a href="../compare.html#%d-%d">Compare with step %d</a>`, p.step-1, p.step, p.step-1)
	}
	return fmt.Sprintf(`<p>%s</p>
<p class="ways"><a href="index.html#walking-through">The lesson explains them</a>%s <a href="#P1">process.go</a></p>`+"\n", change, compare)
}

// drawWhole returns the whole program as HTML. The anchors of the lines begin with the prefix.
func (p *program) drawWhole(prefix string) string {
	var code strings.Builder
	for i, l := range p.lines {
		class := ""
		if p.step > 1 && l.step == p.step {
			class = "new"
		}
		code.WriteString(numbered(class, prefix, i+1, l.html))
	}
	return figure("listing wide", "go", template.HTML(path.Base(p.path)), code.String())
}

// drawFunctions returns, folded, the functions of process.go that a heading of PROCESS.md names, such as "start and awaitRun: the handshake".
func (s *Site) drawFunctions(heading string) string {
	var drawn strings.Builder
	names, _, _ := strings.Cut(heading, ": ")
	for _, name := range strings.Fields(names) {
		lines, ok := s.process.declarations[name]
		if !ok {
			continue
		}
		var code strings.Builder
		for number := lines.first; number <= lines.last; number++ {
			code.WriteString(numbered("", "", number, s.process.lines[number-1].html))
		}
		caption := fmt.Sprintf(`<a href="code.html#P%d">process.go, line %d</a>`, lines.first, lines.first)
		fmt.Fprintf(&drawn, "<details>\n<summary>The function %s</summary>\n%s</details>\n", name,
			figure("listing", "go", template.HTML(caption), code.String()))
	}
	return drawn.String()
}
