//go:build linux

package lesson

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Notes on a block that say how it is run. There may be several, with commas between them.
const (
	// NotRun comes before the reason why a block is not run.
	NotRun = "not run:"
	// Behind comes before a command that does what the text asks of the reader, such as an edit.
	Behind = "done by the reader:"
	// OtherTerminal is for a block that is typed at the second terminal.
	OtherTerminal = "second terminal"
	// Stays is for a block whose last command does not end, and shows what is wanted.
	Stays = "stays"
	// Recorded is for a block of which there is a recording.
	Recorded = "recorded"
	// OnVersion1 and OnVersion2 are for a block that is run on a host with such cgroups only.
	OnVersion1, OnVersion2 = "cgroup v1", "cgroup v2"
)

// known returns an error if a note is none of these: a misspelt one would change what is run.
func (b Block) known() error {
	for _, note := range strings.Split(b.Note, ", ") {
		if strings.HasPrefix(b.Note, NotRun) || strings.HasPrefix(b.Note, Behind) || strings.HasPrefix(b.Note, "generated: ") {
			return nil
		}
		if !slices.Contains([]string{"", OtherTerminal, Stays, Recorded, OnVersion1, OnVersion2, "end of generated"}, note) {
			return fmt.Errorf("line %d: there is no such note: %s", b.Line, note)
		}
	}
	return nil
}

// has reports whether a block has that note.
func (b Block) has(note string) bool { return slices.Contains(strings.Split(b.Note, ", "), note) }

// here reports whether a block is run on this host.
func (b Block) here() bool {
	var stat unix.Statfs_t
	unix.Statfs("/sys/fs/cgroup", &stat)
	other := OnVersion2
	if stat.Type == unix.CGROUP2_SUPER_MAGIC {
		other = OnVersion1
	}
	return b.Language == "console" && !strings.HasPrefix(b.Note, NotRun) && !b.has(other)
}

// Run does what the page says, from its first command to its last, and returns an error for each that does something else
// than the page says. A terminal that does not come back to its prompt is the end.
func (d *Document) Run(m *Machine) error {
	script, err := d.script()
	if err != nil {
		return err
	}
	var wrong []error
	for i, turn := range script {
		terminal := m.Terminal()
		if turn.second {
			if terminal, err = m.Second(); err != nil {
				return err
			}
		}
		if turn.stays {
			if err := terminal.Begin(turn.Exchange); err != nil {
				return errors.Join(append(wrong, fmt.Errorf("%s: %w", d.Path, err))...)
			}
			continue
		}
		seen, err := terminal.Exchange(turn.Exchange, next(script[i:]))
		if err != nil {
			return errors.Join(append(wrong, fmt.Errorf("%s: %w", d.Path, err))...)
		}
		if err := turn.Match(seen); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", d.Path, err))
		}
	}
	return errors.Join(wrong...)
}

// A turn is an exchange at one of the terminals.
type turn struct {
	Exchange
	// second is for the second terminal, stays for a command that does not end, behind for one that the page does not show.
	second, stays, behind bool
}

// script returns all exchanges of the page.
func (d *Document) script() ([]turn, error) {
	var script []turn
	for _, block := range d.Blocks {
		if err := block.known(); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Path, err)
		}
		if !block.here() {
			continue
		}
		if command, ok := strings.CutPrefix(block.Note, Behind); ok {
			e := Exchange{Line: block.Line, Prompt: "$ ", Command: strings.TrimSpace(command)}
			script = append(script, turn{Exchange: e, behind: true})
		}
		exchanges, err := block.Exchanges()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Path, err)
		}
		for i, e := range exchanges {
			script = append(script, turn{Exchange: e, second: block.has(OtherTerminal), stays: block.has(Stays) && i == len(exchanges)-1})
		}
	}
	return script, nil
}

// next returns the prompt that comes after the first of the turns, at the same terminal.
func next(script []turn) string {
	for _, turn := range script[1:] {
		if turn.second == script[0].second {
			return turn.Prompt
		}
	}
	return "$ "
}
