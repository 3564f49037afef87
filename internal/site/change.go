package site

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A program is the main.go of a step, or process.go.
type program struct {
	// path is the file, from the top, and step the number of its step.
	path  string
	step  int
	lines []line
	// declarations are the functions by name, and the variables as "flags".
	declarations map[string]span
}

// A line is a line of a program, and the step that added this line.
type line struct {
	text string
	html template.HTML
	step int
}

// A span is some lines of a program, counted from 1. It includes the first and the last.
type span struct {
	first, last int
	// opening is the line with func or var: it follows the comment.
	opening int
}

// readPrograms reads the programs of the steps, in order.
func readPrograms(top string) ([]*program, error) {
	files, err := fs.Glob(os.DirFS(top), "step0*/main.go")
	if err != nil {
		return nil, err
	}
	var programs []*program
	before := &program{}
	for i, file := range files {
		if before, err = readProgram(top, file, i+1, before); err != nil {
			return nil, err
		}
		programs = append(programs, before)
	}
	return programs, nil
}

// readProgram reads a file of a step. before is the same file in the step before.
func readProgram(top, file string, step int, before *program) (*program, error) {
	source, err := os.ReadFile(filepath.Join(top, file))
	if err != nil {
		return nil, err
	}
	p := &program{path: file, step: step}
	if err := p.read(string(source), before); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

// read takes the program apart. A step keeps all lines of the step before, in their order, so all others are new.
func (p *program) read(source string, before *program) error {
	drawn, err := highlight("go", source)
	if err != nil {
		return err
	}
	old := before.lines
	for i, text := range strings.SplitAfter(strings.TrimSuffix(source, "\n"), "\n") {
		l := line{strings.TrimSuffix(text, "\n"), drawn[i], p.step}
		if len(old) > 0 && l.text == old[0].text {
			l.step = old[0].step
			old = old[1:]
		}
		p.lines = append(p.lines, l)
	}
	if len(old) > 0 {
		return fmt.Errorf("the line %q of %s is missing: a step only adds lines", old[0].text, before.path)
	}
	return p.declare(source)
}

// declare finds the declarations.
func (p *program) declare(source string) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, p.path, source, parser.ParseComments)
	if err != nil {
		return err
	}
	p.declarations = map[string]span{}
	lines := func(node ast.Node, comment *ast.CommentGroup) span {
		s := span{files.Position(node.Pos()).Line, files.Position(node.End()).Line, files.Position(node.Pos()).Line}
		if comment != nil {
			s.first = files.Position(comment.Pos()).Line
		}
		return s
	}
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			p.declarations[d.Name.Name] = lines(d, d.Doc)
		case *ast.GenDecl:
			if d.Tok == token.VAR {
				p.declarations["flags"] = lines(d, d.Doc)
			}
		}
	}
	return nil
}

// isNew says whether the step added the line with this number.
func (p *program) isNew(number int) bool { return p.lines[number-1].step == p.step }

// added counts the lines that the step added.
func (p *program) added() int {
	count := 0
	for i := range p.lines {
		if p.isNew(i + 1) {
			count++
		}
	}
	return count
}
