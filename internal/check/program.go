//go:build linux

package check

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// DefaultRootfs is the root directory of the containers where no other is named.
const DefaultRootfs = "/var/lib/container-workshop/rootfs"

// A Program is a container runtime with the command line "run [flags] COMMAND [ARG ...]".
type Program struct {
	// Path is its executable.
	Path string
	// Step is the step that it is of, 1 to 7.
	Step int
	// Rootfs is the root directory of its containers, from step 4 on.
	Rootfs string
	// Env is added to its environment.
	Env []string
	// Flags come before those of a check. A program that gives its commands an environment of their own needs one to pass on
	// CHECK_MARK, by which a check finds its processes, and PS1, which is the prompt it waits for.
	Flags []string
	// host is the host that it sees, nil for the real one.
	host *scratch
	// Few is for slow machines: where a check tries many times it takes a fifth of them.
	Few bool
}

// times is how often something is tried.
func (p *Program) times(n int) int {
	if p.Few {
		return n / 5
	}
	return n
}

// Patience is how long a program may take for what should take milliseconds. What never comes is waited for as long, so where
// much is missing less is better.
var Patience = 15 * time.Second

// A call is one use of a program.
type call struct {
	// args is the whole command line, if it is not to be made of flags and command.
	args    []string
	flags   []string
	command []string
	stdin   string
	// env is added to the environment.
	env []string
	// attr is for the process of run.
	attr unix.SysProcAttr
}

// A result is what a program leaves.
type result struct {
	stdout, stderr string
	status         int
}

// GoString says it in words.
func (r result) GoString() string {
	return fmt.Sprintf("status %d, output %q, error output %q", r.status, r.stdout, r.stderr)
}

// args returns the command line of a call. A rootfs other than the default is named to the steps that know one.
func (p *Program) args(c call) []string {
	if c.args != nil {
		return c.args
	}
	args := []string{"run"}
	if p.Step >= 4 && p.Rootfs != "" && p.Rootfs != DefaultRootfs {
		args = append(args, "--rootfs", p.Rootfs)
	}
	args = append(args, p.Flags...)
	args = append(args, c.flags...)
	return append(args, c.command...)
}

// run runs a shell script in a container, to its end.
func (p *Program) run(script string, flags ...string) (result, error) {
	return p.call(call{flags: flags, command: []string{"/bin/sh", "-c", script}})
}

// call makes a call and waits for its end.
func (p *Program) call(c call) (result, error) {
	s, err := p.start(c)
	if err != nil {
		return result{}, err
	}
	defer s.close()
	return s.wait()
}

// start makes a call. Its caller has to close the session.
func (p *Program) start(c call) (*session, error) {
	s := p.session(c)
	s.cmd.Args = append(s.cmd.Args, p.args(c)...)
	s.cmd.Stdin = strings.NewReader(c.stdin)
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	if err := s.cmd.Start(); err != nil {
		return nil, unclear(err)
	}
	s.watch()
	return s, nil
}

// session makes a session that is yet to start. It has no terminal, whatever the caller has.
func (p *Program) session(c call) *session {
	s := &session{ended: make(chan struct{}), rootfs: p.Rootfs, mark: fmt.Sprintf("CHECK_MARK=%d.%d", os.Getpid(), time.Now().UnixNano())}
	s.cmd = exec.Command(p.Path)
	s.cmd.Env = append(append(append(os.Environ(), p.Env...), c.env...), s.mark)
	c.attr.Setsid = true
	// A check that is interrupted takes its programs along.
	c.attr.Pdeathsig = unix.SIGKILL
	s.cmd.SysProcAttr = &c.attr
	// A process that outlives run can keep its streams open. This is how long they are read all the same.
	s.cmd.WaitDelay = 2 * time.Second
	return s
}

// whileReady runs a container that stays until look has returned.
func (p *Program) whileReady(look func(*session) error, flags ...string) error {
	return p.during("echo ready; exec sleep 1000", look, flags...)
}

// during runs a shell script in a container, and has a look when the script has printed ready.
func (p *Program) during(script string, look func(*session) error, flags ...string) error {
	s, err := p.start(call{flags: flags, command: []string{"/bin/sh", "-c", script}})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.expect("ready"); err != nil {
		return err
	}
	return look(s)
}

// signalled runs a script, sends the signal to run when the script has printed ready or become sleep, and waits for the end.
func (p *Program) signalled(sig unix.Signal, script string) (result, error) {
	s, err := p.start(call{command: []string{"/bin/sh", "-c", script}})
	if err != nil {
		return result{}, err
	}
	defer s.close()
	if strings.Contains(script, "ready") {
		err = s.expect("ready")
	} else {
		err = s.states("sleep", "S")
	}
	if err != nil {
		return result{}, err
	}
	unix.Kill(s.cmd.Process.Pid, sig)
	return s.wait()
}

// atTerminal runs a shell script on a terminal of its own, 31 lines of 87 columns. The script finds the program with its
// arguments in $@. When the command in the container has printed ready, or bash its prompt, use types at the terminal.
func (p *Program) atTerminal(script string, command []string, use func(*session, *os.File) error) error {
	s := p.session(call{attr: unix.SysProcAttr{Setctty: true}})
	shell, err := exec.LookPath("sh")
	if err != nil {
		return unclear(err)
	}
	s.cmd.Path = shell
	// The shell is in the process group that gets what is typed. It has to live on, at its end too: when the first process of a
	// session ends, the kernel drops what is still on its way to who reads the terminal.
	const over = "that was the script"
	script = "trap : INT; " + script + "; echo " + over + "; exec sleep 1000"
	s.cmd.Args = append([]string{"sh", "-c", script, "sh", p.Path}, p.args(call{command: command})...)
	// A prompt that no echo can be mistaken for.
	s.cmd.Env = append(s.cmd.Env, "PS1=ready> ", "TERM=dumb", "HISTFILE=")
	tty, err := pty.StartWithAttrs(s.cmd, &pty.Winsize{Rows: 31, Cols: 87}, s.cmd.SysProcAttr)
	if err != nil {
		return unclear(err)
	}
	defer tty.Close()
	read := make(chan struct{})
	go func() {
		tty.WriteTo(&s.stdout)
		close(read)
	}()
	end := sync.OnceFunc(func() { close(s.ended) })
	go func() {
		for {
			changed := s.stdout.changed()
			if strings.Contains(s.stdout.String(), over) {
				end()
				return
			}
			select {
			case <-changed:
			case <-s.ended:
				return
			}
		}
	}()
	go func() {
		s.cmd.Wait()
		// A process that outlives the shell can keep the terminal open.
		select {
		case <-read:
		case <-time.After(time.Second):
		}
		end()
	}()
	defer s.close()
	if err := s.expect("ready"); err != nil {
		return err
	}
	return use(s, tty)
}

// unknownFlag is how pflag begins when the program does not have a flag, which answers nothing about the value of the flag.
const unknownFlag = "unknown flag: --"

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
	line, end, _ := strings.Cut(r.stderr, "\n")
	if r.stdout != "" || strings.TrimSpace(line) == "" || end != "" || !strings.HasSuffix(r.stderr, "\n") {
		return fmt.Errorf("want one line on standard error, got %q and on standard output %q", r.stderr, r.stdout)
	}
	if strings.Contains(line, unknownFlag) && !slices.Contains(words, noSuchFlag) {
		return fmt.Errorf("the program has no such flag: %s", strings.TrimSpace(r.stderr))
	}
	for _, word := range words {
		if !strings.Contains(r.stderr, word) {
			return fmt.Errorf("want %q in the message, got %q", word, r.stderr)
		}
	}
	return nil
}
