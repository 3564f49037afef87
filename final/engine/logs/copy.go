//go:build linux

package logs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// maxPipe is the most that a pipe can hold, unless somebody with CAP_SYS_RESOURCE has made it larger. pipe(7)
const maxPipe = 1 << 20

// Copy keeps, as a stream named stdout or stderr, what a reader brings, from now on. The reader has to end by itself.
func (k *Keeper) Copy(stream string, from io.Reader) {
	k.copying.Add(1)
	go k.copy(stream, from)
}

// CopyPipe keeps what comes out of a pipe, whose descriptor is ours then.
//
// As long as somebody reads, a container that prints too fast waits, and nothing happens to it. If we are killed, nobody reads the
// pipe any more: the next write of the container fails with EPIPE, and SIGPIPE ends a process that does not handle it. pipe(7)
func (k *Keeper) CopyPipe(stream string, fd int) error {
	// Finish sets a deadline, which only what does not block can have.
	if err := unix.SetNonblock(fd, true); err != nil {
		return fmt.Errorf("read the %s of the container: %w", stream, err)
	}
	pipe := os.NewFile(uintptr(fd), stream)
	k.pipes = append(k.pipes, pipe)
	k.Copy(stream, pipe)
	return nil
}

func (k *Keeper) copy(stream string, from io.Reader) {
	defer k.copying.Done()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		k.write(stream, buffer[:n])
		k.slowDown()
		if pipe, ok := from.(*os.File); ok && errors.Is(err, os.ErrDeadlineExceeded) {
			k.drain(stream, pipe, buffer)
		}
		if err != nil {
			return
		}
	}
}

// Finish is called when the container has ended. All that its processes have printed is in the pipes by then, and is read. But a
// process elsewhere may have been sent the other end, and print for ever: more than a pipe can hold is not read. unix(7), SCM_RIGHTS
func (k *Keeper) Finish() {
	close(k.ended)
	for _, pipe := range k.pipes {
		// This wakes the goroutine that reads.
		_ = pipe.SetReadDeadline(time.Unix(1, 0))
	}
	k.copying.Wait()
	for _, pipe := range k.pipes {
		pipe.Close()
	}
}

func (k *Keeper) drain(stream string, pipe *os.File, buffer []byte) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		left := maxPipe
		if size, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0); err == nil {
			left = max(left, size)
		}
		for left > 0 {
			n, err := unix.Read(int(fd), buffer)
			if err == unix.EINTR {
				continue
			}
			if n <= 0 {
				return
			}
			k.write(stream, buffer[:n])
			left -= n
		}
	})
}
