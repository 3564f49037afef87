//go:build linux

package lesson

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Notes on a block that say how it is run. There may be several, with commas between them.
const (
	// NotRun comes before the reason why a block is not run.
	NotRun = "not run:"
	// RunBy comes before the target of make that runs the block where the page cannot: it starts what the block needs.
	RunBy = "run by:"
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
		if strings.HasPrefix(b.Note, NotRun) || strings.HasPrefix(b.Note, RunBy) || strings.HasPrefix(b.Note, Behind) || strings.HasPrefix(b.Note, "generated: ") {
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
	return b.Language == "console" && !strings.HasPrefix(b.Note, NotRun) && !strings.HasPrefix(b.Note, RunBy) && !b.has(other)
}

// Run does what the page says, from its first command to its last, and returns an error for each that does something else
// than the page says. A terminal that does not come back to its prompt is the end.
func (d *Document) Run(m *Machine) error {
	script, err := d.script(Block.here)
	if err != nil {
		return err
	}
	return d.play(script, m.first, m.Second)
}

// RunBy does what the blocks of the page say that a target of make runs, with a shell on a terminal of its own, whose prompt is $.
func (d *Document) RunBy(target string, shell *exec.Cmd) error {
	script, err := d.script(func(b Block) bool { return b.has(RunBy + " make " + target) })
	if err == nil && len(script) == 0 {
		err = fmt.Errorf("%s: no block is run by make %s", d.Path, target)
	}
	if err != nil {
		return err
	}
	if shell.SysProcAttr == nil {
		shell.SysProcAttr = &unix.SysProcAttr{}
	}
	terminal, err := open(shell, pty.Winsize{Rows: 50, Cols: 300})
	if err != nil {
		return err
	}
	defer terminal.close()
	return d.play(script, terminal, func() (*Terminal, error) { return nil, errors.New("there is no second terminal") })
}

// play types a script, and compares what is seen with what the page says.
func (d *Document) play(script []turn, first *Terminal, second func() (*Terminal, error)) (err error) {
	var wrong []error
	for i, turn := range script {
		terminal := first
		if turn.second {
			if terminal, err = second(); err != nil {
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

// script returns the exchanges of the page that are wanted.
func (d *Document) script(wanted func(Block) bool) ([]turn, error) {
	var script []turn
	for _, block := range d.Blocks {
		if err := block.known(); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Path, err)
		}
		if !wanted(block) {
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
