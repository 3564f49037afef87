//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a container may take for what takes milliseconds.
const patience = 30 * time.Second

// play calls the program in the way that the configuration wants.
func (s *stand) play() error {
	if s.Spec != nil && s.Spec.Linux.Seccomp != nil && s.Spec.Linux.Seccomp.ListenerPath != "" {
		told, err := listenToFilters(base + "/listener")
		if err != nil {
			return err
		}
		defer func() {
			told.close()
			s.seen["listener"] = normalText(told.text())
		}()
	}
	switch s.Mode {
	case ofBundle:
		return s.toEnd(append(append([]string{"run", "--bundle", base + "/bundle"}, s.Flags...), s.id()))
	case ofCreate, ofExec:
		return s.create()
	case ofFlags:
		return s.toEnd(s.runArgs())
	default:
		return s.detach()
	}
}

func (s *stand) runArgs(flags ...string) []string {
	args := append([]string{"run", "--rootfs", base + "/bundle/rootfs", "--name", s.id()}, flags...)
	return append(append(args, s.Flags...), s.Command...)
}

// toEnd runs a container until it ends.
func (s *stand) toEnd(args []string) error {
	p, err := s.start(args, true)
	if err != nil {
		return err
	}
	s.seen["run"] = p.result(false)
	s.add("process", p.stdout.text())
	return nil
}

// create makes a container and starts it. In mode exec it stays, and another command joins it.
func (s *stand) create() error {
	args := []string{"create"}
	if s.Detached {
		args = []string{"run", "--detach"}
	}
	args = append(append(args, "--bundle", base+"/bundle", "--pid-file", base+"/pid"), s.Flags...)
	var console *output
	if s.Spec.Process.Terminal {
		var err error
		if console, err = listen(base + "/console"); err != nil {
			return err
		}
		args = append(args, "--console-socket", base+"/console")
	}
	p, err := s.start(append(args, s.id()), true)
	if err != nil {
		return err
	}
	s.seen["create"] = map[string]string{"status": p.status()}
	if p.cmd.ProcessState.ExitCode() == 0 {
		text, _ := os.ReadFile(base + "/pid")
		pid, err := strconv.Atoi(string(text))
		if err != nil {
			return fmt.Errorf("the file of the PID: %w", err)
		}
		if console == nil {
			console = p.stdout
		}
		s.life(pid, console)
	} else if console != nil {
		console.close()
	}
	s.seen["create"].(map[string]string)["stderr"] = p.stderr.text()
	if console == nil || console == p.stdout {
		s.add("process", p.stdout.text())
	} else {
		s.seen["create"].(map[string]string)["stdout"] = p.stdout.text()
		s.add("process", console.text())
	}
	return nil
}

// life is that of a created container, until it is deleted.
func (s *stand) life(pid int, out *output) {
	if !s.Detached {
		s.call("state after create", "state", s.id())
		if s.Early {
			s.join()
		}
		s.call("start", "start", s.id())
	}
	if s.Mode == ofExec {
		out.awaitLine()
		s.add("process", out.now())
		s.call("state while it runs", "state", s.id())
		s.seen["limits on the host"] = s.limits()
		groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		s.seen["cgroups on the host"] = fmt.Sprint(string(groups), err)
		if !s.Early {
			s.join()
		}
		s.call("kill", "kill", s.id(), "KILL")
	}
	s.seen["exit"] = map[string]string{"status": s.await(pid)}
	s.call("state at the end", "state", s.id())
	s.call("delete", "delete", s.id())
}

// join runs the command of exec.
func (s *stand) join() {
	args := append([]string{"exec"}, s.ExecFlags...)
	if s.ExecProcess != nil {
		text, err := json.Marshal(s.ExecProcess)
		if err != nil {
			panic(err)
		}
		if err := os.WriteFile(base+"/process.json", text, 0o644); err != nil {
			panic(err)
		}
		args = append(args, "--process", base+"/process.json", s.id())
	} else {
		args = append(append(args, s.id()), s.Command...)
	}
	p, err := s.start(args, true)
	if err != nil {
		s.seen["exec"] = err.Error()
		return
	}
	s.seen["exec"] = p.result(false)
	s.add("process of exec", p.stdout.text())
}

// detach runs a container in the background and reads its log.
func (s *stand) detach() error {
	p, err := s.start(s.runArgs("--detach"), true)
	if err != nil {
		return err
	}
	s.seen["run --detach"] = p.result(true)
	if p.cmd.ProcessState.ExitCode() == 0 {
		s.awaitEnd()
	}
	s.call("state at the end", "state", s.id())
	logs, err := s.start([]string{"logs", s.id()}, false)
	if err != nil {
		return err
	}
	s.seen["logs"] = logs.result(false)
	s.add("process", logs.stdout.text())
	s.call("delete", "delete", s.id())
	return nil
}

// awaitEnd waits until the program says that the container is stopped.
func (s *stand) awaitEnd() {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		state, err := s.start([]string{"state", s.id()}, false)
		if err != nil || !strings.Contains(state.stdout.text(), `"status": "running"`) {
			return
		}
	}
}

// await waits for the end of process 1, whose parent we have become, and returns its status. Process 1 ends after all other processes
// of its namespace, and we are the parent of commands of exec --detach, too.
func (s *stand) await(pid int) string {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		var status unix.WaitStatus
		for _, child := range children() {
			if child != pid && (s.holder == nil || child != s.holder.Process.Pid) {
				_, _ = unix.Wait4(child, nil, unix.WNOHANG, nil)
			}
		}
		switch got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil); {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return "cannot be waited for: " + err.Error()
		case got == pid && status.Signaled():
			return "killed by " + unix.SignalName(status.Signal())
		case got == pid:
			return strconv.Itoa(status.ExitStatus())
		}
	}
	_ = unix.Kill(pid, unix.SIGKILL)
	return "does not end"
}

// limits returns what the files of the container's cgroups say.
func (s *stand) limits() map[string]string {
	all := map[string]string{}
	for _, file := range []string{
		"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes", "cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us",
		"cpuset.cpus", "cpuset.mems", "pids.max", "devices.list", "memory.max", "memory.swap.max", "memory.low", "cpu.max", "cpu.weight",
	} {
		for _, pattern := range []string{"/sys/fs/cgroup/*/*", "/sys/fs/cgroup/*"} {
			names, _ := filepath.Glob(pattern + s.id() + "/" + file)
			for _, name := range names {
				content, err := os.ReadFile(name)
				all[name] = fmt.Sprint(strings.ReplaceAll(string(content), "\n", "; "), err)
			}
		}
	}
	return all
}

// left returns what is left of the container in spite of delete: processes, cgroups, mounts and files. Some of it ends in time.
func (s *stand) left() map[string]string {
	var left map[string]string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if left = s.leftNow(); len(left) == 0 {
			break
		}
	}
	if len(left) > 0 {
		s.call("delete --force", "delete", "--force", s.id())
	}
	return left
}

func (s *stand) leftNow() map[string]string {
	left := map[string]string{}
	for _, child := range children() {
		if s.holder != nil && child == s.holder.Process.Pid {
			continue
		}
		if got, _ := unix.Wait4(child, nil, unix.WNOHANG, nil); got == 0 {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
			left["process "+strings.ReplaceAll(string(text), "\x00", " ")] = "runs"
		}
	}
	for _, pattern := range []string{
		"/sys/fs/cgroup/*" + s.id(), "/sys/fs/cgroup/*/*" + s.id(), "/var/lib/container-workshop/*/" + s.id(), base + "/state/*", base + "/state/.*",
	} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			left[name] = "exists"
		}
	}
	now, err := readMounts()
	if err != nil {
		left["mounts"] = err.Error()
	}
	mounts := nameMounts(now, nil)
	for key, text := range mounts {
		left["mount "+key] = text
	}
	mounts = nameMounts(s.hostMounts, nil)
	for key, text := range mounts {
		if left["mount "+key] == text {
			delete(left, "mount "+key)
		} else {
			left["mount "+key] += ", was " + text
		}
	}
	return left
}
