package site

import (
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"
)

// around is how many old lines a piece shows before and after new lines.
const around = 2

// A piece is what stands beside a paragraph: the new lines of a declaration, or of a part of it.
type piece struct {
	whole span
	part  span
}

// pieceName is how a comment in the Markdown names a piece.
var pieceName = regexp.MustCompile("^(\\w+)(?: from `([^`]+)`)?(?: until `([^`]+)`)?$")

// piece finds a piece by its name: a declaration, such as mountProc, or a part of a declaration, such as run from `WORDS` until `WORDS`.
// The part begins with the line that has the first words, and ends before the line that has the last words.
func (p *program) piece(name string) (piece, error) {
	found := pieceName.FindStringSubmatch(name)
	if found == nil {
		return piece{}, fmt.Errorf("beside: %s: want a name, or a name from `words` until `words`", name)
	}
	whole, ok := p.declarations[found[1]]
	if !ok {
		return piece{}, fmt.Errorf("beside: %s: %s declares no %s", name, p.path, found[1])
	}
	part := span{first: p.search(found[2], whole.first, whole.last), last: whole.last}
	if found[3] != "" {
		part.last = p.search(found[3], part.first+1, whole.last) - 1
	}
	if part.first == 0 || part.last < part.first {
		return piece{}, fmt.Errorf("beside: %s: no line of %s in %s has these words", name, found[1], p.path)
	}
	if !slices.ContainsFunc(p.lines[part.first-1:part.last], func(l line) bool { return l.step == p.step }) {
		return piece{}, fmt.Errorf("beside: %s: no line is new in %s", name, p.path)
	}
	return piece{whole, part}, nil
}

// search returns the number of the first line with the words, or 0.
func (p *program) search(words string, first, last int) int {
	for number := first; number <= last; number++ {
		if strings.Contains(p.lines[number-1].text, words) {
			return number
		}
	}
	return 0
}

// explains says whether a line is one of those that the paragraph explains.
func (p *program) explains(part span, number int) bool {
	return number >= part.first && number <= part.last && p.isNew(number)
}

// shows says whether a piece shows a line: a line that the paragraph explains, a line close to such a line, or the line with func.
func (p *program) shows(pc piece, number int) bool {
	if number == pc.whole.opening {
		return true
	}
	for close := max(number-around, pc.whole.first); close <= min(number+around, pc.whole.last); close++ {
		if p.explains(pc.part, close) {
			return true
		}
	}
	return false
}

// draw returns the piece as HTML. Each piece leads to its lines in the whole program.
func (p *program) draw(pc piece) string {
	var code strings.Builder
	first, last, previous := 0, 0, 0
	for number := pc.whole.first; number <= pc.whole.last; number++ {
		if !p.shows(pc, number) {
			continue
		}
		if previous > 0 && number > previous+1 {
			code.WriteString(`<span class="gap"></span>`)
		}
		previous = number
		class := ""
		if p.explains(pc.part, number) {
			class = "new"
			last = number
			if first == 0 {
				first = number
			}
		}
		code.WriteString(numbered(class, "", number, p.lines[number-1].html))
	}
	where := fmt.Sprintf("lines %d to %d", first, last)
	if first == last {
		where = fmt.Sprintf("line %d", first)
	}
	return figure("", "go", template.HTML(fmt.Sprintf(`<a href="code.html#L%d">main.go, %s</a>`, first, where)), code.String())
}
