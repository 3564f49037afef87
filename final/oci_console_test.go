//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/check"
)

// A receiver is a caller who listens at a socket for a descriptor. unix(7), SCM_RIGHTS
type receiver struct {
	*testing.T
	path     string
	listener *net.UnixListener
}

// listen makes a socket. Its path is short: there is little room for one. unix(7)
func (c *trial) listen() *receiver {
	c.Helper()
	dir, err := os.MkdirTemp("", "socket")
	require.NoError(c, err)
	name := filepath.Join(dir, "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	require.NoError(c, err)
	c.Cleanup(func() {
		listener.Close()
		os.RemoveAll(dir)
	})
	return &receiver{c.T, name, listener}
}

// take returns the one descriptor that was sent.
func (s *receiver) take() *os.File {
	s.Helper()
	require.NoError(s, s.listener.SetDeadline(time.Now().Add(patience)))
	connection, err := s.listener.AcceptUnix()
	require.NoError(s, err)
	defer connection.Close()
	require.NoError(s, connection.SetDeadline(time.Now().Add(patience)))
	data, control := make([]byte, 4096), make([]byte, 4096)
	n, m, _, _, err := connection.ReadMsgUnix(data, control)
	require.NoError(s, err)
	// Without any data some callers see no message.
	require.NotZero(s, n)
	messages, err := syscall.ParseSocketControlMessage(control[:m])
	require.NoError(s, err)
	require.Len(s, messages, 1)
	descriptors, err := syscall.ParseUnixRights(&messages[0])
	require.NoError(s, err)
	require.Len(s, descriptors, 1)
	file := os.NewFile(uintptr(descriptors[0]), "received")
	s.Cleanup(func() { file.Close() })
	return file
}

// terminal takes the master of a terminal, and checks that it is one.
func (s *receiver) terminal() *os.File {
	s.Helper()
	master := s.take()
	_, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(s, err, "the descriptor is no master of a terminal")
	return master
}

// reads waits until the terminal has shown a text.
func (s *receiver) reads(master *os.File, text string) {
	s.Helper()
	var shown strings.Builder
	buffer := make([]byte, 1024)
	deadline := time.Now().Add(patience)
	for !strings.Contains(shown.String(), text) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(master.Fd()), Events: unix.POLLIN}}, 100)
		if n > 0 {
			n, err = unix.Read(int(master.Fd()), buffer)
			shown.Write(buffer[:max(n, 0)])
		}
		require.True(s, (err == nil || err == unix.EINTR) && time.Now().Before(deadline), "%q is not in %q: %v", text,
			shown.String(), err)
	}
}

// shell is what a terminal is tried with.
const shell = `busybox stty size; while read -r line; do echo "got $line at $(busybox stty size)"; done`

// converse tries a terminal that shell is at.
func (s *receiver) converse(master *os.File, size string) {
	s.Helper()
	s.reads(master, size+"\r\n")
	require.NoError(s, pty.Setsize(master, &pty.Winsize{Rows: 11, Cols: 22}))
	_, err := master.WriteString("typed\n")
	require.NoError(s, err)
	// What is typed is shown, and read.
	s.reads(master, "typed\r\ngot typed at 11 22\r\n")
}

func TestTheTerminalGoesToTheConsoleSocket(t *testing.T) {
	c := newBundle(t, "sh", "-c", shell)
	c.spec.Process.Terminal = true
	c.spec.Process.ConsoleSize = &specs.Box{Height: 31, Width: 87}
	c.write()
	s := c.listen()
	require.Equal(t, result{}, c.toFiles(c.call("create", "--bundle", c.dir, "--console-socket", s.path, c.id)))
	master := s.terminal()
	require.Equal(t, result{}, c.final("start", c.id))
	s.converse(master, "31 87")
	// It is the terminal of its session: a key for it is a signal, and its end is a hang-up. termios(3)
	first := c.first()
	require.Equal(t, strconv.Itoa(first), check.Stat(first, 6))
	require.NotEqual(t, "0", check.Stat(first, 7))
	target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/0", first))
	require.NoError(t, err)
	require.Equal(t, "/dev/pts/0", target)

	// One for exec, as conmon wants it.
	p := c.joining("sh", "-c", shell)
	p.Terminal = true
	pid := filepath.Join(t.TempDir(), "pid")
	require.Equal(t, result{}, c.toFiles(c.call("exec", "--pid-file", pid, "--process", c.asFile(p), "--detach", "--tty",
		"--console-socket", s.path, c.id)))
	// Nobody has said what its size is. stty(1)
	other := s.terminal()
	s.converse(other, "stty: standard input")
	target, err = os.Readlink(fmt.Sprintf("/proc/%d/fd/2", pidIn(t, pid)))
	require.NoError(t, err)
	require.Equal(t, "/dev/pts/1", target)
	p.Terminal = false
	require.Equal(t, result{}, c.toFiles(c.call("exec", "--process", c.asFile(p), "--detach", "--tty", "--console-socket",
		s.path, c.id)))
	s.converse(s.terminal(), "stty: standard input")

	// The socket is not only for what is detached.
	cmd := c.call("exec", "--tty", "--console-socket", s.path, c.id, "sh", "-c", "read -r line; exit 17")
	require.NoError(t, cmd.Start())
	_, err = s.terminal().WriteString("typed\n")
	require.NoError(t, err)
	_ = cmd.Wait()
	require.Equal(t, 17, cmd.ProcessState.ExitCode())

	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
	require.Equal(t, result{}, c.toFiles(c.call("run", "-d", "--bundle", c.dir, "--console-socket", s.path, c.id)))
	s.converse(s.terminal(), "31 87")
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestTheTerminalOfExecHasTheSizeOfItsProcess(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.started()
	s := c.listen()
	p := c.joining("sh", "-c", shell)
	p.Terminal, p.ConsoleSize = true, &specs.Box{Height: 31, Width: 87}
	require.Equal(t, result{}, c.toFiles(c.call("exec", "--process", c.asFile(p), "--detach", "--console-socket", s.path, c.id)))
	s.converse(s.terminal(), "31 87")
}

func TestATerminalIsNotWithoutASocketNorASocketWithoutATerminal(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	s := c.listen()
	for _, verb := range [][]string{{"create"}, {"run", "-d"}} {
		status := failure(verb[0])
		args := append(append([]string{}, verb...), "--bundle", c.dir)
		c.spec.Process.Terminal = true
		c.write()
		refused(t, c.final(append(args, c.id)...), status, "terminal", "--console-socket")
		// A socket where nobody is.
		refused(t, c.final(append(args, "--console-socket", c.dir+"/none", c.id)...), status, "--console-socket", c.dir+"/none",
			"no such file")
		c.nothingLeft()
		c.spec.Process.Terminal = false
		c.write()
		refused(t, c.final(append(args, "--console-socket", s.path, c.id)...), status, "--console-socket", "process.terminal")
		c.nothingLeft()
	}
	c.started()
	p := c.joining("true")
	refused(t, c.final("exec", "--detach", "--console-socket", s.path, "--process", c.asFile(p), c.id), 255, "--console-socket")
	p.Terminal = true
	refused(t, c.final("exec", "--detach", "--process", c.asFile(p), c.id), 255, "--console-socket")
	refused(t, c.final("exec", "--detach", "--tty", c.id, "true"), 255, "--console-socket")
	refused(t, c.final("exec", "--detach", "--tty", "--console-socket", c.dir+"/none", c.id, "sleep", "1000"), 255,
		"--console-socket", "no such file")
	require.Len(t, c.processes(), 1)
	require.NoError(t, s.listener.SetDeadline(time.Now()))
	_, err := s.listener.Accept()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// pidfd_open(2)
func TestADescriptorOfTheProcessGoesToThePidfdSocket(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	s := c.listen()
	c.started("--pidfd-socket", s.path)
	first := s.take()
	s.isPidfd(first, c.first())
	pid := filepath.Join(t.TempDir(), "pid")
	require.Equal(t, result{}, c.toFiles(c.call("exec", "--detach", "--pidfd-socket", s.path, "--pid-file", pid, c.id, "sleep",
		"1000")))
	second := s.take()
	s.isPidfd(second, pidIn(t, pid))
	require.NoError(t, unix.PidfdSendSignal(int(second.Fd()), unix.SIGKILL, nil, 0))
	c.until(func() bool { return len(c.processes()) == 1 }, func() string { return "it does not end" })
	require.NoError(t, unix.PidfdSendSignal(int(first.Fd()), unix.SIGKILL, nil, 0))
	c.stopped()
	require.Equal(t, result{}, c.final("delete", c.id))
	refused(t, c.create("--pidfd-socket", c.dir+"/none"), 1, "--pidfd-socket", c.dir+"/none", "no such file")
	c.nothingLeft()
}

func (s *receiver) isPidfd(file *os.File, pid int) {
	s.Helper()
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", file.Fd()))
	require.NoError(s, err)
	require.Contains(s, strings.Join(strings.Fields(string(info)), " "), fmt.Sprintf("Pid: %d ", pid))
}
