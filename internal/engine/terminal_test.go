//go:build linux && engines

package engine

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A terminal is a pseudoterminal with 31 rows and 87 columns and a command on it, as in front of a person.
type terminal struct {
	testing.TB
	master *os.File
	cmd    *exec.Cmd
	ended  chan struct{}

	mutex sync.Mutex
	shown bytes.Buffer
}

// atTerminal starts a command on a terminal, and kills it when the test ends.
func atTerminal(t testing.TB, cmd *exec.Cmd) *terminal {
	t.Helper()
	master, slave, err := pty.Open()
	require.NoError(t, err)
	x := &terminal{TB: t, master: master, cmd: cmd, ended: make(chan struct{})}
	x.resize(31, 87)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	attr := unix.SysProcAttr{}
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
		require.NoError(t, slave.Chown(int(attr.Credential.Uid), int(attr.Credential.Gid)))
	}
	attr.Setsid, attr.Setctty = true, true
	cmd.SysProcAttr = &attr
	require.NoError(t, cmd.Start())
	go func() {
		_ = cmd.Wait()
		close(x.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-x.ended
		// Close our end only now, so that the last output is not lost.
		slave.Close()
		master.Close()
	})
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			x.mutex.Lock()
			x.shown.Write(buffer[:n])
			x.mutex.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return x
}

// resize gives the window another size.
func (x *terminal) resize(rows, columns uint16) {
	x.Helper()
	require.NoError(x, pty.Setsize(x.master, &pty.Winsize{Rows: rows, Cols: columns}))
}

// types types what is given: a line ends with \n.
func (x *terminal) types(keys string) {
	x.Helper()
	_, err := x.master.WriteString(keys)
	require.NoError(x, err)
}

// screen returns everything that was shown.
func (x *terminal) screen() string {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	return x.shown.String()
}

// shows waits until the terminal has shown a text. The terminal also shows what is typed, so let the command print another text.
func (x *terminal) shows(text string) {
	x.Helper()
	until(x, fmt.Sprintf("the terminal shows %q", text), func() bool { return strings.Contains(x.screen(), text) },
		func() string { return fmt.Sprintf("%q", x.screen()) })
}

// status waits for the end of the command and returns its exit status.
func (x *terminal) status() int {
	x.Helper()
	until(x, "the command ends", func() bool {
		select {
		case <-x.ended:
			return true
		default:
			return false
		}
	}, func() string { return fmt.Sprintf("it has shown %q", x.screen()) })
	return x.cmd.ProcessState.ExitCode()
}
