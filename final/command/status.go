//go:build linux

package command

import "errors"

// The exit statuses for a failure that is not the command's own. The last two are those of a shell.
const (
	StatusFailed        = 125
	StatusNotExecutable = 126
	StatusNotFound      = 127
)

// A notExecutable or notFound error is about the command.
type (
	notExecutable struct{ error }
	notFound      struct{ error }
)

func (e notExecutable) Unwrap() error { return e.error }
func (e notFound) Unwrap() error      { return e.error }

// Status returns the exit status for an error.
func Status(err error) int {
	switch {
	case errors.As(err, new(notFound)):
		return StatusNotFound
	case errors.As(err, new(notExecutable)):
		return StatusNotExecutable
	}
	return StatusFailed
}
