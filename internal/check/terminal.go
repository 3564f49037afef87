//go:build linux

package check

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/creack/pty"
)

// These are the keys of a terminal with default settings. stty(1)
const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	ctrlZ = "\x1a"
)

// terminal are the properties that a command in a container shares with any other command in the foreground of a terminal.
var terminal = []Property{
	{
		Name:  ctrlCEnds,
		Step:  1,
		Needs: []string{unhandled},
		Why:   "Ctrl-C is how people stop a command.",
		Where: "step01-exec/PROCESS.md#passon-keys-of-the-terminal",
		check: func(p *Program) error {
			return p.atTerminal(`"$@"; echo "status $?."`, []string{"/bin/sh", "-c", "echo ready; exec sleep 1000"}, func(s *session, tty *os.File) error {
				if err := s.states("sleep", "S"); err != nil {
					return err
				}
				tty.WriteString(ctrlC)
				return s.expect("status 130.")
			})
		},
	},
	{
		Name:  "Ctrl-C reaches a command that handles it, once",
		Step:  1,
		Needs: []string{reach},
		Why:   "A command that counts Ctrl-C, as many build tools do, would see two where you typed one.",
		Where: "step01-exec/PROCESS.md#passon-keys-of-the-terminal",
		check: func(p *Program) error {
			script := "trap 'n=$((n+1)); echo caught $n.' INT; echo ready; while ! read line; do :; done; echo all $n."
			return p.atTerminal(`"$@"; echo "status $?."`, []string{"/bin/bash", "-c", script}, func(s *session, tty *os.File) error {
				// The kernel and bash can merge two signals that come close together, so try several times.
				const tries = 10
				for range tries {
					changed := s.stdout.changed()
					tty.WriteString(ctrlC)
					select {
					case <-changed:
					case <-s.ended:
					}
					s.quiet(50 * time.Millisecond)
				}
				tty.WriteString("\n")
				if err := s.expect("all "); err != nil {
					return err
				}
				if caught := strings.Count(s.stdout.String(), "caught"); caught < 1 || caught > tries {
					return fmt.Errorf("Ctrl-C was typed %d times, and reached the command %d times", tries, caught)
				}
				return nil
			})
		},
	},
	{
		Name:  ctrlZStops,
		Step:  1,
		Needs: []string{ctrlCEnds},
		Why:   "Ctrl-Z and fg are how a shell sets a job aside.",
		Where: "step01-exec/PROCESS.md#passon-keys-of-the-terminal",
		check: func(p *Program) error {
			shell := `set -m; "$@"; echo "status $?."; read line; fg; echo "then $?."`
			return p.atTerminal(shell, []string{"/bin/sh", "-c", "echo ready; exec sleep 1000"}, func(s *session, tty *os.File) error {
				if err := s.states("sleep", "S"); err != nil {
					return err
				}
				tty.WriteString(ctrlZ)
				if err := s.expect("status 1"); err != nil {
					return err
				}
				if err := s.states("sleep", "T"); err != nil {
					return err
				}
				tty.WriteString("\n")
				if err := s.states("sleep", "S"); err != nil {
					return err
				}
				tty.WriteString(ctrlC)
				return s.expect("then 130.")
			})
		},
	},
	{
		Name:  "a command in the background that reads the terminal is stopped, and fg continues it",
		Step:  1,
		Needs: []string{ctrlZStops},
		Why:   "A job in the background must not steal what you type, nor use up a processor trying.",
		Where: "step01-exec/PROCESS.md#passon-keys-of-the-terminal",
		check: func(p *Program) error {
			shell := `set -m; "$@" & read line; fg; echo "then $?."`
			return p.atTerminal(shell, []string{"/bin/sh", "-c", "echo ready; exec cat"}, func(s *session, tty *os.File) error {
				if err := s.states("cat", "T"); err != nil {
					return err
				}
				if err := s.jobStops(); err != nil {
					return err
				}
				tty.WriteString("\n")
				if err := s.states("cat", "S"); err != nil {
					return err
				}
				tty.WriteString("a line\n")
				if err := s.expect("a line\r\na line\r\n"); err != nil {
					return err
				}
				tty.WriteString(ctrlD)
				return s.expect("then 0.")
			})
		},
	},
	{
		Name:  jobControl,
		Step:  1,
		Needs: []string{ctrlCEnds},
		Why:   "Without job control, Ctrl-C in a shell in the container ends nothing.",
		Where: "step01-exec/PROCESS.md#passon-keys-of-the-terminal",
		check: func(p *Program) error {
			return p.atTerminal(`"$@"; echo "status $?."`, []string{"/bin/bash", "--norc", "-i"}, func(s *session, tty *os.File) error {
				for _, turn := range []struct{ typed, expected, state string }{
					{"sleep 1000\n", "sleep 1000\r\n", "S"},
					{ctrlZ, "Stopped", "T"},
					{"fg\n", "fg\r\nsleep 1000\r\n", "S"},
					{ctrlC + "echo sleep $?.\n", "sleep 130.", ""},
					{"exit 5\n", "status 5.", ""},
				} {
					if _, err := tty.WriteString(turn.typed); err != nil {
						return unclear(err)
					}
					if err := s.expect(turn.expected); err != nil {
						return err
					}
					if turn.state != "" {
						if err := s.states("sleep", turn.state); err != nil {
							return err
						}
					}
				}
				if strings.Contains(s.stdout.String(), "no job control") {
					return errors.New("bash says: no job control in this shell")
				}
				return nil
			})
		},
	},
	{
		Name:  "the terminal is given back after a shell in the container",
		Step:  1,
		Needs: []string{jobControl},
		Why:   "If the terminal stays with the dead shell, your own shell stops when the container ends.",
		Where: "step01-exec/PROCESS.md#taketerminalback-after-a-shell",
		check: func(p *Program) error {
			return p.atTerminal(`"$@"; echo "over $?."; read line; echo "got $line."`, []string{"/bin/bash", "--norc", "-i"}, func(s *session, tty *os.File) error {
				tty.WriteString("exit 3\n")
				if err := s.expect("over 3."); err != nil {
					return err
				}
				tty.WriteString("a line\n")
				return s.expect("got a line.")
			})
		},
	},
	{
		Name:  "the command knows the size of the window, and learns of a new size",
		Step:  1,
		Needs: []string{starts},
		Why:   "Editors and pagers draw for the size of the window.",
		Where: "step01-exec/PROCESS.md#start-the-streams",
		check: func(p *Program) error {
			script := "trap 'stty size; exit' WINCH; stty size; echo ready; while :; do sleep 0.01; done"
			return p.atTerminal(`"$@"; echo "status $?."`, []string{"/bin/sh", "-c", script}, func(s *session, tty *os.File) error {
				if err := s.expect("31 87\r\n"); err != nil {
					return err
				}
				if err := s.expect("ready"); err != nil {
					return err
				}
				if err := pty.Setsize(tty, &pty.Winsize{Rows: 44, Cols: 101}); err != nil {
					return unclear(err)
				}
				return s.expect("44 101\r\n")
			})
		},
	},
}
