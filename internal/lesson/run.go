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

// A note on a block says how to run it. A block can have several notes, with commas between them.
const (
	// NotRun is followed by the reason why the block is not run.
	NotRun = "not run:"
	// RunBy is followed by a target of make that runs the block instead of the page, because the target starts what the block needs.
	RunBy = "run by:"
	// Behind is followed by a command that does what the text asks of the reader, such as an edit.
	Behind = "done by the reader:"
	// OtherTerminal types the block at the second terminal.
	OtherTerminal = "second terminal"
	// Stays means that the last command does not end, and that its expected output comes nevertheless.
	Stays = "stays"
	// Recorded means that the block has a recording.
	Recorded = "recorded"
	// OnVersion1 and OnVersion2 run the block only on a host with that version of cgroups.
	OnVersion1, OnVersion2 = "cgroup v1", "cgroup v2"
)

// known returns an error for an unknown note: a misspelt note would change how the block is run.
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

// has reports whether a block has a note.
func (b Block) has(note string) bool { return slices.Contains(strings.Split(b.Note, ", "), note) }

// here reports whether this host runs a block.
func (b Block) here() bool {
	var stat unix.Statfs_t
	unix.Statfs("/sys/fs/cgroup", &stat)
	other := OnVersion2
	if stat.Type == unix.CGROUP2_SUPER_MAGIC {
		other = OnVersion1
	}
	return b.Language == "console" && !strings.HasPrefix(b.Note, NotRun) && !strings.HasPrefix(b.Note, RunBy) && !b.has(other)
}

// Run types every command of the page, and returns an error for each whose output differs from the page. Run stops at a command
// after which no prompt comes.
func (d *Document) Run(m *Machine) error {
	script, err := d.script(Block.here)
	if err != nil {
		return err
	}
	return d.play(script, m.first, m.Second)
}

// RunBy types the blocks that a target of make runs, at a new terminal. The shell's prompt must be $.
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

// play types a script, and compares the output with the page.
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
	// second is for the second terminal, stays for a command that does not end, behind for a command that the page does not show.
	second, stays, behind bool
}

// script returns the exchanges of the blocks for which wanted is true.
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

// next returns the prompt of the next turn at the same terminal.
func next(script []turn) string {
	for _, turn := range script[1:] {
		if turn.second == script[0].second {
			return turn.Prompt
		}
	}
	return "$ "
}
