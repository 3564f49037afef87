package site

import (
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"
)

// around is how many old lines a piece shows before and after new lines. It leaves out no fewer than fewest lines in one place.
const around, fewest = 2, 3

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

// explains says whether the step added a line that the paragraph explains.
func (p *program) explains(part span, number int) bool {
	return number >= part.first && number <= part.last && p.isNew(number)
}

// shows says whether a piece shows a line: a line that the paragraph explains, a line close to such a line, or the first or last line of
// the declaration.
func (p *program) shows(pc piece, number int) bool {
	if number == pc.whole.opening || number == pc.whole.last {
		return true
	}
	for close := max(number-around, pc.whole.first); close <= min(number+around, pc.whole.last); close++ {
		if p.explains(pc.part, close) {
			return true
		}
	}
	return false
}

// shown returns the numbers of the lines that a piece shows: with a line come the lines that open and close the blocks around it.
func (p *program) shown(pc piece) []int {
	chosen := map[int]bool{}
	var choose func(number int)
	choose = func(number int) {
		if number < pc.whole.opening || number > pc.whole.last || chosen[number] {
			return
		}
		chosen[number] = true
		for _, partner := range p.partners(number) {
			choose(partner)
		}
	}
	var numbers []int
	for number := pc.whole.first; number <= pc.whole.last; number++ {
		if p.shows(pc, number) {
			choose(number)
			chosen[number] = true
		}
	}
	for number := pc.whole.first; number <= pc.whole.last; number++ {
		if !chosen[number] {
			continue
		}
		if len(numbers) > 0 && number-numbers[len(numbers)-1] <= fewest {
			for between := numbers[len(numbers)-1] + 1; between < number; between++ {
				numbers = append(numbers, between)
			}
		}
		numbers = append(numbers, number)
	}
	return numbers
}

// partners returns the numbers of the lines without which a line is not Go: the lines that open and close the blocks around it, and
// the other end of a block that begins or ends with the line. gofmt indents the lines of a block, so the indentation tells.
func (p *program) partners(number int) []int {
	find := func(step, depth int) int {
		for at := number + step; at >= 1 && at <= len(p.lines); at += step {
			if p.lines[at-1].text != "" && p.depth(at) <= depth {
				return at
			}
		}
		return 0
	}
	if p.lines[number-1].text == "" {
		return nil
	}
	depth := p.depth(number)
	partners := []int{find(-1, depth-1), find(1, depth-1)}
	if p.closes(number) {
		partners = append(partners, find(-1, depth))
	}
	if number < len(p.lines) && p.depth(number+1) > depth {
		partners = append(partners, find(1, depth))
	}
	return partners
}

// depth is how many tabs a line begins with.
func (p *program) depth(number int) int {
	text := p.lines[number-1].text
	return len(text) - len(strings.TrimLeft(text, "\t"))
}

// closes says whether a line ends a block.
func (p *program) closes(number int) bool {
	text := strings.TrimSpace(p.lines[number-1].text)
	return text != "" && strings.Contains("})", text[:1])
}

// gap stands for the lines that a piece leaves out before a line. It is a Go comment, so the piece is still Go when you copy it.
func (p *program) gap(number int) string {
	depth := p.depth(number)
	if p.closes(number) {
		depth++
	}
	return fmt.Sprintf("<span class=\"gap\">%s// …\n</span>", strings.Repeat("\t", depth))
}

// draw returns the piece as HTML. Each piece leads to its lines in the whole program.
func (p *program) draw(pc piece) string {
	var code strings.Builder
	first, last, previous := 0, 0, 0
	for _, number := range p.shown(pc) {
		if previous > 0 && number > previous+1 {
			code.WriteString(p.gap(number))
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
