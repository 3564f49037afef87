//go:build linux

package logs

import (
	"time"

	"golang.org/x/sys/unix"
)

// A container that prints without end would keep a processor and the disk busy: ours, as nobody counts them as the container's. So
// after a burst we write at a pace, and the container waits for us.
const (
	burst = 64 << 20
	// rate is how many bytes of records we write in a second. With lines of the usual length, half of that is what the container printed.
	rate = 8 << 20
	// perWrite is what each write counts on top, as a short write takes time, too. While the container waits, its lines gather in the
	// pipe, and the next write is a longer one.
	perWrite = 4 << 10
)

// A pace says when more can be written.
type pace struct {
	burst, rate int64
	// written is how much has been written since then, less what the rate has allowed.
	written int64
	since   time.Time
}

// wait returns how long to wait until the rest is within the burst.
func (p *pace) wait(now time.Time) time.Duration {
	p.written = max(0, p.written-int64(now.Sub(p.since).Seconds()*float64(p.rate)))
	p.since = now
	return time.Duration(max(0, p.written-p.burst)) * time.Second / time.Duration(p.rate)
}

// slowDown waits as long as the pace says, but not for more of a container that has ended.
func (k *Keeper) slowDown(pidfd int) {
	if wait := k.pace.wait(time.Now()); wait > 0 {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(wait.Milliseconds())+1)
	}
}
