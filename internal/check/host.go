//go:build linux

package check

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process is a process that we see in /proc. Its descriptor always means the same process, even if the kernel reuses the PID.
type process struct {
	pid int
	fd  int
}

// pids returns the PIDs of all processes in /proc. After Guard, those are the processes of the examination.
func pids() []int {
	entries, _ := os.ReadDir("/proc")
	var all []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// Marked returns the processes whose environment contains the mark, which is NAME=VALUE. proc_pid_environ(5)
func Marked(mark string) []int {
	var found []int
	for _, pid := range pids() {
		if slices.Contains(strings.Split(environ(pid), "\x00"), mark) {
			found = append(found, pid)
		}
	}
	return found
}

// environ returns the environment of a process. It tries again while the environment is empty, because an execve empties it for a
// moment.
func environ(pid int) string {
	for deadline := time.Now().Add(Patience); ; runtime.Gosched() {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil || len(content) > 0 || bare(pid) || time.Now().After(deadline) {
			return string(content)
		}
	}
}

// bare reports whether a process has no environment, because it has ended or was started without one. During an execve, the kernel
// first records where the environment is, then where the code is.
func bare(pid int) bool {
	const vsize, startCode, envStart, envEnd = 23, 26, 50, 51
	fields := stat(pid)
	return fields[vsize] == "0" || fields[startCode] != "0" && fields[envStart] == fields[envEnd]
}

// Stat returns a field of a process by its number, which is above 1. The field is empty if there is no such process.
func Stat(pid, field int) string { return stat(pid)[field] }

// stat returns the fields of a process by their number, from the name on. proc_pid_stat(5)
func stat(pid int) (fields [53]string) {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name, in parentheses, can contain anything.
	_, text, _ := strings.Cut(string(content), "(")
	if end := strings.LastIndexByte(text, ')'); end >= 0 {
		fields[2] = text[:end]
		copy(fields[3:], strings.Fields(text[end+1:]))
	}
	return fields
}

// parent returns the parent of a process, or 0 if there is no such process.
func parent(pid int) int {
	ppid, _ := strconv.Atoi(Stat(pid, 4))
	return ppid
}

// container returns the processes in the container of a session, starting with the first one. The command must be running.
func (s *session) container() ([]process, error) {
	children := map[int][]int{}
	for _, pid := range pids() {
		// Read the parent only once: a process that ends loses its parent at any moment.
		of := parent(pid)
		children[of] = append(children[of], pid)
	}
	program, err := os.Stat(fmt.Sprintf("/proc/%d/exe", s.cmd.Process.Pid))
	if err != nil {
		// Run has ended, or is about to.
		r, err := s.wait()
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("the command should still run, but %v", r)
	}
	var found []process
	for queue := children[s.cmd.Process.Pid]; len(queue) > 0; queue = queue[1:] {
		queue = append(queue, children[queue[0]]...)
		// Compare files, not paths: a program can be started from its own mount. A program that is only in memory is a helper of final.
		name := fmt.Sprintf("/proc/%d/exe", queue[0])
		exe, err := os.Stat(name)
		if link, _ := os.Readlink(name); err != nil || os.SameFile(exe, program) || strings.HasPrefix(link, "/memfd:") {
			continue
		}
		fd, err := unix.PidfdOpen(queue[0], 0)
		if err != nil {
			release(found)
			return nil, unclear(err)
		}
		found = append(found, process{queue[0], fd})
	}
	if len(found) == 0 {
		return nil, errors.New("run has no process for its command")
	}
	return found, nil
}

// ended returns an error unless all processes end in time. It kills the others, and closes all descriptors.
func ended(processes []process, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	var err error
	for _, p := range processes {
		poll := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
		for {
			n, pollErr := unix.Poll(poll, max(0, int(time.Until(deadline).Milliseconds())))
			if pollErr == unix.EINTR {
				continue
			}
			if n == 0 {
				comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.pid))
				err = fmt.Errorf("process %d (%s) is still there", p.pid, strings.TrimSpace(string(comm)))
				unix.PidfdSendSignal(p.fd, unix.SIGKILL, nil, 0)
			}
			break
		}
		unix.Close(p.fd)
	}
	return err
}

// namespace returns the identity of a process's namespace. The kind is uts, pid or mnt. namespaces(7)
func namespace(pid int, kind string) (string, error) {
	return os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
}

// ownNamespace returns an error unless the container of a session has another namespace than run.
func (s *session) ownNamespace(kind string) error {
	inside, err := s.container()
	if err != nil {
		return err
	}
	defer release(inside)
	theirs, err := namespace(inside[0].pid, kind)
	if err != nil {
		return err
	}
	ours, err := namespace(s.cmd.Process.Pid, kind)
	if err != nil {
		return err
	}
	if theirs == ours {
		return fmt.Errorf("the command is in the %s namespace of the host", map[string]string{"uts": "UTS", "pid": "PID", "mnt": "mount", "ipc": "IPC", "net": "network"}[kind])
	}
	return nil
}

func release(processes []process) {
	for _, p := range processes {
		unix.Close(p.fd)
	}
}

// isolated runs body like the function isolated, in the scratch of the program.
func (p *Program) isolated(body func() error) error { return isolatedOn(p.host, body) }

// isolated runs body on a thread with a new mount namespace and a new UTS namespace. Mounts are shared there, as on a host with systemd,
// but only with mount namespaces that body makes.
func isolated(body func() error) error { return isolatedOn(nil, body) }

func isolatedOn(host *scratch, body func() error) error {
	result := make(chan error)
	go func() {
		// We never call UnlockOSThread, so the thread ends with this goroutine, and the namespaces with the thread.
		runtime.LockOSThread()
		result <- func() error {
			if host != nil {
				if err := host.join(); err != nil {
					return unclear(err)
				}
			}
			if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWUTS); err != nil {
				return unclear(err)
			}
			for _, propagation := range []uintptr{unix.MS_PRIVATE, unix.MS_SHARED} {
				if err := unix.Mount("", "/", "", unix.MS_REC|propagation, ""); err != nil {
					return unclear(err)
				}
			}
			return body()
		}()
	}()
	return <-result
}

// mountTable returns the mounts that the calling thread sees.
func mountTable() (string, error) {
	data, err := os.ReadFile("/proc/thread-self/mountinfo")
	return string(data), err
}

// publicDir makes a temporary directory that everybody can read. The caller must remove it.
func publicDir() (string, error) {
	dir, err := os.MkdirTemp("", "container-workshop-")
	if err != nil {
		return "", unclear(err)
	}
	return dir, os.Chmod(dir, 0o755)
}

// copyFile copies an executable. Meanwhile no other check may start a process: until its execve, that process would have the copy open for
// writing, too, and the kernel executes no such file. execve(2), ETXTBSY
func copyFile(from, dir string) (string, error) {
	data, err := os.ReadFile(from)
	if err != nil {
		return "", unclear(err)
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	to := filepath.Join(dir, filepath.Base(from))
	return to, os.WriteFile(to, data, 0o755)
}
