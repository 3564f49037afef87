//go:build linux

package process

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/become"
	"container-workshop/final/calls"
)

// says is a message with a number.
func says(word, number uint32) []byte {
	return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, word), number)
}

// speaking starts a process that only says a number, and returns its PID.
func speaking(t *testing.T, socket *os.File, word, number uint32) int {
	t.Helper()
	l := calls.New("first", false)
	l.Socket(3)
	l.Do(unix.SYS_WRITE, calls.SocketSlot, l.Struct(&[2]uint32{word, number}), 8)
	l.Exit(0)
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	require.NoError(t, err)
	defer null.Close()
	pid, err := l.Start([]*os.File{null, null, null, socket}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { reap(pid) })
	return pid
}

// connected returns a process whose end of the socket is ours.
func connected(t *testing.T) (p *Process, theirs *os.File) {
	t.Helper()
	made := Make(false, nil)
	ours, other, err := pair()
	require.NoError(t, err)
	made.Socket = ours
	theirs = os.NewFile(uintptr(other), "socket")
	t.Cleanup(func() { made.HangUp(); theirs.Close() })
	return &made, theirs
}

func TestOnlyTheFirstProcessSaysWhichOneGoesOn(t *testing.T) {
	p, theirs := connected(t)
	require.NoError(t, p.Socket.identify())
	first := speaking(t, theirs, become.WordPID, 4242)
	pid, err := p.successor(first)
	require.NoError(t, err)
	assert.Equal(t, 4242, pid)

	// We are another process, and name process 1 of the host.
	_, err = theirs.Write(says(become.WordPID, 1))
	require.NoError(t, err)
	first = speaking(t, theirs, become.WordPID, 4242)
	pid, err = p.successor(first)
	assert.ErrorContains(t, err, "a process of the container speaks in its place")
	assert.Equal(t, 4242, pid, "the process to kill")

	// All processes of the host, for kill(2).
	first = speaking(t, theirs, become.WordPID, 1<<32-1)
	pid, err = p.successor(first)
	assert.ErrorIs(t, err, ErrGone)
	assert.Zero(t, pid)
}

// The kernel leaves out descriptors for which we have no room. Nobody may wait for them.
func TestDescriptorsWithoutRoomAreAFailure(t *testing.T) {
	p, theirs := connected(t)
	free, err := unix.Dup(0)
	require.NoError(t, err)
	require.NoError(t, unix.Close(free))
	require.NoError(t, Socket(theirs.Fd()).send(says(become.WordFilesystems, 0), 0, 0))
	var limit unix.Rlimit
	require.NoError(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &limit))
	require.NoError(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(free) + 1, Max: limit.Max}, nil))
	_, err = p.Socket.receive(maxMessage)
	require.NoError(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, &limit, nil))
	assert.ErrorIs(t, err, unix.EMFILE)
	_, err = unix.FcntlInt(uintptr(free), unix.F_GETFD, 0)
	assert.Equal(t, unix.EBADF, err, "the descriptor for which there was room")
}

func TestDescriptorsThatNobodyHasAskedForAreClosed(t *testing.T) {
	p, theirs := connected(t)
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	before := count()
	for word, kept := range map[uint32]int{become.WordReady: 0, become.WordFilesystems: 2} {
		require.NoError(t, Socket(theirs.Fd()).send(says(word, 0), 0, 1))
		m, err := p.Socket.receive(maxMessage)
		require.NoError(t, err)
		assert.Len(t, m.descriptors, kept)
		assert.Equal(t, before+kept, count())
		m.close()
	}
}
