//go:build linux

package calls_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
)

// A process is one that executes a list.
type process struct {
	*exec.Cmd
	// socket is our end of its socket.
	socket int
}

// start starts a process with a list. Its descriptor 3 is the socket; other files follow.
func start(t *testing.T, l *calls.List, files ...*os.File) *process {
	t.Helper()
	l.Socket(3)
	image, err := l.Image()
	require.NoError(t, err)
	defer image.Close()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(ends[0]) })
	theirs := os.NewFile(uintptr(ends[1]), "socket")
	defer theirs.Close()
	cmd := exec.Command(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), image.Fd()))
	cmd.Env, cmd.ExtraFiles = []string{}, append([]*os.File{theirs}, files...)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	p := &process{cmd, ends[0]}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	return p
}

// receive is the next message, and nothing at the end.
func (p *process) receive(t *testing.T) []byte {
	t.Helper()
	message := make([]byte, 8192)
	n, err := unix.Read(p.socket, message)
	require.NoError(t, err)
	return message[:n]
}

// end waits until the process ends by itself, and returns its exit status.
func (p *process) end(t *testing.T) int {
	t.Helper()
	if err := p.Wait(); err != nil {
		require.IsType(t, &exec.ExitError{}, err)
	}
	require.True(t, p.ProcessState.Exited(), p.ProcessState)
	return p.ProcessState.ExitCode()
}

// outcome runs a list to its end. It returns the messages and the error that the process reports.
func outcome(t *testing.T, l *calls.List) (messages [][]byte, failure error) {
	t.Helper()
	p := start(t, l)
	for {
		message := p.receive(t)
		if len(message) == 0 {
			break
		}
		if err, ok := l.Failure(message); ok {
			failure = err
			continue
		}
		messages = append(messages, message)
	}
	if status := p.end(t); failure == nil {
		require.Equal(t, 0, status)
	} else {
		require.Equal(t, 125, status)
	}
	return messages, failure
}

// send adds calls that send the values of slots. The message begins with 1.
func send(l *calls.List, slots ...calls.Slot) {
	one := l.Slot()
	l.Set(one, 1)
	message := l.Buffer(4 * (1 + len(slots)))
	for i, slot := range append([]calls.Slot{one}, slots...) {
		l.Store(message, 4*i, slot)
	}
	l.Do(unix.SYS_SENDTO, calls.SocketSlot, message, message.Size, 0, nil, 0)
}

// values are the values of a message of send.
func values(t *testing.T, message []byte) []int {
	t.Helper()
	require.GreaterOrEqual(t, len(message), 4)
	var list []int
	for ; len(message) > 0; message = message[4:] {
		list = append(list, int(int32(binary.LittleEndian.Uint32(message))))
	}
	require.Equal(t, 1, list[0])
	return list[1:]
}

// run runs a list that succeeds, and returns the values of its messages.
func run(t *testing.T, l *calls.List) (list [][]int) {
	t.Helper()
	messages, err := outcome(t, l)
	require.NoError(t, err)
	for _, message := range messages {
		list = append(list, values(t, message))
	}
	return list
}

// pipe makes a pipe, which is closed at the end of the test.
func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { read.Close(); write.Close() })
	return read, write
}
