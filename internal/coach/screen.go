//go:build linux

package coach

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// A screen is where the coach talks to the learner.
type screen struct {
	out io.Writer
	// live is true on a terminal, where a line can be written over. colours is true where the learner wants colours, too.
	live, colours bool
	width         int
	// passing is true while the last line is temporary: the next line replaces it.
	passing bool
}

func newScreen(out *os.File) *screen {
	s := &screen{out: out, width: 100}
	dumb := os.Getenv("TERM") == "" || os.Getenv("TERM") == "dumb"
	s.live = term.IsTerminal(int(out.Fd())) && !dumb
	s.colours = s.live && os.Getenv("NO_COLOR") == ""
	if width, _, err := term.GetSize(int(out.Fd())); err == nil && s.live && width >= 40 {
		s.width = min(width, s.width)
	}
	return s
}

// The colours. They never carry a meaning alone: there is a sign or a word beside each.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// in returns the text in a colour.
func (s *screen) in(colour, text string) string {
	if !s.colours {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[m"
}

// say prints a line.
func (s *screen) say(format string, args ...any) {
	s.settle()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// block prints a text, wrapped to the width of the screen. The label is in front of the first line, and the other lines are indented by as
// much.
func (s *screen) block(label, colour, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(label))
	lead := s.in(colour, label)
	for _, paragraph := range strings.Split(printable(text), "\n") {
		for _, line := range wrap(paragraph, s.width-len(indent)) {
			s.say("%s%s", lead, line)
			lead = indent
		}
	}
}

// printable replaces the control characters of a text, which may be output of the learner's program: they could move the cursor, or
// worse.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '\uFFFD'
		}
		return r
	}, text)
}

// wrap breaks a paragraph at spaces, into lines of at most width runes.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// next prints what the learner can do, and the command for it.
func (s *screen) next(what, command string) {
	s.say("  %-18s %s", what, s.in(cyan, command))
}

// pass shows a temporary line, which the next line replaces. Without a terminal it shows nothing.
func (s *screen) pass(format string, args ...any) {
	if !s.live {
		return
	}
	s.settle()
	text := []rune(fmt.Sprintf(format, args...))
	fmt.Fprint(s.out, s.in(dim, string(text[:min(len(text), s.width-1)])))
	s.passing = true
}

// settle removes the last line if it is temporary.
func (s *screen) settle() {
	if s.passing {
		fmt.Fprint(s.out, "\r\x1b[K")
	}
	s.passing = false
}

// clear empties the terminal.
func (s *screen) clear() {
	if s.live {
		fmt.Fprint(s.out, "\x1b[H\x1b[2J")
		s.passing = false
		return
	}
	s.say("")
}
