//go:build linux

package calls

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/final/stage"
)

// A report is the message about a call that has failed: 0, the number of the op, -errno, the length of the text, and the text. Each
// number has 32 bits. The machine writes the report to the beginning of the memory that is zero.
const (
	reportHead = 16
	textSize   = 1024
	reportSize = reportHead + textSize
)

// Failure returns the error that a message of the process reports, and whether the message is a report at all.
func (l *List) Failure(message []byte) (error, bool) {
	if len(message) < reportHead || binary.LittleEndian.Uint32(message) != 0 {
		return nil, false
	}
	index, errno := int(binary.LittleEndian.Uint32(message[4:])), unix.Errno(-int32(binary.LittleEndian.Uint32(message[8:])))
	if index >= len(l.calls) {
		return nil, false
	}
	text := ""
	// The kernel begins an error with `e `, and a warning with `w `.
	if words := string(message[reportHead:]); strings.HasPrefix(words, "e ") {
		text = strings.TrimSpace(words[2:])
	}
	return l.calls[index].failure(errno, text), true
}

// Len is the number of calls so far: the number of the next call.
func (l *List) Len() int { return len(l.calls) }

// FailureOf is the error that a failure of the call with this number has.
func (l *List) FailureOf(call int, err error) error { return l.calls[call].failure(err, "") }

func (c *Call) failure(err error, text string) error {
	if c.fails != nil {
		return c.fails(err, text)
	}
	if text != "" {
		err = fmt.Errorf("%w (%s)", err, text)
	}
	if c.stage == nil {
		return err
	}
	return fmt.Errorf("%s: %w", c.stage.Call, err)
}

// Records are the stages for --explain. times is the content of Times, which the process has sent. There is no record of a stage that
// the process has jumped over. The process has sent no times of the last stages: these records have the time of the stage before.
func (l *List) Records(times []byte) []stage.Record {
	var records []stage.Record
	var last time.Duration
	for i, s := range l.stages {
		record := s.record(l.side)
		if at := timeSize * i; at+timeSize <= len(times) {
			seconds, nanoseconds := binary.LittleEndian.Uint64(times[at:]), binary.LittleEndian.Uint64(times[at+8:])
			record.Start = time.Duration(seconds)*time.Second + time.Duration(nanoseconds)
			if record.Start == 0 {
				continue
			}
			if n := len(records); n > 0 {
				records[n-1].Took = record.Start - last
			}
			last = record.Start
		}
		record.Start = last
		records = append(records, record)
	}
	return records
}
