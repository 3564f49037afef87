//go:build linux

package check

import (
	"bytes"
	"errors"
	"sync"
)

// mostText is how much output of a program a transcript keeps.
const mostText = 1 << 20

// errOverflow ends the copying of output, so the program gets EPIPE or SIGPIPE.
var errOverflow = errors.New("too much output")

// A transcript collects what is written to it, up to mostText.
type transcript struct {
	mu     sync.Mutex
	text   bytes.Buffer
	notify chan struct{}
	// overflow is called when more is written, if it is not nil.
	overflow func()
	full     bool
}

func (t *transcript) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.notify != nil {
		close(t.notify)
		t.notify = nil
	}
	if n := mostText - t.text.Len(); n < len(data) {
		t.text.Write(data[:n])
		t.full = true
		if t.overflow != nil {
			t.overflow()
		}
		return n, errOverflow
	}
	return t.text.Write(data)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// overflowed reports whether more was written than the transcript keeps.
func (t *transcript) overflowed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.full
}

// changed returns a channel that closes at the next write.
func (t *transcript) changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.notify == nil {
		t.notify = make(chan struct{})
	}
	return t.notify
}
