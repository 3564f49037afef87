//go:build linux

package logs

import (
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// maxPipe is the most that a pipe can hold, unless somebody with CAP_SYS_RESOURCE has made it larger. pipe(7)
const maxPipe = 1 << 20

// A Stream is where the output of the container comes from: a pipe, or the master of its terminal.
type Stream struct {
	// Name is stdout or stderr.
	Name string
	FD   int
	// Terminal says that FD is the master of a terminal. After the end of the container, the keeper reads the rest from another reader.
	Terminal bool
	// Over says that nothing more can come.
	Over bool
}

// AddPipe keeps what comes out of a pipe, whose descriptor is the keeper's then.
//
// As long as somebody reads, a container that prints too fast waits, and nothing happens to it. If we are killed, nobody reads the
// pipe any more: the next write of the container fails with EPIPE, and SIGPIPE ends a process that does not handle it. pipe(7)
func (k *Keeper) AddPipe(name string, fd int) error {
	// A process of the container can open its end a second time, and read before we do. We must not wait then.
	if err := unix.SetNonblock(fd, true); err != nil {
		return fmt.Errorf("read the %s of the container: %w", name, err)
	}
	k.streams = append(k.streams, Stream{Name: name, FD: fd})
	return nil
}

// AddTerminal keeps the output of a terminal. When the container has ended, rest brings what is left. The caller closes the terminal.
func (k *Keeper) AddTerminal(master int, rest io.Reader) {
	k.streams, k.rest = append(k.streams, Stream{Name: "stdout", FD: master, Terminal: true}), rest
}

// Copy keeps what the container prints. It returns true when the process of the pidfd has ended, and false when nothing has come for a
// while.
func (k *Keeper) Copy(pidfd int, quiet time.Duration) (ended bool) {
	buffer := make([]byte, 32<<10)
	for {
		polled := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		for i := range k.streams {
			polled = append(polled, k.streams[i].Poll())
		}
		n, err := unix.Poll(polled, int(quiet.Milliseconds()))
		switch {
		case err == unix.EINTR:
			continue
		case n <= 0:
			return false
		case polled[0].Revents != 0:
			return true
		}
		for i := range k.streams {
			if polled[i+1].Revents != 0 {
				k.take(&k.streams[i], buffer)
			}
		}
		k.streams = slices.DeleteFunc(k.streams, func(s Stream) bool { return s.Over && !s.Terminal })
		k.slowDown(pidfd)
	}
}

// Poll is how to wait for the stream. The kernel leaves out a descriptor that is -1. poll(2)
func (s *Stream) Poll() unix.PollFd {
	if s.Over {
		return unix.PollFd{Fd: -1}
	}
	return unix.PollFd{Fd: int32(s.FD), Events: unix.POLLIN}
}

// take keeps what a stream has now.
func (k *Keeper) take(s *Stream, buffer []byte) {
	n, err := unix.Read(s.FD, buffer)
	switch {
	case n > 0:
		k.write(s.Name, buffer[:n])
	case err != unix.EINTR && err != unix.EAGAIN:
		s.Over = true
		if !s.Terminal {
			unix.Close(s.FD)
		}
	}
}

// Finish is called when the container has ended. All that its processes have printed is in the pipes by then, and is read. But a
// process elsewhere may have been sent the other end, and print for ever: more than a pipe can hold is not read. unix(7), SCM_RIGHTS
func (k *Keeper) Finish() {
	buffer := make([]byte, 32<<10)
	for i := range k.streams {
		s := &k.streams[i]
		switch {
		case s.Over:
		case s.Terminal:
			k.drainTerminal(s, buffer)
		default:
			k.drain(s, buffer)
			unix.Close(s.FD)
		}
	}
	k.streams = nil
}

func (k *Keeper) drainTerminal(s *Stream, buffer []byte) {
	for {
		n, err := k.rest.Read(buffer)
		k.write(s.Name, buffer[:n])
		if err != nil {
			return
		}
	}
}

func (k *Keeper) drain(s *Stream, buffer []byte) {
	left := maxPipe
	if size, err := unix.FcntlInt(uintptr(s.FD), unix.F_GETPIPE_SZ, 0); err == nil {
		left = max(left, size)
	}
	for left > 0 {
		n, err := unix.Read(s.FD, buffer)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			return
		}
		k.write(s.Name, buffer[:n])
		left -= n
	}
}
