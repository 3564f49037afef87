//go:build linux

package check

import (
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"container-workshop/internal/trace"
)

// Calls runs /bin/true in a container and returns the calls of the kernel that make the container. It takes no more than
// Patience. The error output of the program goes to stderr: a program that fails returns the calls until then, and no error.
//
// The program runs in namespaces made for the check, like every program that is checked. `check --trace` prints the calls as
// JSON, a call in each line, to be compared by trace.Compare.
func (p *Program) Calls(stderr io.Writer) ([]trace.Call, error) {
	var calls []trace.Call
	err := p.isolated(func() error {
		cmd := exec.Command(p.Path, p.args(call{command: []string{"/bin/true"}})...)
		cmd.Env = append(os.Environ(), p.Env...)
		cmd.Stderr = stderr
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
		var err error
		calls, err = trace.Run(cmd, Patience)
		return err
	})
	return calls, err
}
