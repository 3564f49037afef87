//go:build linux

package check

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// command are the properties that a command in a container shares with any other command.
var command = []Property{
	{
		Name:  starts,
		Step:  1,
		Why:   "Every other check runs a command in your container, so this one comes first.",
		Where: "step01-exec/README.md#how-it-works",
		check: func(p *Program) error {
			s, err := p.start(call{command: []string{"/bin/echo", "started"}})
			if err != nil {
				return err
			}
			defer s.close()
			if err := s.fewProcesses(); err != nil {
				return err
			}
			r, err := s.wait()
			if err == nil && !strings.Contains(r.stdout, "started") {
				err = notStarted(r)
			}
			return err
		},
	},
	{
		Name:  inPlace,
		Step:  1,
		Needs: []string{starts},
		Why:   "A process between run and the command would have to pass on signals and statuses, and would be process 1 instead of the command.",
		Where: "step01-exec/README.md#how-it-works",
		check: func(p *Program) error { return p.whileReady((*session).takesThePlaceOfChild) },
	},
	{
		Name:  output,
		Step:  1,
		Needs: []string{starts},
		Why:   "Other programs read the output of a command: one extra line from run breaks a pipe or a script.",
		Where: "step01-exec/PROCESS.md#start-the-streams",
		check: func(p *Program) error {
			r, err := p.run("echo to output; echo to error >&2")
			if err != nil {
				return err
			}
			for _, stream := range []struct{ name, text, seen string }{{"output", "to output\n", r.stdout}, {"error output", "to error\n", r.stderr}} {
				before, after, found := strings.Cut(stream.seen, stream.text)
				if found && before+after != "" {
					return fmt.Errorf("the %s %s %s", stream.name, moreOutput, shown(before+after))
				}
			}
			return want("echo", result{"to output\n", "to error\n", 0}, r)
		},
	},
	{
		Name:  "the command reads standard input",
		Step:  1,
		Needs: []string{starts},
		Why:   "In a pipe, a command gets its data from standard input.",
		Where: "step01-exec/PROCESS.md#start-the-streams",
		check: func(p *Program) error {
			r, err := p.call(call{command: []string{"/bin/cat"}, stdin: "one\ntwo\n"})
			if err != nil {
				return err
			}
			return want("cat", result{"one\ntwo\n", "", 0}, r)
		},
	},
	{
		Name:  "arguments reach the command unchanged, even those that look like flags",
		Step:  1,
		Needs: []string{starts},
		Why:   "What you write behind COMMAND belongs to the command, even if it looks like a flag of run.",
		Where: "step01-exec/PROCESS.md#dispatch-the-command-line",
		check: func(p *Program) error {
			r, err := p.call(call{command: []string{"/bin/echo", "--hostname", "a b", "", "--help", "*"}})
			if err != nil {
				return err
			}
			return want("echo", result{"--hostname a b  --help *\n", "", 0}, r)
		},
	},
	{
		Name:  noOpenFiles,
		Step:  1,
		Needs: []string{starts},
		Why:   "A file that stays open is a way out of the container, and a socket that stays open keeps run waiting.",
		Where: "step01-exec/PROCESS.md#start-and-awaitrun-the-handshake",
		check: func(p *Program) error {
			r, err := p.run("n=3; while [ $n -le 9 ]; do if { true <&$n; } 2>/dev/null || { true >&$n; } 2>/dev/null; then echo $n; fi; n=$((n+1)); done")
			if err != nil {
				return err
			}
			if r.stderr == "" && r.stdout != "" {
				return fmt.Errorf("the command has more open files: %s", strings.Join(strings.Fields(r.stdout), ", "))
			}
			return want("a command that looks for open files", result{}, r)
		},
	},
	status("exit 0", 0),
	status("exit 3", 3),
	{
		Name:  signalStatus,
		Step:  1,
		Needs: []string{exit3},
		Why:   "Scripts and CI must see that a signal ended the command, and which signal.",
		Where: "step01-exec/PROCESS.md#exitstatus-how-it-ended",
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
				return want("the status after SIGKILL", 137, r.status)
			})
		},
	},
	{
		Name:  "a command that does not exist has the status 127, and the message names it",
		Step:  1,
		Needs: []string{exit3},
		Why:   "The status 127 tells a mistyped name from a command that failed.",
		Where: "step01-exec/PROCESS.md#become-execve",
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
		Name:  "a command that cannot be executed has the status 126, and the message names it",
		Step:  1,
		Needs: []string{exit3},
		Why:   "The status 126 tells a file that is not a program from a command that failed.",
		Where: "step01-exec/PROCESS.md#become-execve",
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

// moreOutput is in the error about a program that adds to the output of the command.
const moreOutput = "has more than the command printed:"

// tooMany is the error of a program that starts itself without end.
const tooMany = "run has started itself again and again"

// fewProcesses waits for the end of run, and kills a program that starts itself without end before it fills the host. No other session
// must be running.
func (s *session) fewProcesses() error {
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); {
		select {
		case <-s.ended:
			return nil
		case <-time.After(20 * time.Millisecond):
		}
		started := len(Marked(s.mark))
		if Guarded() {
			// All processes that we see are ours, also those that have lost the mark.
			started = len(pids())
		}
		if started > 20 {
			s.cmd.Process.Kill()
			s.killAll()
			if Guarded() {
				// This kills all processes that we see, except us. kill(2)
				unix.Kill(-1, unix.SIGKILL)
			}
			return errors.New(tooMany)
		}
	}
	return fmt.Errorf("%s after %v, and %s", notEnded, Patience, printed(s.stdout.String(), s.stderr.String()))
}

// notStarted says how a run ended that did not start its command. It shows the text that run printed, unchanged.
func notStarted(r result) error {
	text := strings.TrimSpace(r.stderr + r.stdout)
	if text == "" {
		return fmt.Errorf("the command should print \"started\", but run ended with the status %d, and printed nothing", r.status)
	}
	return fmt.Errorf("%s\n(the command should print \"started\", but run ended with the status %d)", text, r.status)
}

func status(script string, expected int) Property {
	return Property{
		Name:  fmt.Sprintf("a command that ends with %s has the status %d", script, expected),
		Step:  1,
		Needs: []string{inPlace},
		Why:   "Scripts and CI decide by the exit status of run whether the command worked.",
		Where: "step01-exec/PROCESS.md#exitstatus-how-it-ended",
		check: func(p *Program) error {
			r, err := p.run(script)
			if err != nil {
				return err
			}
			return want("the status", expected, r.status)
		},
	}
}
