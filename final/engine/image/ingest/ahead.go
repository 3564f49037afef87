//go:build linux

package ingest

import (
	"crypto/sha256"
	"hash"
	"io"
)

// ahead reads a tar file in a goroutine of its own, and computes its digest on the way: so one core decompresses a layer, and another one
// writes its files.
type ahead struct {
	// hash has got all bytes that are read.
	hash hash.Hash
	// full has the pieces that are read, and empty those that can be used again. stop is closed when nobody wants more.
	full, empty chan []byte
	stop        chan struct{}
	// failed is set before full is closed.
	failed error
	// piece is what the last Read has left of buffer.
	buffer, piece []byte
}

// A layer takes this much memory on its way from the decompressor to its files.
const (
	aheadPieces = 4
	aheadBytes  = 256 << 10
)

func readAhead(from io.Reader) *ahead {
	a := &ahead{hash: sha256.New(), full: make(chan []byte, aheadPieces), empty: make(chan []byte, aheadPieces), stop: make(chan struct{})}
	for range aheadPieces {
		a.empty <- make([]byte, aheadBytes)
	}
	go a.fill(from)
	return a
}

// fill reads until the end of the tar file, or until Close.
func (a *ahead) fill(from io.Reader) {
	defer close(a.full)
	for {
		select {
		case <-a.stop:
			return
		case buffer := <-a.empty:
			n := 0
			for n < len(buffer) && a.failed == nil {
				var more int
				more, a.failed = from.Read(buffer[n:])
				n += more
			}
			a.hash.Write(buffer[:n])
			a.full <- buffer[:n]
			if a.failed != nil {
				return
			}
		}
	}
}

func (a *ahead) Read(to []byte) (int, error) {
	for len(a.piece) == 0 {
		if a.buffer != nil {
			a.empty <- a.buffer[:aheadBytes]
			a.buffer = nil
		}
		next, more := <-a.full
		if !more {
			return 0, a.failed
		}
		a.buffer, a.piece = next, next
	}
	n := copy(to, a.piece)
	a.piece = a.piece[n:]
	return n, nil
}

// Close ends the goroutine, and waits for its end.
func (a *ahead) Close() {
	close(a.stop)
	for range a.full {
	}
}
