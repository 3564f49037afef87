//go:build linux

package check

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"
)

// signals is what becomes of a signal that is sent to run.
var signals = []Property{
	{
		Name: "signals sent to run reach the command",
		Step: 1,
		Hint: "signal.Notify in run, and cmd.Process.Signal for what comes.",
		check: func(p *Program) error {
			for name, sig := range map[string]unix.Signal{"HUP": unix.SIGHUP, "INT": unix.SIGINT, "QUIT": unix.SIGQUIT, "TERM": unix.SIGTERM, "USR1": unix.SIGUSR1, "USR2": unix.SIGUSR2} {
				r, err := p.signalled(sig, fmt.Sprintf("trap 'echo got %s; exit 7' %s; echo ready; while :; do sleep 0.01; done", name, name))
				if err != nil {
					return fmt.Errorf("SIG%s: %w", name, err)
				}
				if err := want("output and status after SIG"+name, result{"ready\ngot " + name + "\n", "", 7}, r); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name: "a command that ends by itself on a signal has its own status, however fast it is",
		Step: 1,
		Hint: "When you look at the command it may have ended. Only a command that your own SIGKILL has ended gets the status of the signal.",
		check: func(p *Program) error {
			for range p.times(30) {
				s, err := p.start(call{command: []string{"/bin/sh", "-c", "trap 'exit 5' INT; echo ready; while :; do sleep 0.01; done"}})
				if err != nil {
					return err
				}
				err = s.expect("ready")
				// As the terminal does, to the whole process group.
				unix.Kill(-s.cmd.Process.Pid, unix.SIGINT)
				r, waitErr := s.wait()
				s.close()
				if err := errors.Join(err, waitErr); err != nil {
					return err
				}
				if err := want("status", 5, r.status); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name: "a signal that the command does not handle ends it as it would on the host, with the status 128+n",
		Step: 1,
		Hint: "Process 1 of a PID namespace has no default actions: look at SigCgt in /proc/PID/status, and kill it if it has no handler.",
		check: func(p *Program) error {
			for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGUSR1} {
				r, err := p.signalled(sig, "exec sleep 1000")
				if err != nil {
					return fmt.Errorf("%v: %w", sig, err)
				}
				if err := want(fmt.Sprintf("status after %v", sig), 128+int(sig), r.status); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name: "SIGTERM ends the container even if the command ignores it, with the status 143",
		Step: 1,
		Hint: "Kill the command if it has not ended some seconds after SIGTERM.",
		check: func(p *Program) error {
			r, err := p.signalled(unix.SIGTERM, "trap : TERM; echo ready; while :; do sleep 0.01; done")
			if err != nil {
				return err
			}
			return want("status", 143, r.status)
		},
	},
	{
		Name: "SIGTERM ends the container at whatever moment it comes",
		Step: 1,
		Hint: "Before the command is there, child gets the signal: it has to end by its own hand if it is process 1.",
		check: func(p *Program) error {
			for range p.times(20) {
				s, err := p.start(call{command: []string{"/bin/sleep", "1000"}})
				if err != nil {
					return err
				}
				// Before that, run is not in charge of its signals.
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
				if err := want("result", result{"", "", 143}, r); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name: "a signal that was ignored before, as under nohup, is ignored by the command",
		Step: 1,
		Hint: "signal.Notify catches an ignored signal: leave out those for which signal.Ignored is true.",
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
				if err := want("status after SIGHUP, ignored, and SIGUSR1, not ignored", 138, r.status); err != nil {
					return err
				}
			}
			return nil
		},
	},
}
