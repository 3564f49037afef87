//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The first argument of the two inner processes. The second is the folder that they work in.
const (
	asInit   = "as-init"
	asWorker = "as-worker"
)

// mostBinds is the largest number of bind mounts that is measured.
const mostBinds = 1000

// isolate is process 1: it prepares the mounts, starts the process that measures, and reaps what the runtimes leave.
func isolate(s settings, dir string, args []string) error {
	if os.Getpid() != 1 {
		return errors.New("this is for process 1 of new namespaces")
	}
	if err := mountAll(s.rootfs, dir); err != nil {
		return err
	}
	if err := limitDescriptors(); err != nil {
		return err
	}
	worker, err := os.StartProcess("/proc/self/exe", append([]string{"bench", asWorker}, args...), &os.ProcAttr{
		Env: os.Environ(), Files: []*os.File{nil, os.Stdout, os.Stderr}})
	if err != nil {
		return err
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("wait: %w", err)
		}
		if pid == worker.Pid {
			os.Exit(status.ExitStatus())
		}
	}
}

// limitDescriptors sets the soft limit, which most shells have at 1,024. Programs may raise it to the hard limit: getrlimit(2)
func limitDescriptors() error {
	var descriptors unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &descriptors); err != nil {
		return fmt.Errorf("limit of descriptors: %w", err)
	}
	descriptors.Cur = min(1024, descriptors.Max)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &descriptors); err != nil {
		return fmt.Errorf("limit descriptors to %d: %w", descriptors.Cur, err)
	}
	return nil
}

// mountAll gives the runs a folder in memory, and in there a root file system that they may change.
func mountAll(rootfs, dir string) error {
	rootfs, err := filepath.Abs(rootfs)
	if err != nil {
		return err
	}
	// This comes first: from now on, no mount here reaches the host (mount_namespaces(7)).
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// On a hybrid host, runtimes differ in what they do with the second tree. Without it, all do the same work.
	_ = unix.Unmount(filepath.Join(cgroups, "unified"), unix.MNT_DETACH)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount a tmpfs on %s: %w", dir, err)
	}
	for _, name := range []string{"upper", "work", "rootfs", "source", "engine/shm"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	for i := range mostBinds {
		if err := os.MkdirAll(filepath.Join(dir, "upper/binds", fmt.Sprint(i)), 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", rootfs, dir, dir)
	if err := unix.Mount("overlay", filepath.Join(dir, "rootfs"), "overlay", 0, options); err != nil {
		return fmt.Errorf("mount an overlay on %s: %w", rootfs, err)
	}
	return nil
}

// compile makes a program of one C file.
func compile(source, target string) error {
	output, err := exec.Command("cc", "-O2", "-static", "-o", target, source).CombinedOutput()
	if err != nil && len(output) > 0 {
		return fmt.Errorf("cc: %s", lastLine(string(output)))
	}
	return err
}
