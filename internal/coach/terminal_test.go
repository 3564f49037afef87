//go:build linux

package coach_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A terminal is one with the coach on it.
type terminal struct {
	*clone
	tty    *os.File
	cmd    *exec.Cmd
	before *unix.Termios
	read   chan struct{}

	mu    sync.Mutex
	text  strings.Builder
	grown chan struct{}
	// seen is how much of the text has been waited for.
	seen int
}

// onTerminal starts the coach on a terminal of its own.
func (c *clone) onTerminal(args ...string) *terminal {
	c.Helper()
	return c.terminal(c.command(args...))
}

// terminal starts a command on a terminal of its own.
func (c *clone) terminal(cmd *exec.Cmd) *terminal {
	c.Helper()
	t := &terminal{clone: c, cmd: cmd, read: make(chan struct{}), grown: make(chan struct{})}
	ours, theirs, err := pty.Open()
	require.NoError(c, err)
	require.NoError(c, pty.Setsize(ours, &pty.Winsize{Rows: 30, Cols: 100}))
	t.tty = ours
	t.before, err = unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	require.NoError(c, err)
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = theirs, theirs, theirs
	t.cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(c, t.cmd.Start())
	// We keep the other end, too: so the settings of the terminal are still there at the end.
	c.Cleanup(func() {
		t.cmd.Process.Kill()
		theirs.Close()
		ours.Close()
		<-t.read
	})
	go t.fill()
	return t
}

// fill keeps what is on the terminal.
func (t *terminal) fill() {
	defer close(t.read)
	buffer := make([]byte, 4096)
	for {
		n, err := t.tty.Read(buffer)
		if err != nil {
			return
		}
		t.mu.Lock()
		t.text.WriteString(strings.ReplaceAll(string(buffer[:n]), "\r\n", "\n"))
		close(t.grown)
		t.grown = make(chan struct{})
		t.mu.Unlock()
	}
}

// all is what has been on the terminal.
func (t *terminal) all() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// shows waits until words are on the terminal, after those that have been waited for before, and returns what was before them.
func (t *terminal) shows(words string) string {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		t.mu.Lock()
		text, grown := t.text.String()[t.seen:], t.grown
		at := strings.Index(text, words)
		if at >= 0 {
			t.seen += at + len(words)
		}
		t.mu.Unlock()
		if at >= 0 {
			return text[:at]
		}
		select {
		case <-grown:
		case <-late:
			require.Fail(t, "not on the terminal", "%q; there is %q", words, text)
		}
	}
}

// types types keys.
func (t *terminal) types(keys string) {
	t.Helper()
	_, err := t.tty.WriteString(keys)
	require.NoError(t, err)
}

// settings are those of the terminal now.
func (t *terminal) settings() *unix.Termios {
	t.Helper()
	now, err := unix.IoctlGetTermios(int(t.cmd.Stdin.(*os.File).Fd()), unix.TCGETS)
	require.NoError(t, err)
	return now
}

// ends waits for the end of the coach, which leaves the terminal as it was.
func (t *terminal) ends(status int) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		t.cmd.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		require.Fail(t, "the coach does not end", "%q", t.all())
	}
	assert.Equal(t, status, t.cmd.ProcessState.ExitCode(), "%s: %q", t.cmd.ProcessState, t.all())
	assert.Equal(t, t.before, t.settings(), "the settings of the terminal")
	// What the coach has written is in the terminal. A mark of ours comes behind it.
	const mark = "(end)"
	t.cmd.Stdin.(*os.File).WriteString(mark)
	t.shows(mark)
}
