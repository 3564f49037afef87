//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// base is where everything of a container lies: a tmpfs, in a mount namespace that nobody else sees. The paths are the same for both
// programs.
const base = "/mnt"

// ownMounts moves this goroutine into a mount namespace of its own, where mounts are shared as on a host with systemd. Orphans of the
// containers become children of this process.
func ownMounts() error {
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNS)
	for _, flag := range []uintptr{unix.MS_PRIVATE, unix.MS_SHARED} {
		err = errors.Join(err, unix.Mount("", "/", "", unix.MS_REC|flag, ""))
	}
	if err = errors.Join(err, unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)); err != nil {
		return fmt.Errorf("make a mount namespace: %w (are you root?)", err)
	}
	return nil
}

// A stand is the place where one program makes one container.
type stand struct {
	*configuration
	holder *exec.Cmd
	seen   view
	// known are namespaces by what they are.
	known map[string]string
	// outputs counts files that programs write to.
	outputs int
	// hostMounts are the mounts of the host, before the container is made.
	hostMounts []mountLine
}

// observe has a program make a container, and returns what is seen of it.
func observe(c *configuration, program, probe string) (view, error) {
	s := &stand{configuration: c, seen: view{}, known: map[string]string{}}
	err := s.build(program, probe)
	if err == nil {
		s.hostMounts, err = readMounts()
	}
	if err == nil {
		err = s.play()
	}
	if err == nil {
		err = s.afterwards()
	}
	return s.seen, errors.Join(err, s.remove())
}

// build makes the bundle and all that is around it.
func (s *stand) build(program, probe string) error {
	if err := os.MkdirAll(base, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("compare", base, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount a tmpfs on %s: %w", base, err)
	}
	shift := 0
	if s.HolderUser || s.Spec != nil && s.has(specs.UserNamespace) {
		shift = userBase
	}
	root := base + "/bundle/rootfs"
	err := errors.Join(
		os.MkdirAll(root, 0o755), os.Mkdir(base+"/state", 0o700), os.Mkdir(base+"/ns", 0o755), os.Mkdir(base+"/host", 0o755),
		copyProgram(program, base+"/final"), copyProgram(probe, base+"/probe"), copyProgram(probe, root+"/probe"),
		os.WriteFile(base+"/input", []byte("from a file\n"), 0o644), os.WriteFile(base+"/kept", []byte("kept\n"), 0o644))
	if err == nil {
		err = errors.Join(populate(base+"/host", s.Host, 0), populate(root, s.Image, shift))
	}
	if err == nil && shift > 0 {
		err = own(root, shift)
	}
	if err == nil && s.Holder {
		err = s.hold(probe)
	}
	if err != nil || s.Spec == nil {
		return err
	}
	config, err := json.Marshal(s.Spec)
	if err != nil {
		return err
	}
	return os.WriteFile(base+"/bundle/config.json", config, 0o644)
}

func copyProgram(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o755)
}

// hold starts a process in namespaces of its own, and gives the namespaces names below base.
func (s *stand) hold(probe string) error {
	s.holder = exec.Command(probe, "--hold")
	s.holder.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWPID}
	if s.HolderUser {
		maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: userBase, Size: 65536}}
		s.holder.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		s.holder.SysProcAttr.UidMappings, s.holder.SysProcAttr.GidMappings = maps, maps
	}
	if err := s.holder.Start(); err != nil {
		return fmt.Errorf("start a process with namespaces: %w", err)
	}
	for kind, name := range map[specs.LinuxNamespaceType]string{
		specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts", specs.PIDNamespace: "pid", specs.UserNamespace: "user",
	} {
		place := base + "/ns/" + string(kind)
		err := os.WriteFile(place, nil, 0o644)
		if err == nil {
			err = unix.Mount(fmt.Sprintf("/proc/%d/ns/%s", s.holder.Process.Pid, name), place, "", unix.MS_BIND, "")
		}
		if err != nil {
			return fmt.Errorf("name the namespace %s: %w", name, err)
		}
	}
	return nil
}

// afterwards looks at what the container has left.
func (s *stand) afterwards() error {
	for name, top := range map[string]string{"image afterwards": "/bundle/rootfs", "host files afterwards": "/host", "what is outside afterwards": "/outside"} {
		list, err := listTree(base + top)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		s.seen[name] = list
	}
	hooks, _ := filepath.Glob(base + "/out/*")
	for _, name := range hooks {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if filepath.Base(name) == "order" {
			// The hook poststart runs beside the command.
			s.seen["order of hooks"] = strings.ReplaceAll(string(content), "\"poststart\"\n", "")
			continue
		}
		for i, line := range bytes.Split(bytes.TrimSpace(content), []byte("\n")) {
			s.seen[fmt.Sprintf("hook %s %d", filepath.Base(name), i)] = s.parse(string(line), filepath.Base(name))
		}
	}
	s.seen["left"] = s.left()
	return nil
}

// remove ends everything that is left of the container, and throws its files away.
func (s *stand) remove() error {
	if s.holder != nil && s.holder.Process != nil {
		_ = s.holder.Process.Kill()
		_ = s.holder.Wait()
	}
	for _, child := range children() {
		_ = unix.Kill(child, unix.SIGKILL)
		_, _ = unix.Wait4(child, nil, 0, nil)
	}
	return unix.Unmount(base, unix.MNT_DETACH)
}

// children returns the processes whose parent we are, or have become. proc_pid_stat(5)
func children() []int {
	var list []int
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range names {
		content, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(content), ") ")
		var pid, parent int
		var state string
		_, _ = fmt.Sscan(string(content), &pid)
		if _, err := fmt.Sscan(rest, &state, &parent); err == nil && parent == os.Getpid() {
			list = append(list, pid)
		}
	}
	return list
}
