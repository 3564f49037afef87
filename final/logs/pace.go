//go:build linux

package logs

import "time"

// A container that prints without end would have us write as fast as we can: a processor and a disk at work, neither of which
// counts as the container's. So after a burst, what is written has a pace, and the container waits for us.
const (
	burst = 64 << 20
	// rate is bytes of records in a second. Half of that are lines of the usual length.
	rate = 8 << 20
	// perWrite is what a write counts by itself: it takes time, however short it is. Who waits for us meanwhile has more to write at once.
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
func (k *Keeper) slowDown() {
	k.mutex.Lock()
	wait := k.pace.wait(time.Now())
	k.mutex.Unlock()
	if wait == 0 {
		return
	}
	select {
	case <-time.After(wait):
	case <-k.ended:
	}
}
