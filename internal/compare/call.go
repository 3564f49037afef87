//go:build linux

package main

import (
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A running is a call of the program, which has ended. What it has started may still write.
type running struct {
	cmd            *exec.Cmd
	stdout, stderr *output
	late           bool
}

// call calls the program and notes the result.
func (s *stand) call(name string, args ...string) {
	p, err := s.start(args, false)
	if err != nil {
		s.seen[name] = err.Error()
		return
	}
	s.seen[name] = p.result(true)
}

// start calls the program and waits for its end. What makes a process of the container has the caller and the standard streams that the
// configuration wants, and others have none.
func (s *stand) start(args []string, makes bool) (*running, error) {
	args = append([]string{base + "/final", "--root", base + "/state"}, args...)
	if makes && len(s.Caller) > 0 {
		args = append([]string{base + "/probe", "--caller", strings.Join(s.Caller, ",")}, args...)
	}
	p := &running{cmd: exec.Command(args[0], args[1:]...)}
	p.cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "CALLER=calls"}
	p.cmd.Dir = base + "/bundle"
	p.cmd.SysProcAttr = new(syscall.SysProcAttr)
	var files fileList
	defer files.close()
	if err := s.streams(p, &files, makes); err != nil {
		return nil, err
	}
	old := unix.Umask(s.Umask)
	err := p.cmd.Start()
	unix.Umask(old)
	files.close()
	if err != nil {
		return nil, err
	}
	timer := time.AfterFunc(patience, func() { p.late = true; _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait()
	timer.Stop()
	return p, nil
}

func (p *running) status() string {
	if p.late {
		return "does not end"
	}
	return p.cmd.ProcessState.String()
}

// result is what a call leaves. What the probe has printed is looked at elsewhere.
func (p *running) result(whole bool) map[string]string {
	all := map[string]string{"status": p.status(), "stderr": normalText(p.stderr.text())}
	if whole {
		all["stdout"] = normalText(p.stdout.text())
	}
	return all
}
