//go:build linux

package become

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A Late says what a failure of a call after the wait for start is called. The final that made the list is gone by then, and so the words
// are kept with the state of the container.
type Late struct {
	// From is the number of the first call in the list that fails with these words.
	From int
	// Text has a zero byte in the place of the error.
	Text string
	// Status is the exit status.
	Status int
}

// errPlace stands for an error in the text of a Late.
var errPlace = errors.New("\x00")

// Late returns the words for all calls after the wait for start, in the order of the calls.
func (p *Program) Late() []Late {
	var all []Late
	for i := p.heldAt; i < p.Len(); i++ {
		late := Late{i, "", StatusFailed}
		err := p.FailureOf(i, errPlace)
		var failure *Failure
		if errors.As(err, &failure) {
			late.Status = failure.Status
		}
		late.Text = err.Error()
		if n := len(all); n == 0 || all[n-1].Text != late.Text {
			all = append(all, late)
		}
	}
	return all
}

// LateFailure is what a report of a process that somebody else has started means.
func LateFailure(all []Late, report []byte) error {
	if len(report) < 12 {
		return errors.New("the container's first process reports an unknown failure")
	}
	index, errno := int(binary.NativeEndian.Uint32(report[4:])), unix.Errno(-int32(binary.NativeEndian.Uint32(report[8:])))
	failure := &Failure{StatusFailed, fmt.Errorf("call %d of the container's first process: %w", index, errno)}
	for _, late := range all {
		if late.From <= index {
			failure = &Failure{late.Status, errors.New(strings.Replace(late.Text, "\x00", errno.Error(), 1))}
		}
	}
	return failure
}
