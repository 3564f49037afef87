//go:build linux

package check

import (
	"bytes"
	"sync"
)

// A transcript collects what is written to it.
type transcript struct {
	mu     sync.Mutex
	text   bytes.Buffer
	notify chan struct{}
}

func (t *transcript) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.notify != nil {
		close(t.notify)
		t.notify = nil
	}
	return t.text.Write(data)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
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
