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

// A Saved is a keeper between two programs of the same process: the monitor executes another program while nothing happens. The
// descriptors stay open, so the lock stays, too.
type Saved struct {
	Limits Limits
	// Dir and File are descriptors. File is -1 if there is none.
	Dir, File int
	Streams   []Stream
	// Lost and Cause are about records that could not be written, and Written and Since about the pace.
	Lost    int
	Cause   string
	Written int64
	Since   time.Time
}

// Save returns what the next program needs to know. Every record is written.
func (k *Keeper) Save() Saved {
	s := Saved{Limits: k.limits, Dir: int(k.dir.Fd()), File: -1, Streams: k.streams, Lost: k.lost, Written: k.pace.written, Since: k.pace.since}
	if k.file != nil {
		s.File = int(k.file.Fd())
	}
	if k.cause != nil {
		s.Cause = k.cause.Error()
	}
	return s
}

// Descriptors are those that stay open.
func (s *Saved) Descriptors() []int {
	all := []int{s.Dir}
	if s.File != -1 {
		all = append(all, s.File)
	}
	for _, stream := range s.Streams {
		all = append(all, stream.FD)
	}
	return all
}

// Restore returns the keeper that was saved. rest is that of AddTerminal.
func (s *Saved) Restore(rest io.Reader) (*Keeper, error) {
	k := &Keeper{limits: s.Limits, dir: os.NewFile(uintptr(s.Dir), "log"), streams: s.Streams, rest: rest, lost: s.Lost}
	k.pace = pace{burst: burst, rate: rate, written: s.Written, since: s.Since}
	if s.Cause != "" {
		k.cause = errors.New(s.Cause)
	}
	if s.File == -1 {
		return k, nil
	}
	var stat unix.Stat_t
	if err := unix.Fstat(s.File, &stat); err != nil {
		return nil, fmt.Errorf("go on with the log: %w", err)
	}
	k.file, k.size = os.NewFile(uintptr(s.File), fileName(0)), stat.Size
	return k, nil
}
