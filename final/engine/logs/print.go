//go:build linux

package logs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A printer writes what records say, each to the stream that it comes from. Without streams it counts lines.
type printer struct {
	since      time.Time
	timestamps bool
	// skip is how many lines to leave out at first, and lines is how many have begun.
	skip, lines    int
	stdout, stderr line
	// last is the stream that was written to at last.
	last *line
}

// A line is what is known of the line that a stream is in.
type line struct {
	to *bufio.Writer
	// begun says that a piece of it was there, and shown that it is shown.
	begun, shown bool
}

func newPrinter(o Options, stdout, stderr io.Writer) *printer {
	p := &printer{since: o.Since, timestamps: o.Timestamps}
	if stdout != nil {
		p.stdout.to, p.stderr.to = bufio.NewWriterSize(stdout, maxBatch), bufio.NewWriterSize(stderr, maxBatch)
	}
	return p
}

// record shows one record. It leaves out a line that is not a record.
func (p *printer) record(record []byte) error {
	when, rest, _ := bytes.Cut(record, []byte(" "))
	stream, rest, _ := bytes.Cut(rest, []byte(" "))
	tag, content, found := bytes.Cut(rest, []byte(" "))
	l := &p.stdout
	if string(stream) == "stderr" {
		l = &p.stderr
	}
	if !found || len(tag) != 1 {
		return nil
	}
	first := !l.begun
	if first {
		l.shown = p.shows(when)
	}
	l.begun = tag[0] == 'P'
	if !l.shown || l.to == nil {
		return nil
	}
	if p.last != l && p.last != nil {
		// Both may lead to the same terminal.
		if err := p.last.to.Flush(); err != nil {
			return err
		}
	}
	p.last = l
	if first && p.timestamps {
		fmt.Fprintf(l.to, "%s ", when)
	}
	// A bufio.Writer returns its first error again from every later write.
	_, err := l.to.Write(content)
	if !l.begun {
		err = l.to.WriteByte('\n')
	}
	return err
}

// shows reports whether a line that begins at a time is shown.
func (p *printer) shows(when []byte) bool {
	if !p.since.IsZero() {
		if t, err := time.Parse(time.RFC3339Nano, string(when)); err != nil || t.Before(p.since) {
			return false
		}
	}
	p.lines++
	return p.lines > p.skip
}

func (p *printer) flush() error { return errors.Join(p.stdout.to.Flush(), p.stderr.to.Flush()) }

// ParseSince reads a time in the past: RFC 3339, or what that has without zone, time or fractions; seconds since 1970; or a
// duration before now such as 10m.
func ParseSince(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 && strings.Trim(text, "0123456789.") != "" {
		return now.Add(-ago), nil
	}
	for _, format := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(format, text, time.Local); err == nil {
			return t, nil
		}
	}
	seconds, fraction, _ := strings.Cut(text, ".")
	s, err := strconv.ParseInt(seconds, 10, 64)
	n, fractionErr := strconv.ParseUint((fraction + "000000000")[:9], 10, 64)
	if err != nil || s < 0 || fractionErr != nil {
		return time.Time{}, fmt.Errorf("%q: must be a time such as 2026-11-28T18:00:00Z, seconds since 1970, or a duration such as 10m", text)
	}
	return time.Unix(s, int64(n)), nil
}
