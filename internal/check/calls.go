//go:build linux

package check

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/internal/trace"
)

// Calls runs /bin/true in a container and returns the kernel calls that make the container. It kills a program that takes longer
// than Patience. If the program fails, Calls returns the calls until then and no error, and stderr gets the first lines of the error
// output.
//
// The program runs on a scratch of the host, like every examined program. `check --trace` prints the calls as JSON, one a line, for
// trace.Compare.
func (p *Program) Calls(stderr io.Writer) ([]trace.Call, error) {
	return p.callsWithin(Patience, stderr)
}

func (p *Program) callsWithin(limit time.Duration, stderr io.Writer) ([]trace.Call, error) {
	traced := *p
	path, err := filepath.Abs(p.Path)
	if err != nil {
		return nil, err
	}
	traced.Path = path
	defer sweep()
	if traced.host == nil {
		if traced.host, err = newScratch(); err != nil {
			return nil, err
		}
		defer traced.host.close()
	}
	var trouble transcript
	var calls []trace.Call
	err = traced.isolated(func() error {
		cmd := exec.Command(traced.Path, traced.args(call{command: []string{"/bin/true"}})...)
		cmd.Env = append(os.Environ(), traced.Env...)
		cmd.Stderr = &trouble
		// A process that outlives run can keep the stream open.
		cmd.WaitDelay = 2 * time.Second
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
		var err error
		calls, err = trace.Run(cmd, limit)
		return err
	})
	if text := brief(trouble.String()); text != "" {
		fmt.Fprintln(stderr, text)
	}
	return calls, err
}
