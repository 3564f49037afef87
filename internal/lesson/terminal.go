//go:build linux

package lesson

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
)

// patience is how long a command of a page may take.
const patience = 3 * time.Minute

// A Terminal is a shell on a pseudoterminal, and all that it has shown.
type Terminal struct {
	tty   *os.File
	shell *exec.Cmd
	ended chan struct{}

	mu     sync.Mutex
	events []Event
	output strings.Builder
	grown  chan struct{}
}

// An Event is text that the terminal has shown, with its time.
type Event struct {
	At   time.Time
	Text string
}

// open starts a shell on a new terminal.
func open(shell *exec.Cmd, size pty.Winsize) (*Terminal, error) {
	t := &Terminal{shell: shell, ended: make(chan struct{}), grown: make(chan struct{})}
	shell.SysProcAttr.Setsid, shell.SysProcAttr.Setctty = true, true
	var err error
	if t.tty, err = pty.StartWithAttrs(shell, &size, shell.SysProcAttr); err != nil {
		return nil, err
	}
	go t.read()
	return t, nil
}

// read collects what the terminal shows until its last process has ended.
func (t *Terminal) read() {
	defer close(t.ended)
	buffer := make([]byte, 4096)
	for {
		n, err := t.tty.Read(buffer)
		if err != nil {
			return
		}
		t.mu.Lock()
		t.events = append(t.events, Event{time.Now(), string(buffer[:n])})
		t.output.Write(buffer[:n])
		close(t.grown)
		t.grown = make(chan struct{})
		t.mu.Unlock()
	}
}

// shown returns the text from an offset on, and a channel that closes when more text arrives.
func (t *Terminal) shown(from int) (string, chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.output.String()[from:], t.grown
}

// since returns the text from an event on.
func (t *Terminal) since(event int) []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.events[event:])
}

// await waits until the last line on the terminal is the prompt, and returns the text from an offset on.
func (t *Terminal) await(prompt string, from int) (string, error) {
	text, err := t.until(from, func(text string) bool { return text == prompt || strings.HasSuffix(text, "\n"+prompt) })
	if err != nil {
		err = fmt.Errorf("the prompt %q does not come: %w", prompt, err)
	}
	return text, err
}

// until waits until enough accepts the text from an offset on, and returns that text.
func (t *Terminal) until(from int, enough func(string) bool) (string, error) {
	late := time.After(patience)
	for {
		text, grown := t.shown(from)
		if enough(text) {
			return text, nil
		}
		select {
		case <-grown:
		case <-t.ended:
			return text, errors.New("the shell has ended")
		case <-late:
			return text, fmt.Errorf("nothing for %s", patience)
		}
	}
}

// Type types a command at its prompt, and returns the offset where the output begins.
func (t *Terminal) Type(e Exchange) (int, error) {
	if text, err := t.await(e.Prompt, 0); err != nil {
		return 0, fmt.Errorf("line %d: %s: before it: %w: %q", e.Line, e.Command, err, tail(text))
	}
	before, _ := t.shown(0)
	if _, err := t.tty.WriteString(e.Command + "\n"); err != nil {
		return 0, err
	}
	echo := e.Command + "\r\n"
	text, err := t.until(len(before), func(text string) bool { return len(text) >= len(echo) })
	if err == nil && !strings.HasPrefix(text, echo) {
		err = errors.New("something else is on the terminal")
	}
	if err != nil {
		return 0, fmt.Errorf("line %d: %s: %w: %q", e.Line, e.Command, err, tail(text))
	}
	return len(before) + len(echo), nil
}

// Exchange types a command at the prompt, and returns the lines up to the next prompt.
func (t *Terminal) Exchange(e Exchange, next string) ([]string, error) {
	from, err := t.Type(e)
	if err != nil {
		return nil, err
	}
	text, err := t.await(next, from)
	if err != nil {
		return nil, e.failed(err, text)
	}
	return lines(strings.TrimSuffix(text, next)), nil
}

// Begin types a command that does not end, and returns as soon as the terminal shows the expected lines.
func (t *Terminal) Begin(e Exchange) error {
	from, err := t.Type(e)
	if err != nil {
		return err
	}
	text, err := t.until(from, func(text string) bool { return e.Match(lines(text)) == nil })
	if err != nil {
		return e.failed(err, text)
	}
	return nil
}

// failed is an error that shows what the terminal shows instead of the expected text.
func (e Exchange) failed(err error, text string) error {
	return fmt.Errorf("line %d: %s: %w; the terminal shows:\n\t%s", e.Line, e.Command, err, strings.Join(lines(tail(text)), "\n\t"))
}

// lines splits the text of a terminal into lines.
func lines(text string) []string {
	text = strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// tail returns the end of a text, for a message.
func tail(text string) string { return text[max(0, len(text)-2000):] }

// close ends the shell and its terminal.
func (t *Terminal) close() {
	t.shell.Process.Kill()
	t.shell.Wait()
	t.tty.Close()
}
