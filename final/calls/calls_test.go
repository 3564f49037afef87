//go:build linux

package calls_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
)

func TestAnEmptyListEndsWell(t *testing.T) {
	assert.Empty(t, run(t, calls.New("container", false)))
}

func TestResultsStayInSlots(t *testing.T) {
	l := calls.New("container", false)
	pid, again, copied, unset := l.Slot(), l.Slot(), l.Slot(), l.Slot()
	l.Do(unix.SYS_GETPID).To(pid)
	l.Do(unix.SYS_GETPGID, pid).To(again)
	l.Set(copied, pid)
	send(l, calls.SocketSlot, pid, copied, unset)
	p := start(t, l)
	assert.Equal(t, []int{3, p.Process.Pid, p.Process.Pid, 0}, values(t, p.receive(t)))
	assert.Equal(t, 0, p.end(t))
}

func TestAllSixArgumentsArrive(t *testing.T) {
	for _, inSlots := range []bool{false, true} {
		l := calls.New("container", false)
		text, head := l.Bytes([]byte("hello, world")), l.Bytes([]byte{2, 0, 0, 0})
		args := []any{calls.SocketSlot, text, 5, unix.MSG_NOSIGNAL, nil, 0}
		if inSlots {
			for i := range args {
				slot := l.Slot()
				l.Set(slot, args[i])
				args[i] = slot
			}
		}
		l.Do(unix.SYS_SENDTO, args...)
		// mmap takes six arguments: the last one says where in the file the memory begins.
		file, memory, page := l.Slot(), l.Slot(), 64<<10
		l.Do(unix.SYS_MEMFD_CREATE, "file", 0).To(file)
		l.Do(unix.SYS_PWRITE64, file, head, 4, page)
		args = []any{nil, page, unix.PROT_READ, unix.MAP_PRIVATE, file, page}
		if inSlots {
			for i := range args {
				slot := l.Slot()
				l.Set(slot, args[i])
				args[i] = slot
			}
		}
		l.Do(unix.SYS_MMAP, args...).To(memory)
		l.Do(unix.SYS_SENDTO, calls.SocketSlot, memory, 4, 0, nil, 0)
		messages, err := outcome(t, l)
		require.NoError(t, err)
		assert.Equal(t, [][]byte{[]byte("hello"), {2, 0, 0, 0}}, messages)
	}
}

func TestArgumentsOfEveryKindOfInteger(t *testing.T) {
	l := calls.New("container", false)
	var slots []calls.Slot
	for _, value := range []any{-1, int8(-2), int16(-3), int32(-4), int64(-5), uint8(6), uint16(7), uint32(8), uint64(9), uintptr(10), unix.SIGTERM, unix.EPERM, nil} {
		slots = append(slots, l.Slot())
		l.Set(slots[len(slots)-1], value)
	}
	send(l, slots...)
	assert.Equal(t, [][]int{{-1, -2, -3, -4, -5, 6, 7, 8, 9, 10, 15, 1, 0}}, run(t, l))
}

func TestAnErrorThatIsAllowedIsNoFailure(t *testing.T) {
	l := calls.New("container", false)
	fd := l.Slot()
	l.Set(fd, 77)
	l.Do(unix.SYS_DUP, -1).To(fd).Allow(unix.EPERM, unix.EBADF)
	send(l, fd)
	assert.Equal(t, [][]int{{77}}, run(t, l), "the slot keeps its value")

	l = calls.New("container", false)
	l.Stage("dup(-1)", "dup(2)", 0)
	l.Do(unix.SYS_DUP, -1).Allow(unix.EPERM, unix.ENOENT)
	send(l, fd)
	messages, err := outcome(t, l)
	assert.EqualError(t, err, "dup(-1): bad file descriptor")
	assert.ErrorIs(t, err, unix.EBADF)
	assert.Empty(t, messages, "no call after one that fails is made")
}

func TestIgnoredErrorsAreNoFailures(t *testing.T) {
	l := calls.New("container", false)
	got, over := l.Slot(), l.Label()
	l.Set(got, 77)
	l.Fail(unix.EPERM).To(got).Ignore()
	l.Do(unix.SYS_DUP, -1).To(got).On(-int64(unix.EPERM), over).Ignore()
	send(l, got)
	l.Do(unix.SYS_DUP, -1).On(-int64(unix.EBADF), over).Ignore()
	l.Set(got, 78)
	l.Mark(over)
	l.Do(unix.SYS_UMASK, 0o22).Ignore()
	l.Do(unix.SYS_UMASK, 0).To(got).Ignore()
	send(l, got)
	assert.Equal(t, [][]int{{77}, {0o22}}, run(t, l))
}

func TestExitHasAStatus(t *testing.T) {
	l := calls.New("container", false)
	l.Exit(7)
	send(l)
	p := start(t, l)
	assert.Empty(t, p.receive(t))
	assert.Equal(t, 7, p.end(t))
}

// Results from -4095 to -1 are errors, as of any system call.
func TestWhichResultsAreErrors(t *testing.T) {
	for errno, isError := range map[unix.Errno]bool{0: false, 1: true, 4095: true, 4096: false} {
		l := calls.New("container", false)
		l.Fail(errno)
		_, err := outcome(t, l)
		assert.Equal(t, isError, err != nil, errno)
		if isError {
			assert.ErrorIs(t, err, errno)
		}
	}
}

func TestCasesOfErrorsAndResults(t *testing.T) {
	for errno, want := range map[unix.Errno]int{unix.EPERM: 1, unix.EBADF: 2, unix.ENOENT: 0} {
		l := calls.New("container", false)
		first, second, end := l.Label(), l.Label(), l.Label()
		got := l.Slot()
		l.Fail(errno).On(-int64(unix.EPERM), first).On(-int64(unix.EBADF), second).Allow(unix.ENOENT)
		l.Goto(end)
		l.Mark(first)
		l.Set(got, 1)
		l.Goto(end)
		l.Mark(second)
		l.Set(got, 2)
		l.Mark(end)
		send(l, got)
		assert.Equal(t, [][]int{{want}}, run(t, l), errno)
	}
	for value := range 4 {
		l := calls.New("container", false)
		got, end := l.Slot(), l.Label()
		l.Set(got, value).On(2, end).On(0, end)
		l.Set(got, 77)
		l.Mark(end)
		send(l, got)
		assert.Equal(t, [][]int{{[]int{0, 77, 2, 77}[value]}}, run(t, l))
	}
}

// A result is kept in its slot before the list jumps. Set may set a slot to what would be an error of a call.
func TestAJumpKeepsTheResult(t *testing.T) {
	l := calls.New("container", false)
	got, end := l.Slot(), l.Label()
	l.Set(got, -int64(unix.EPERM)).On(-int64(unix.EPERM), end)
	l.Set(got, 77)
	l.Mark(end)
	send(l, got)
	assert.Equal(t, [][]int{{-1}}, run(t, l))
}

// The list reads bytes from a socket until the end, and sends each one: jumps go backwards, too.
func TestALoop(t *testing.T) {
	l := calls.New("container", false)
	head, char, again, end := l.Buffer(16), l.Slot(), l.Label(), l.Label()
	l.Mark(again)
	l.Do(unix.SYS_READ, 4, head, 1).On(0, end)
	l.Load(char, head, 0, 0xff)
	send(l, char)
	l.Goto(again)
	l.Mark(end)
	read, write := pipe(t)
	_, err := write.WriteString("abc")
	require.NoError(t, err)
	require.NoError(t, write.Close())
	p := start(t, l, read)
	for _, want := range "abc" {
		assert.Equal(t, []int{int(want)}, values(t, p.receive(t)))
	}
	assert.Empty(t, p.receive(t))
	assert.Equal(t, 0, p.end(t))
}

func TestLoadAndStoreHave32Bits(t *testing.T) {
	l := calls.New("container", false)
	memory := l.Bytes([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	value, masked := l.Slot(), l.Slot()
	l.Load(value, memory, 4, 1<<32-1)
	l.Load(masked, memory, 8, 0xf0ff)
	send(l, value, masked)
	l.Set(value, -2)
	l.Store(memory, 4, value)
	l.Do(unix.SYS_SENDTO, calls.SocketSlot, memory.At(3), 6, 0, nil, 0)
	messages, err := outcome(t, l)
	require.NoError(t, err)
	assert.Equal(t, []int{0x08070605, 0x0c0b0a09 & 0xf0ff}, values(t, messages[0]))
	assert.Equal(t, []byte{4, 0xfe, 0xff, 0xff, 0xff, 9}, messages[1])
}

// Parent and child go on at different places of the list, each with its own memory.
func TestCloneIsACallLikeAnyOther(t *testing.T) {
	l := calls.New("container", false)
	pid, mark, status := l.Slot(), l.Slot(), l.Slot()
	child := l.Label()
	l.Set(mark, 1)
	l.Do(unix.SYS_CLONE, int(unix.SIGCHLD), 0, 0, 0, 0).To(pid).On(0, child)
	memory := l.Buffer(4)
	l.Do(unix.SYS_WAIT4, pid, memory, 0, nil)
	l.Load(status, memory, 0, 0xff00)
	send(l, mark, status)
	l.Exit(0)
	l.Mark(child)
	l.Set(mark, 2)
	send(l, mark, pid)
	l.Exit(7)
	assert.Equal(t, [][]int{{2, 0}, {1, 7 << 8}}, run(t, l))
}
