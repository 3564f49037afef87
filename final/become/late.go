//go:build linux

package become

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A Late is the error text for calls after the wait for start. The final that has made the list is gone by then, so create keeps these texts
// with the state of the container, for start.
type Late struct {
	// From is the number of the first call with this text. The text holds up to the next Late.
	From int
	// Text has a zero byte in the place of the error.
	Text string
	// Status is the exit status.
	Status int
}

// errPlace stands for an error in the text of a Late.
var errPlace = errors.New("\x00")

// Late returns the texts for all calls after the wait for start, in the order of the calls.
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

// LateFailure returns the error that a report means, from a process whose list an earlier final has made.
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
