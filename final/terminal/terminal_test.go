//go:build linux

package terminal

import (
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// on runs a shell script at a terminal of its own. The script ends with the test.
func on(t *testing.T, script string) (*Terminal, *exec.Cmd) {
	t.Helper()
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0))
	fd, err := Peer(master)
	require.NoError(t, err)
	peer := os.NewFile(uintptr(fd), "peer")
	defer peer.Close()
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = peer, peer, peer
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	pidfd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	require.NoError(t, err)
	terminal, err := Open(master, pidfd)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		unix.Close(pidfd)
	})
	return terminal, cmd
}

func TestReadReturnsAllOutputAndThenTheEnd(t *testing.T) {
	for name, script := range map[string]string{
		"of a command": "echo one; echo two",
		// For a moment no process has the terminal open.
		"of a command that opens its terminal again": "name=$(tty); exec <&- >&- 2>&-; sleep 0.1; exec >$name; echo one; echo two",
	} {
		terminal, _ := on(t, script)
		output, err := io.ReadAll(terminal)
		require.NoError(t, err)
		assert.Equal(t, "one\r\ntwo\r\n", string(output), name)
		terminal.Close()
	}
}

// settings returns the settings of a terminal.
func settings(t *testing.T, file *os.File) unix.Termios {
	t.Helper()
	settings, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	require.NoError(t, err)
	return *settings
}

// eventually waits until something is so.
func eventually(t *testing.T, so func() bool, what string) {
	t.Helper()
	require.Eventually(t, so, time.Minute, time.Millisecond, what)
}

func TestAConnectionPassesOnKeysAndOutputAndRestoresTheTerminal(t *testing.T) {
	user, callers, err := pty.Open()
	require.NoError(t, err)
	defer user.Close()
	defer callers.Close()
	require.NoError(t, pty.Setsize(user, &pty.Winsize{Rows: 31, Cols: 87}))
	before := settings(t, callers)
	var changes []*unix.Termios
	console := NewConsole(callers, callers)
	console.Changed = func(settings *unix.Termios) { changes = append(changes, settings) }
	assert.True(t, console.IsTerminal())

	terminal, cmd := on(t, "read line; stty size; echo got $line; read line; stty -isig; read line; exit 3")
	c := Connect(terminal, console)
	c.Start()
	assert.Zero(t, settings(t, callers).Lflag&(unix.ICANON|unix.ECHO|unix.ISIG), "the caller's terminal is raw")
	shown := ""
	shows := func(text string) {
		buffer := make([]byte, 1024)
		for shown = ""; len(shown) < len(text) || shown[len(shown)-len(text):] != text; {
			n, err := user.Read(buffer)
			require.NoError(t, err)
			shown += string(buffer[:n])
		}
	}
	typed := func(keys string) {
		_, err := user.WriteString(keys)
		require.NoError(t, err)
	}
	typed("this\r")
	shows("31 87\r\ngot this\r\n")

	// The kernel stops no process group without a shell above it, but the channel has the signal.
	typed("\x1a")
	assert.Equal(t, unix.SIGTSTP, <-c.Keys())
	assert.Equal(t, cmd.Process.Pid, c.Foreground())
	typed("\r")
	eventually(t, func() bool { return settings(t, terminal.Master).Lflag&unix.ISIG == 0 }, "the command switches the keys off")
	typed("\x03\r")
	assert.Error(t, cmd.Wait())
	assert.Equal(t, 3, cmd.ProcessState.ExitCode(), "Ctrl-C is a character like any other")
	select {
	case key := <-c.Keys():
		assert.Fail(t, "a signal for a key that is a character", key)
	default:
	}

	c.Stop()
	assert.Equal(t, before, settings(t, callers))
	assert.Equal(t, []*unix.Termios{&before, nil}, changes)
}
