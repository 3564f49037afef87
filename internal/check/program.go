//go:build linux

package check

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// DefaultRootfs is the default root directory of the containers.
const DefaultRootfs = "/var/lib/container-workshop/rootfs"

// A Program is a container runtime with the command line "run [flags] COMMAND [ARG ...]".
type Program struct {
	// Path is the program's executable.
	Path string
	// Step is the program's step, 1 to 7.
	Step int
	// Rootfs is the root directory of the program's containers, from step 4 on.
	Rootfs string
	// Env is added to the program's environment.
	Env []string
	// Flags come before the flags of a check. A program that does not pass on its environment needs a flag to pass on CHECK_MARK, by which
	// a check finds its processes, and PS1, the prompt that a check waits for.
	Flags []string
	// host is the host as the program sees it, or nil for the real host.
	host *scratch
	// Few is for slow machines: a check that tries something many times tries a fifth of that.
	Few bool
}

// times returns how often to try something.
func (p *Program) times(n int) int {
	if p.Few {
		return n / 5
	}
	return n
}

// Patience is how long we wait for what should take milliseconds. A check waits that long for everything that is missing, so use less
// for programs that lack much.
var Patience = 15 * time.Second

// A call is one call of a program.
type call struct {
	// args is the whole command line. If it is empty, the command line is made of flags and command.
	args    []string
	flags   []string
	command []string
	stdin   string
	// env is added to the environment.
	env []string
	// attr is for the process of run.
	attr unix.SysProcAttr
}

// A result is the outcome of a call.
type result struct {
	stdout, stderr string
	status         int
}

// String returns the result in words.
func (r result) String() string {
	return fmt.Sprintf("the status is %d, and run %s", r.status, printed(r.stdout, r.stderr))
}

// unlike says in which parts another result differs.
func (r result) unlike(other result) string {
	var parts []string
	for _, err := range []error{want("the status", r.status, other.status), want("the output", r.stdout, other.stdout),
		want("the error output", r.stderr, other.stderr)} {
		if err != nil {
			parts = append(parts, err.Error())
		}
	}
	return strings.Join(parts, ", ")
}

// args returns the command line of a call. From step 4 on it names the rootfs, unless that is the default.
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

// start makes a call. The caller must close the session.
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

// sessions counts the sessions. Two sessions can begin in the same nanosecond, and the end of one must not kill the processes of the other.
var sessions atomic.Int64

// session makes a session that has not started yet. It has no terminal, even if the caller has one.
func (p *Program) session(c call) *session {
	s := &session{ended: make(chan struct{}), rootfs: p.Rootfs, mark: fmt.Sprintf("CHECK_MARK=%d.%d.%d", os.Getpid(), time.Now().UnixNano(), sessions.Add(1))}
	s.cmd = exec.Command(p.Path)
	kill := func() { s.cmd.Process.Kill() }
	s.stdout.overflow, s.stderr.overflow = kill, kill
	s.cmd.Env = append(append(append(os.Environ(), p.Env...), c.env...), s.mark)
	c.attr.Setsid = true
	// If a check is interrupted, its programs end, too.
	c.attr.Pdeathsig = unix.SIGKILL
	s.cmd.SysProcAttr = &c.attr
	// A process that outlives run can keep the streams open. Stop reading them after this time.
	s.cmd.WaitDelay = 2 * time.Second
	return s
}

// whileReady runs a container that stays until look returns.
func (p *Program) whileReady(look func(*session) error, flags ...string) error {
	return p.during("echo ready; exec sleep 1000", look, flags...)
}

// during runs a shell script in a container, and calls look when the script has printed ready.
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

// signalled runs a script, sends the signal to run when the script has printed ready or has become sleep, and waits for the end.
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

// atTerminal runs a shell script on a new terminal of 31 lines with 87 columns. The script gets the program and its arguments in $@.
// When the command has printed ready, or bash its prompt, atTerminal calls use, which types at the terminal.
func (p *Program) atTerminal(script string, command []string, use func(*session, *os.File) error) error {
	s := p.session(call{attr: unix.SysProcAttr{Setctty: true}})
	shell, err := exec.LookPath("sh")
	if err != nil {
		return unclear(err)
	}
	s.cmd.Path = shell
	// The terminal sends what we type to the shell's process group. The shell must live until the end: when the first process of a
	// session ends, the kernel drops the output that we have not read yet.
	const over = "that was the script"
	script = "trap : INT; " + script + "; echo " + over + "; exec sleep 1000"
	s.cmd.Args = append([]string{"sh", "-c", script, "sh", p.Path}, p.args(call{command: command})...)
	// No echo can look like this prompt.
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

// unknownFlag begins pflag's error about a flag that the program does not have. Such an error says nothing about the flag's value.
const unknownFlag = "unknown flag: --"

// refuses returns an error unless the call fails with the status and with one line that contains the words.
func (p *Program) refuses(c call, status int, words ...string) error {
	r, err := p.call(c)
	if err != nil {
		return err
	}
	if err := complaint(r, status, words...); err != nil {
		return fmt.Errorf("run %s: %w", strings.Join(append(c.flags, c.command...), " "), err)
	}
	return nil
}

// notNamed begins the error about a message that does not say what the program refuses.
const notNamed = "the message should name"

// complaint returns an error unless the result is a failure with one line that contains the words.
func complaint(r result, status int, words ...string) error {
	if r.status != status {
		err := fmt.Errorf("the status is %d, not %d, and run %s", r.status, status, printed(r.stdout, r.stderr))
		if len(words) > 0 && r.stderr == "" {
			err = fmt.Errorf("%w: one line on standard error should name %s", err, strings.Join(words, " and "))
		}
		return err
	}
	line, end, _ := strings.Cut(r.stderr, "\n")
	if r.stdout != "" || strings.TrimSpace(line) == "" || end != "" || !strings.HasSuffix(r.stderr, "\n") {
		return fmt.Errorf("one line on standard error should say what is wrong, but run %s", printed(r.stdout, r.stderr))
	}
	if strings.Contains(line, unknownFlag) && !slices.Contains(words, noSuchFlag) {
		return fmt.Errorf("the program has no such flag: %s", strings.TrimSpace(r.stderr))
	}
	for _, word := range words {
		if !strings.Contains(r.stderr, word) {
			return fmt.Errorf("%s %q, but is %s", notNamed, word, shown(r.stderr))
		}
	}
	return nil
}
