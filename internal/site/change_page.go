package site

import (
	"fmt"
	"html/template"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// codePages returns a page for each program: the whole main.go with its new lines marked, and process.go.
func (s *Site) codePages() ([]*Page, error) {
	var pages []*Page
	for _, program := range s.programs {
		p := &Page{
			Source:  program.path,
			Address: path.Join(path.Dir(program.path), "code.html"),
			Title:   fmt.Sprintf("Step %d: the whole program", program.step),
			Summary: fmt.Sprintf("The program of step %d, with its new lines marked.", program.step),
			Kind:    "program",
		}
		process, err := os.ReadFile(filepath.Join(s.top, path.Dir(program.path), "process.go"))
		if err != nil {
			return nil, err
		}
		drawn, err := highlight("go", string(process))
		if err != nil {
			return nil, err
		}
		p.Body = template.HTML(s.introduce(program) + program.drawWhole() +
			"<details class=\"wide\" id=\"process\">\n<summary>process.go: what a program owes to any command, the same file in all steps</summary>\n" +
			listing("go", "process.go", "P", drawn) + "</details>\n")
		pages = append(pages, p)
	}
	return pages, nil
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

// drawWhole returns the whole program as HTML.
func (p *program) drawWhole() string {
	var code strings.Builder
	for i, l := range p.lines {
		class := ""
		if p.step > 1 && l.step == p.step {
			class = "new"
		}
		code.WriteString(numbered(class, "L", i+1, l.html))
	}
	return figure("listing wide", "go", "main.go", code.String())
}
