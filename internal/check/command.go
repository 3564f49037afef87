//go:build linux

package check

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

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
		Name: "the command has no open files but the three standard streams",
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
			s, err := p.start(call{command: []string{"/bin/sh", "-c", "echo ready; exec sleep 1000"}})
			if err != nil {
				return err
			}
			defer s.close()
			if err := s.expect("ready"); err != nil {
				return err
			}
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

// input is what is said of bad input that every step can meet.
var input = []Property{
	{
		Name: "without a command there is one line that says how to give it, and the status is 125",
		Step: 1,
		Hint: "Look at pflag.NArg() before anything else.",
		check: func(p *Program) error {
			for _, args := range [][]string{{"run"}, {}, {"/bin/true"}} {
				s := p.session(args, call{})
				r, err := s.finish()
				if err != nil {
					return err
				}
				if err := complaint(r, 125, "run [flags] COMMAND"); err != nil {
					return fmt.Errorf("arguments %q: %w", args, err)
				}
			}
			return nil
		},
	},
	{
		Name: "an unknown flag is named in one line, and the status is 125",
		Step: 1,
		Hint: "Parse with pflag.ContinueOnError, and print its error yourself.",
		check: func(p *Program) error {
			return p.refuses(call{flags: []string{"--no-such-flag"}, command: []string{"/bin/true"}}, 125, unknownFlag, "--no-such-flag")
		},
	},
	{
		Name: "--help says on standard output how to use it, and the status is 0",
		Step: 1,
		Hint: "pflag.Parse returns pflag.ErrHelp after it has called pflag.Usage: that is no failure.",
		check: func(p *Program) error {
			for _, args := range [][]string{{"--help"}, {"run", "--help"}} {
				r, err := p.session(args, call{}).finish()
				if err != nil {
					return err
				}
				if r.status != 0 || r.stderr != "" || !strings.Contains(r.stdout, "COMMAND") {
					return fmt.Errorf("%q: status %d, output %q, error output %q", args, r.status, r.stdout, r.stderr)
				}
			}
			return nil
		},
	},
	{
		Name: "without /proc on the host there is one line that says so, and the status is 125",
		Step: 1,
		Hint: "Starting /proc/self/exe fails with ENOENT then, which sounds as if your program were missing.",
		check: func(p *Program) error {
			if err := unix.Unmount("/proc", unix.MNT_DETACH); err != nil {
				return unclear(err)
			}
			return p.refuses(call{command: []string{"/bin/true"}}, 125, "/proc", "mount")
		},
	},
	{
		Name: "without root there is one line that says so, and the status is 125",
		Step: 2,
		Hint: "Making a namespace fails with EPERM without CAP_SYS_ADMIN: say what to do about it.",
		check: func(p *Program) error {
			dir, err := publicDir()
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			path, err := copyFile(p.Path, dir)
			if err != nil {
				return err
			}
			public := *p
			public.Path = path
			nobody := call{command: []string{"/bin/true"}, attr: unix.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}}
			return public.refuses(nobody, 125, "root")
		},
	},
	{
		Name: "a hostname that is too long is refused with one line that says how long it may be",
		Step: 2,
		Hint: "The kernel says EINVAL to more than 64 bytes. Say that, and leave the judgement to it.",
		check: func(p *Program) error {
			long := call{flags: []string{"--hostname", strings.Repeat("x", 65)}, command: []string{"/bin/true"}}
			return p.refuses(long, 125, "64", "hostname")
		},
	},
	{
		Name: "a root file system that is missing, not a directory or empty is named in one line, with the remedy",
		Step: 4,
		Hint: "Look at the directory before you start anything.",
		check: func(p *Program) error {
			dir, err := publicDir()
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			for _, rootfs := range []string{filepath.Join(dir, "missing"), p.Path, dir} {
				bad := call{flags: []string{"--rootfs", rootfs}, command: []string{"/bin/true"}}
				if err := p.refuses(bad, 125, rootfs, "make rootfs"); err != nil {
					return err
				}
			}
			return nil
		},
	},
}

// unknownFlag is what pflag says, and no answer to anything but an unknown flag.
const unknownFlag = "unknown flag"

// finish runs a session that is set up to its end.
func (s *session) finish() (result, error) {
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	if err := s.cmd.Start(); err != nil {
		return result{}, unclear(err)
	}
	s.watch()
	defer s.close()
	return s.wait()
}

// refuses returns an error unless the call fails with the status and one line that contains the words.
func (p *Program) refuses(c call, status int, words ...string) error {
	r, err := p.call(c)
	if err != nil {
		return err
	}
	if err := complaint(r, status, words...); err != nil {
		return fmt.Errorf("run %q: %w", append(c.flags, c.command...), err)
	}
	return nil
}

// complaint returns an error unless the result is a failure with one line that contains the words.
func complaint(r result, status int, words ...string) error {
	if r.status != status {
		return fmt.Errorf("want the status %d, got %d and %q %q", status, r.status, r.stdout, r.stderr)
	}
	if r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.HasSuffix(r.stderr, "\n") {
		return fmt.Errorf("want one line on standard error, got %q and on standard output %q", r.stderr, r.stdout)
	}
	if strings.Contains(r.stderr, unknownFlag) && !slices.Contains(words, unknownFlag) {
		return fmt.Errorf("the program has no such flag: %s", strings.TrimSpace(r.stderr))
	}
	for _, word := range words {
		if !strings.Contains(r.stderr, word) {
			return fmt.Errorf("want %q in the message, got %q", word, r.stderr)
		}
	}
	return nil
}
