package lesson

import (
	"fmt"
	"regexp"
	"strings"
)

// An Exchange is a command at a prompt, with the output that the page expects.
type Exchange struct {
	// Line is the number of the command's line in the page.
	Line int
	// Prompt is the prompt before the command, with the space after it.
	Prompt string
	// Command is the text to type.
	Command string
	// Want is the expected output. <…> stands for any text in a line, and for any lines if it is alone in a line.
	Want []string
}

// prompt matches the prompt of the reader's own shell, and of a root shell in a container.
var prompt = regexp.MustCompile(`^(\$|root@[a-z.-]+:[^ ]+#)(?:$| (.*)$)`)

// Prompt splits a line of a terminal into the prompt and the command. It reports false for a line of output.
func Prompt(line string) (before, command string, ok bool) {
	parts := prompt.FindStringSubmatch(line)
	if parts == nil {
		return "", "", false
	}
	return parts[1] + " ", parts[2], true
}

// Exchanges returns the exchanges of a block. A prompt without a command is only decoration. Text before the first prompt is an
// error.
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

// varies stands for any text in an expected line.
const varies = "<…>"

// Match compares the output with the expected lines, and returns an error that shows both if they differ.
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
