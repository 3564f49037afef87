//go:build linux

package process

import "container-workshop/final/become"

// A Failure is an error with the exit status that goes with it.
type Failure = become.Failure

// The exit status for a failure of ours, and for a command that cannot be executed or is not found.
const (
	StatusFailed        = become.StatusFailed
	StatusNotExecutable = become.StatusNotExecutable
	StatusNotFound      = 127
)
