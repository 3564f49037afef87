//go:build linux

package check

import (
	"fmt"
	"os"
)

// hostname is what comes of a UTS namespace.
var hostname = []Property{
	{
		Name: "the hostname in the container is container",
		Step: 2,
		Hint: "cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUTS in run, unix.Sethostname in child.",
		check: func(p *Program) error {
			r, err := p.run("cat /proc/sys/kernel/hostname 2>/dev/null || hostname")
			if err != nil {
				return err
			}
			return want("hostname", "container\n", r.stdout)
		},
	},
	{
		Name: "--hostname sets the hostname of the container and leaves that of the host",
		Step: 2,
		Hint: "unix.Sethostname in child, never in run: run is on the host.",
		check: func(p *Program) error {
			before, err := os.Hostname()
			if err != nil {
				return unclear(err)
			}
			r, err := p.run("cat /proc/sys/kernel/hostname 2>/dev/null || hostname", "--hostname", "given.example")
			if err != nil {
				return err
			}
			if r.stdout != "given.example\n" {
				return fmt.Errorf("hostname: want given.example, got %q %q", r.stdout, r.stderr)
			}
			after, err := os.Hostname()
			if err != nil {
				return unclear(err)
			}
			return want("hostname of the host", before, after)
		},
	},
	{
		Name: "the container has a UTS namespace of its own",
		Step: 2,
		Hint: "cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUTS",
		check: func(p *Program) error {
			return p.whileReady(func(s *session) error { return s.ownNamespace("uts") })
		},
	},
}
