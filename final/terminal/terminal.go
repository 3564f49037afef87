//go:build linux

package terminal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A Terminal is the terminal of a command. We have the Master, and read there what the command prints. pty(7)
type Terminal struct {
	Master *os.File
	// peer is the command's side. Reading from the master fails while nobody has that side open, although a process of the container can
	// open it again at any time, as /dev/console. So we keep it open until the command has ended.
	peer *os.File
	// pidfd is a descriptor of the command.
	pidfd int
	// over says that the command has ended. What it has printed can still be on its way, so we wait for it up to the deadline. After the
	// deadline we only read what is there. In all we read no more than left bytes.
	over     bool
	left     int
	deadline time.Time
}

// A process that has left the container may still have the terminal open when the command has ended, and print for ever. maxLeft bounds
// what we show of that. It is more than the kernel holds back of what the command itself has printed.
const (
	maxLeft = 64 << 10
	maxWait = time.Second
)

// Open opens the terminal of a command by the descriptor of the master, which it takes.
func Open(master, pidfd int) (*Terminal, error) {
	t := &Terminal{Master: os.NewFile(uintptr(master), "terminal"), pidfd: pidfd}
	peer, err := Peer(master)
	if err != nil {
		t.Close()
		return nil, fmt.Errorf("open the command's side of its terminal: %w", err)
	}
	t.peer = os.NewFile(uintptr(peer), "the command's side of its terminal")
	return t, nil
}

// Read waits for what the command prints. It returns io.EOF when the command has ended and all of it has been read.
func (t *Terminal) Read(buffer []byte) (int, error) {
	if !t.await() {
		return 0, io.EOF
	}
	return t.take(buffer)
}

// Close hangs up: processes that still have the terminal open cannot use it any more.
func (t *Terminal) Close() {
	t.peer.Close()
	t.Master.Close()
}

// await waits until there is something to take. It returns false when there will be nothing any more.
func (t *Terminal) await() bool {
	if !t.over {
		ready := poll(-1, int(t.Master.Fd()), t.pidfd)
		if !ready[1] {
			return true
		}
		t.over, t.left, t.deadline = true, maxLeft, time.Now().Add(maxWait)
		// If nobody else has it open, reading fails from now on when all has been read.
		t.peer.Close()
	}
	return t.left > 0 && t.hasOutput(max(0, time.Until(t.deadline)))
}

// take reads what is there.
func (t *Terminal) take(buffer []byte) (int, error) {
	if t.over {
		buffer = buffer[:min(len(buffer), t.left)]
	}
	n, err := t.Master.Read(buffer)
	if t.over {
		t.left -= n
	}
	if errors.Is(err, unix.EIO) {
		err = io.EOF
	}
	return n, err
}

// hasOutput waits a while for something to take, or the end of it.
func (t *Terminal) hasOutput(while time.Duration) bool {
	return poll(int(while.Milliseconds()), int(t.Master.Fd()))[0]
}

// poll waits so many milliseconds, or for ever if it is -1, until one of the descriptors can be read, and returns which of them can.
func poll(while int, descriptors ...int) []bool {
	fds := make([]unix.PollFd, len(descriptors))
	for i, fd := range descriptors {
		fds[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	for {
		if _, err := unix.Poll(fds, while); err != unix.EINTR {
			break
		}
	}
	ready := make([]bool, len(fds))
	for i := range fds {
		ready[i] = fds[i].Revents != 0
	}
	return ready
}

// Peer opens the other end of a terminal. TIOCGPTPEER(2const)
func Peer(master int) (int, error) {
	slave, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return -1, errno
	}
	return int(slave), nil
}
