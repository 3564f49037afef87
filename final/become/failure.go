//go:build linux

package become

// A Failure is an error with the exit status that goes with it.
type Failure struct {
	Status int
	Err    error
}

func (f *Failure) Error() string { return f.Err.Error() }

func (f *Failure) Unwrap() error { return f.Err }

// The exit status for a failure of final, and for a command that cannot be executed.
const (
	StatusFailed        = 125
	StatusNotExecutable = 126
)
