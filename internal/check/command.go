//go:build linux

package check

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// command is what a container has in common with a command that runs without one.
var command = []Property{
	{
		Name: "output and error output are the command's, and nothing is added",
		Step: 1,
		Hint: "Give the command your own streams (cmd.Stdout = os.Stdout, and so on) and print nothing on success.",
		check: func(p *Program) error {
			r, err := p.run("echo to output; echo to error >&2")
			if err != nil {
				return err
			}
			return want("output, error output and status", result{"to output\n", "to error\n", 0}, r)
		},
	},
	{
		Name: "the command reads standard input",
		Step: 1,
		Hint: "cmd.Stdin = os.Stdin",
		check: func(p *Program) error {
			r, err := p.call(call{command: []string{"/bin/cat"}, stdin: "one\ntwo\n"})
			if err != nil {
				return err
			}
			return want("output of cat", result{"one\ntwo\n", "", 0}, r)
		},
	},
	{
		Name: "arguments reach the command as they are, those that look like flags too",
		Step: 1,
		Hint: "Flags end at COMMAND: pflag.CommandLine.SetInterspersed(false).",
		check: func(p *Program) error {
			r, err := p.call(call{command: []string{"/bin/echo", "--hostname", "a b", "", "--help", "*"}})
			if err != nil {
				return err
			}
			return want("output of echo", result{"--hostname a b  --help *\n", "", 0}, r)
		},
	},
	{
		Name: "the command has no open files of run's but the three standard streams",
		Step: 1,
		Hint: "Descriptors in cmd.ExtraFiles stay open across execve: child has to close them.",
		check: func(p *Program) error {
			r, err := p.run("n=3; while [ $n -le 9 ]; do if { true <&$n; } 2>/dev/null || { true >&$n; } 2>/dev/null; then echo $n; fi; n=$((n+1)); done")
			if err != nil {
				return err
			}
			return want("open descriptors above 2", result{}, r)
		},
	},
	status("exit 0", 0),
	status("exit 3", 3),
	{
		Name: "a command that a signal ends has the status 128+n",
		Step: 1,
		Hint: "A process that a signal ended has no exit code: look at the wait status. wait(2)",
		check: func(p *Program) error {
			return p.whileReady(func(s *session) error {
				inside, err := s.container()
				if err != nil {
					return err
				}
				defer release(inside)
				unix.Kill(inside[0].pid, unix.SIGKILL)
				r, err := s.wait()
				if err != nil {
					return err
				}
				return want("status after SIGKILL", 137, r.status)
			})
		},
	},
	{
		Name: "a command that does not exist has the status 127, and the message names it",
		Step: 1,
		Hint: "Look the command up with exec.LookPath in child, and tell exec.ErrNotFound and fs.ErrNotExist from the rest.",
		check: func(p *Program) error {
			for _, command := range []string{"no-such-command", "/no/such/command", ""} {
				if err := p.refuses(call{command: []string{command}}, 127, command); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name: "a command that cannot be executed has the status 126, and the message names it",
		Step: 1,
		Hint: "Every error of exec.LookPath and execve is 126, but for the file that is not there.",
		check: func(p *Program) error {
			for _, command := range []string{"/etc/passwd", "/etc"} {
				if err := p.refuses(call{command: []string{command}}, 126, command); err != nil {
					return err
				}
			}
			return nil
		},
	},
}

func status(script string, expected int) Property {
	return Property{
		Name: fmt.Sprintf("a command that ends with %s has the status %d", script, expected),
		Step: 1,
		Hint: "End with the status of the command: os.Exit(cmd.ProcessState.ExitCode()), after all clean-up.",
		check: func(p *Program) error {
			r, err := p.run(script)
			if err != nil {
				return err
			}
			return want("status", expected, r.status)
		},
	}
}
