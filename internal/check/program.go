//go:build linux

package check

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

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
}

// patience is how long a program may take for what should take milliseconds.
var patience = 15 * time.Second

// A call is one use of a program.
type call struct {
	flags   []string
	command []string
	stdin   string
	// env is added to the environment.
	env []string
	// attr is for the process of run.
	attr unix.SysProcAttr
}

// A session is a program at work.
type session struct {
	cmd    *exec.Cmd
	stdout transcript
	stderr transcript
	// ended is closed when run has been waited for.
	ended chan struct{}
	// mark is in the environment of all processes of the session.
	mark string
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
	args := []string{"run"}
	if p.Step >= 4 && p.Rootfs != "" && p.Rootfs != DefaultRootfs {
		args = append(args, "--rootfs", p.Rootfs)
	}
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
	s := p.session(p.args(c), c)
	s.cmd.Stdin = strings.NewReader(c.stdin)
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	if err := s.cmd.Start(); err != nil {
		return nil, unclear(err)
	}
	s.watch()
	return s, nil
}

func (p *Program) session(args []string, c call) *session {
	s := &session{ended: make(chan struct{}), mark: fmt.Sprintf("CHECK_MARK=%d.%d", os.Getpid(), time.Now().UnixNano())}
	s.cmd = exec.Command(p.Path, args...)
	s.cmd.Env = append(append(append(os.Environ(), p.Env...), c.env...), s.mark)
	s.cmd.SysProcAttr = &c.attr
	// A process that outlives run can keep its streams open. This is how long they are read all the same.
	s.cmd.WaitDelay = 2 * time.Second
	return s
}

// watch waits for run in the background.
func (s *session) watch() {
	go func() {
		s.cmd.Wait()
		close(s.ended)
	}()
}

// wait waits for the end of run, and kills it if that does not come.
func (s *session) wait() (result, error) {
	return s.waitFor(patience)
}

func (s *session) waitFor(limit time.Duration) (result, error) {
	select {
	case <-s.ended:
	case <-time.After(limit):
		return result{}, fmt.Errorf("run has not ended after %v; until then it printed %q %q", limit, s.stdout.String(), s.stderr.String())
	}
	status := s.cmd.ProcessState.ExitCode()
	if sig := s.cmd.ProcessState.Sys().(interface{ Signal() unix.Signal }).Signal(); sig > 0 {
		return result{}, fmt.Errorf("run was itself killed by %v", sig)
	}
	return result{s.stdout.String(), s.stderr.String(), status}, nil
}

// expect waits until the command has printed the text.
func (s *session) expect(text string) error {
	deadline := time.After(patience)
	for {
		changed := s.stdout.changed()
		if strings.Contains(s.stdout.String(), text) {
			return nil
		}
		select {
		case <-changed:
		case <-s.ended:
			if strings.Contains(s.stdout.String(), text) {
				return nil
			}
			return fmt.Errorf("run ended with %d and without printing %q, but %q %q", s.cmd.ProcessState.ExitCode(), text, s.stdout.String(), s.stderr.String())
		case <-deadline:
			return fmt.Errorf("%q was not printed, but %q %q", text, s.stdout.String(), s.stderr.String())
		}
	}
}

// close ends the session. It lets run clean up, and kills what is left then.
func (s *session) close() {
	s.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.cmd.Process.Kill()
		<-s.ended
	}
	for left := marked(s.mark); len(left) > 0; left = marked(s.mark) {
		for _, pid := range left {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// A transcript keeps what is written to it.
type transcript struct {
	mu     sync.Mutex
	text   bytes.Buffer
	notify chan struct{}
}

var _ io.Writer = (*transcript)(nil)

func (t *transcript) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.notify != nil {
		close(t.notify)
		t.notify = nil
	}
	return t.text.Write(data)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// changed returns a channel that is closed at the next write.
func (t *transcript) changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.notify == nil {
		t.notify = make(chan struct{})
	}
	return t.notify
}
