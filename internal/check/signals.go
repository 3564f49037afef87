//go:build linux

package check

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"
)

// signals are the properties of signals that are sent to run.
var signals = []Property{
	{
		Name:  reach,
		Step:  1,
		Needs: []string{output, exit3, noOpenFiles},
		Why:   "kill, systemd and docker stop talk to run: the command must hear them.",
		Where: "step01-exec/PROCESS.md#supervise-passing-signals-on",
		check: func(p *Program) error {
			for name, sig := range map[string]unix.Signal{"HUP": unix.SIGHUP, "INT": unix.SIGINT, "QUIT": unix.SIGQUIT, "TERM": unix.SIGTERM, "USR1": unix.SIGUSR1, "USR2": unix.SIGUSR2} {
				r, err := p.signalled(sig, fmt.Sprintf("trap 'echo got %s; exit 7' %s; echo ready; while :; do sleep 0.01; done", name, name))
				if err != nil {
					return fmt.Errorf("SIG%s: %w", name, err)
				}
				if err := want("after SIG"+name, result{"ready\ngot " + name + "\n", "", 7}, r); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name:  "a command that exits on a signal keeps its own status, however fast it exits",
		Step:  1,
		Needs: []string{reach},
		Why:   "A command that handles a signal decides its own exit status.",
		Where: "step01-exec/PROCESS.md#supervise-passing-signals-on",
		check: func(p *Program) error {
			for range p.times(30) {
				s, err := p.start(call{command: []string{"/bin/sh", "-c", "trap 'exit 5' INT; echo ready; while :; do sleep 0.01; done"}})
				if err != nil {
					return err
				}
				err = s.expect("ready")
				// Send the signal to the whole process group, as a terminal does.
				unix.Kill(-s.cmd.Process.Pid, unix.SIGINT)
				r, waitErr := s.wait()
				s.close()
				if err := errors.Join(err, waitErr); err != nil {
					return err
				}
				if err := want("the status after SIGINT", 5, r.status); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name:  unhandled,
		Step:  1,
		Needs: []string{signalStatus, noOpenFiles},
		Why:   "The kernel drops signals to process 1 that process 1 does not handle, so Ctrl-C and kill would do nothing.",
		Where: "step01-exec/PROCESS.md#handles-when-the-command-is-process-1",
		check: func(p *Program) error {
			for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGUSR1} {
				r, err := p.signalled(sig, "exec sleep 1000")
				if err != nil {
					return fmt.Errorf("%s: %w", unix.SignalName(sig), err)
				}
				if err := want("the status after "+unix.SignalName(sig), 128+int(sig), r.status); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name:  "SIGTERM ends the container even if the command ignores it, with the status 143",
		Step:  1,
		Needs: []string{unhandled},
		Why:   "A container that ignores SIGTERM would keep a machine from shutting down.",
		Where: "step01-exec/PROCESS.md#supervise-passing-signals-on",
		check: func(p *Program) error {
			r, err := p.signalled(unix.SIGTERM, "trap : TERM; echo ready; while :; do sleep 0.01; done")
			if err != nil {
				return err
			}
			return want("the status after SIGTERM", 143, r.status)
		},
	},
	{
		Name:  "SIGTERM ends the container at whatever moment it comes",
		Step:  1,
		Needs: []string{unhandled},
		Why:   "A signal can come while the container still starts, and must not get lost.",
		Where: "step01-exec/PROCESS.md#awaitrun-signals-that-come-too-early",
		check: func(p *Program) error {
			for range p.times(20) {
				s, err := p.start(call{command: []string{"/bin/sleep", "1000"}})
				if err != nil {
					return err
				}
				// Before that, run does not handle its signals yet.
				if err := s.hasChild(); err != nil {
					s.close()
					return err
				}
				time.Sleep(rand.N(5 * time.Millisecond))
				unix.Kill(s.cmd.Process.Pid, unix.SIGTERM)
				r, err := s.waitFor(2 * time.Second)
				s.close()
				if err != nil {
					return err
				}
				if err := want("after SIGTERM", result{"", "", 143}, r); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name:  "the command ignores a signal that was ignored before, as under nohup",
		Step:  1,
		Needs: []string{unhandled},
		Why:   "People start long jobs with nohup so that the jobs survive the end of the terminal.",
		Where: "step01-exec/PROCESS.md#supervise-passing-signals-on",
		check: func(p *Program) error {
			for range p.times(5) {
				s := p.session(call{})
				s.cmd.Path = "/bin/sh"
				s.cmd.Args = append([]string{"sh", "-c", `trap '' HUP; exec "$0" "$@"`, p.Path}, p.args(call{command: []string{"/bin/sleep", "1000"}})...)
				if err := s.cmd.Start(); err != nil {
					return unclear(err)
				}
				s.watch()
				err := s.states("sleep", "S")
				unix.Kill(s.cmd.Process.Pid, unix.SIGHUP)
				unix.Kill(s.cmd.Process.Pid, unix.SIGUSR1)
				r, waitErr := s.wait()
				s.close()
				if err := errors.Join(err, waitErr); err != nil {
					return err
				}
				if err := want("the status after SIGHUP, which is ignored, and SIGUSR1, which is not,", 138, r.status); err != nil {
					return err
				}
			}
			return nil
		},
	},
}
