//go:build linux

package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Stretch has the exercises that go beyond the steps: two for each step, and one more for step 5, in the order of the steps. No step has
// these properties.
var Stretch = table(beyondCommand, beyondMounts, beyondUser, beyondProcesses, beyondLimits)

// Beyond returns the exercises of one step.
func Beyond(step int) []Property {
	return slices.DeleteFunc(slices.Clone(Stretch), func(p Property) bool { return p.Step != step })
}

// beyondCommand has the exercises of steps 1 and 2.
var beyondCommand = []Property{
	{
		Name:  "--env KEY=VALUE sets a variable of the command, and can be given more than once",
		Step:  1,
		Needs: []string{starts},
		Why:   "Programs take settings from the environment. environ(7)",
		Where: "step01-exec/README.md#check-your-work",
		check: func(p *Program) error {
			r, err := p.call(call{
				flags:   []string{"--env", "CHECK_NEW=a,b = c", "--env", "CHECK_EMPTY=", "--env", "CHECK_OLD=given"},
				command: []string{"/usr/bin/env"},
				env:     []string{"CHECK_OLD=inherited", "CHECK_OTHER=inherited"},
			})
			if err != nil {
				return err
			}
			if err := want("env", result{"", "", 0}, result{"", r.stderr, r.status}); err != nil {
				return err
			}
			var seen []string
			for line := range strings.Lines(r.stdout) {
				if strings.HasPrefix(line, "CHECK_") && !strings.HasPrefix(line, "CHECK_MARK=") {
					seen = append(seen, line)
				}
			}
			slices.Sort(seen)
			return want("the variables of the command", "CHECK_EMPTY=\nCHECK_NEW=a,b = c\nCHECK_OLD=given\nCHECK_OTHER=inherited\n", strings.Join(seen, ""))
		},
	},
	{
		Name:  "--workdir DIR is the working directory of the command, and one that is not there is named in one line, with the status 125",
		Step:  1,
		Needs: []string{starts},
		Why:   "A build wants to run in the directory of its sources. chdir(2)",
		Where: "step01-exec/README.md#check-your-work",
		check: func(p *Program) error {
			dir, err := publicDir()
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			r, err := p.run("pwd -P", "--workdir", dir)
			if err != nil {
				return err
			}
			place, err := filepath.EvalSymlinks(dir)
			if err != nil {
				return unclear(err)
			}
			if err := want("the working directory", result{place + "\n", "", 0}, r); err != nil {
				return err
			}
			missing := filepath.Join(dir, "missing")
			return p.refuses(call{flags: []string{"--workdir", missing}, command: []string{"/bin/true"}}, 125, missing)
		},
	},
	{
		Name:  "--domainname NAME sets the NIS domain name of the container and leaves that of the host",
		Step:  2,
		Needs: []string{uts},
		Why:   "A UTS namespace holds two names, and the domain name is the second. setdomainname(2)",
		Where: "step02-uts/README.md#check-your-work",
		check: func(p *Program) error {
			before, err := domainname()
			if err != nil {
				return err
			}
			r, err := p.run("cat /proc/sys/kernel/domainname 2>/dev/null || domainname", "--domainname", "given.example")
			if err != nil {
				return err
			}
			if err := want("the domain name", result{"given.example\n", "", 0}, r); err != nil {
				return err
			}
			after, err := domainname()
			if err != nil {
				return err
			}
			return want("the domain name of the host", before, after)
		},
	},
	{
		Name:  "an IPC namespace of its own for the container, with its own message queues, semaphores and shared memory",
		Step:  2,
		Needs: []string{uts},
		Why:   "With shared memory of the host, a command can talk to the processes of the host. ipc_namespaces(7)",
		Where: "step02-uts/README.md#check-your-work",
		check: func(p *Program) error {
			return p.whileReady(func(s *session) error { return s.ownNamespace("ipc") })
		},
	},
}

// domainname returns the NIS domain name of the UTS namespace of the calling thread.
func domainname() (string, error) {
	var names unix.Utsname
	if err := unix.Uname(&names); err != nil {
		return "", unclear(err)
	}
	return unix.ByteSliceToString(names.Domainname[:]), nil
}
