//go:build linux

package ingest

import (
	"errors"
	"fmt"
)

// A Refusal is the error of an image that is not what it says. Nothing of such an image is kept, and nobody tries again.
type Refusal struct{ Why string }

func (r *Refusal) Error() string { return r.Why }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// refused makes an error a refusal.
func refused(err error) error {
	if err == nil {
		return nil
	}
	return &Refusal{err.Error()}
}

// A Permanent error is one that comes again if a source is asked again.
type Permanent struct{ Err error }

func (p Permanent) Error() string { return p.Err.Error() }
func (p Permanent) Unwrap() error { return p.Err }

func comesAgain(err error) bool {
	var refusal *Refusal
	var permanent Permanent
	return errors.As(err, &refusal) || errors.As(err, &permanent)
}
