//go:build linux

package check

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"container-workshop/internal/trace"
)

// Calls runs /bin/true in a container and returns the calls of the kernel that make the container. It takes no more than
// Patience. The error output of the program goes to stderr: a program that fails returns the calls until then, and no error.
//
// The program runs on a scratch of the host, like every program that is examined. `check --trace` prints the calls as JSON, a call
// in each line, to be compared by trace.Compare.
func (p *Program) Calls(stderr io.Writer) ([]trace.Call, error) {
	traced := *p
	path, err := filepath.Abs(p.Path)
	if err != nil {
		return nil, err
	}
	traced.Path = path
	defer sweep()
	if traced.host == nil {
		if host, err := newScratch(); err == nil {
			defer host.close()
			traced.host = host
		}
	}
	var calls []trace.Call
	err = traced.isolated(func() error {
		cmd := exec.Command(traced.Path, traced.args(call{command: []string{"/bin/true"}})...)
		cmd.Env = append(os.Environ(), traced.Env...)
		cmd.Stderr = stderr
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
		var err error
		calls, err = trace.Run(cmd, Patience)
		return err
	})
	return calls, err
}
