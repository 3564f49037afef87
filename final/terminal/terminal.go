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

// A Terminal is the terminal of a command. This process reads the command's output from the Master, and writes keys there. pty(7)
type Terminal struct {
	Master *os.File
	// Peer is the command's side of the terminal. A read from the master fails while nobody has the command's side open, although a
	// process of the container can open it again at any time, as /dev/console. So this process keeps the Peer open until the command
	// has ended.
	Peer *os.File
	// pidfd is a descriptor of the command.
	pidfd int
	// over is true when the command has ended. Its last output can still be on its way in the kernel, so await waits for output until the
	// deadline. take returns left bytes at most after the end.
	over     bool
	left     int
	deadline time.Time
}

// When the command has ended, another process may still have the terminal open and print for ever. These constants bound how much of
// that is shown, and for how long. maxLeft is more than the kernel's buffer holds of the command's own output.
const (
	maxLeft = 64 << 10
	maxWait = time.Second
)

// Open returns the terminal of a command. It takes over the descriptor master. The pidfd of the command stays the caller's.
func Open(master, pidfd int) (*Terminal, error) {
	t := &Terminal{Master: os.NewFile(uintptr(master), "terminal"), pidfd: pidfd}
	peer, err := Peer(master)
	if err != nil {
		t.Close()
		return nil, fmt.Errorf("open the command's side of its terminal: %w", err)
	}
	t.Peer = os.NewFile(uintptr(peer), "the command's side of its terminal")
	return t, nil
}

// Resume returns the terminal whose Master and Peer an earlier program of this process has left open.
func Resume(master, peer, pidfd int) *Terminal {
	return &Terminal{Master: os.NewFile(uintptr(master), "terminal"), Peer: os.NewFile(uintptr(peer), "the command's side of its terminal"), pidfd: pidfd}
}

// Read waits for output of the command. It returns io.EOF when the command has ended and all output has been read.
func (t *Terminal) Read(buffer []byte) (int, error) {
	if !t.await() {
		return 0, io.EOF
	}
	return t.take(buffer)
}

// Close hangs up: processes that still have the terminal open cannot use it any more.
func (t *Terminal) Close() {
	t.Peer.Close()
	t.Master.Close()
}

// await waits until take has something to return. It returns false when no more output will come.
func (t *Terminal) await() bool {
	if !t.over {
		ready := poll(-1, int(t.Master.Fd()), t.pidfd)
		if !ready[1] {
			return true
		}
		t.over, t.left, t.deadline = true, maxLeft, time.Now().Add(maxWait)
		// If no other process has the terminal open, a read from the master now fails when all output has been read.
		t.Peer.Close()
	}
	return t.left > 0 && t.hasOutput(max(0, time.Until(t.deadline)))
}

// take reads the output that has come. It returns io.EOF if no process has the terminal open.
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

// hasOutput waits a while, and reports whether there is output, or no process has the terminal open.
func (t *Terminal) hasOutput(while time.Duration) bool {
	return poll(int(while.Milliseconds()), int(t.Master.Fd()))[0]
}

// hasInput reports whether keys are waiting for the command to read them. It reports false when the command has ended.
func (t *Terminal) hasInput() bool {
	return poll(0, int(t.Peer.Fd()))[0]
}

// poll waits until one of the descriptors can be read, or for so many milliseconds. -1 milliseconds are for ever. It returns which
// descriptors can be read, and ignores closed files, whose descriptor is -1.
func poll(milliseconds int, descriptors ...int) []bool {
	fds := make([]unix.PollFd, len(descriptors))
	for i, fd := range descriptors {
		fds[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	for {
		if _, err := unix.Poll(fds, milliseconds); err != unix.EINTR {
			break
		}
	}
	ready := make([]bool, len(fds))
	for i := range fds {
		ready[i] = fds[i].Revents != 0
	}
	return ready
}

// Peer opens the command's side of a terminal by the master, without a path. TIOCGPTPEER(2const)
func Peer(master int) (int, error) {
	slave, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return -1, errno
	}
	return int(slave), nil
}
