package lesson

import (
	"fmt"
	"regexp"
	"strings"
)

// An Exchange is a command that is typed at a prompt, and what comes of it.
type Exchange struct {
	// Line is that of the command in its page.
	Line int
	// Prompt is what the terminal shows before the command, with the space behind it.
	Prompt string
	// Command is what is typed.
	Command string
	// Want is what the terminal shows afterwards. <…> stands for anything, and in a line of its own for any lines.
	Want []string
}

// A prompt is that of the reader's own shell, or of root's in a container.
var prompt = regexp.MustCompile(`^(\$|root@[a-z.-]+:[^ ]+#)(?:$| (.*)$)`)

// Exchanges returns what a block has of them. A prompt without a command is only for the eye. What stands before the first
// prompt is an error.
func (b Block) Exchanges() ([]Exchange, error) {
	var exchanges []Exchange
	for i, line := range b.Lines {
		if parts := prompt.FindStringSubmatch(line); parts != nil {
			if parts[2] != "" {
				exchanges = append(exchanges, Exchange{Line: b.Line + i, Prompt: parts[1] + " ", Command: parts[2]})
			}
			continue
		}
		if len(exchanges) == 0 {
			return nil, fmt.Errorf("line %d: %q comes before the first command", b.Line+i, line)
		}
		last := &exchanges[len(exchanges)-1]
		last.Want = append(last.Want, line)
	}
	return exchanges, nil
}

// varies is what stands for anything in an expected line.
const varies = "<…>"

// Match returns an error that shows both if what was seen is not what is wanted.
func (e Exchange) Match(seen []string) error {
	var pattern strings.Builder
	for _, line := range e.Want {
		if line == varies {
			pattern.WriteString(`(?:.*\n)+`)
			continue
		}
		for i, part := range strings.Split(line, varies) {
			if i > 0 {
				pattern.WriteString(`.+`)
			}
			pattern.WriteString(regexp.QuoteMeta(part))
		}
		pattern.WriteString(`\n`)
	}
	var all strings.Builder
	for _, line := range seen {
		all.WriteString(strings.TrimRight(line, " \r") + "\n")
	}
	if regexp.MustCompile(`^` + pattern.String() + `$`).MatchString(all.String()) {
		return nil
	}
	return fmt.Errorf("line %d: %s\nwant:\n\t%s\nseen:\n\t%s", e.Line, e.Command,
		strings.Join(e.Want, "\n\t"), strings.ReplaceAll(strings.TrimRight(all.String(), "\n"), "\n", "\n\t"))
}
