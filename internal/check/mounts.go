//go:build linux

package check

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mounts are the properties of a mount namespace.
var mounts = []Property{
	{
		Name:  mountNS,
		Step:  5,
		Needs: []string{starts},
		Why:   "In the mount namespace of the host, every mount of the container is a mount of the host.",
		Where: "step05-proc/README.md#how-it-works",
		check: func(p *Program) error {
			return p.whileReady(func(s *session) error { return s.ownNamespace("mnt") })
		},
	},
	{
		Name:  procMounted,
		Step:  5,
		Needs: []string{mountNS},
		Why:   "A mount that reaches the host stays there after the container.",
		Where: "step05-proc/README.md#how-it-works",
		check: func(p *Program) error { return p.mountsOnly("/proc", "proc") },
	},
	{
		Name:  procShared,
		Step:  5,
		Needs: []string{procMounted},
		Why:   "On many hosts /var or /home is a mount of its own, and systemd makes each of them shared.",
		Where: "step05-proc/README.md#now-yours",
		check: func(p *Program) error {
			for _, flags := range []uintptr{unix.MS_BIND | unix.MS_REC, unix.MS_PRIVATE, unix.MS_SHARED} {
				if err := unix.Mount(p.Rootfs, p.Rootfs, "", flags, ""); err != nil {
					return unclear(err)
				}
			}
			return p.mountsOnly("/proc", "proc")
		},
	},
	{
		Name:  "the kernel runs no program from /proc, and opens no device there",
		Step:  5,
		Needs: []string{procMounted},
		Why:   "proc holds no programs and no devices, so you lose nothing when the kernel refuses them there, and an attacker loses a way in.",
		Where: "step05-proc/README.md#now-yours",
		check: func(p *Program) error { return p.mountHas("/proc", "proc", "nosuid", "nodev", "noexec") },
	},
}

// mountHas returns an error unless the container has the mount, with the options.
func (p *Program) mountHas(target, fstype string, options ...string) error {
	return p.whileReady(func(s *session) error {
		line, err := s.mount(target, fstype)
		if err != nil {
			return err
		}
		seen := strings.Fields(line)[5]
		for _, option := range options {
			if !slices.Contains(strings.Split(seen, ","), option) {
				return fmt.Errorf("%s is mounted without %s: %s", target, option, seen)
			}
		}
		return nil
	})
}

// mountsOnly returns an error unless the container has the mount, and the host's mount table stays the same, while the container runs
// and afterwards.
func (p *Program) mountsOnly(target, fstype string) error {
	before, err := mountTable()
	if err != nil {
		return unclear(err)
	}
	err = p.whileReady(func(s *session) error {
		if _, err := s.mount(target, fstype); err != nil {
			return err
		}
		return sameMounts(before)
	})
	if err != nil {
		return err
	}
	return sameMounts(before)
}

func sameMounts(before string) error {
	after, err := mountTable()
	if err != nil {
		return fmt.Errorf("the host has lost its /proc: %w", err)
	}
	known := strings.Split(before, "\n")
	for line := range strings.Lines(after) {
		if !slices.Contains(known, strings.TrimSuffix(line, "\n")) {
			fields, rest, _ := strings.Cut(line, " - ")
			id, _, _ := strings.Cut(line, " ")
			change := "the host has a new mount"
			if slices.ContainsFunc(known, func(line string) bool { return strings.HasPrefix(line, id+" ") }) {
				change = "a mount that the host has is different now"
			}
			return fmt.Errorf("%s: %s on %s", change, strings.Fields(rest)[0], strings.Fields(fields)[4])
		}
	}
	return want("the number of mounts of the host", len(known), len(strings.Split(after, "\n")))
}

// mount returns the line of /proc/PID/mountinfo for a mount point in the container.
func (s *session) mount(target, fstype string) (string, error) {
	inside, err := s.container()
	if err != nil {
		return "", err
	}
	defer release(inside)
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", inside[0].pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		// A line has six fields, optional fields, a hyphen, and the type of the file system. proc_pid_mountinfo(5)
		fields, rest, _ := strings.Cut(line, " - ")
		if strings.Fields(fields)[4] == target && strings.HasPrefix(rest, fstype+" ") && s.ownMount(line) {
			return line, nil
		}
	}
	return "", fmt.Errorf("the container has no %s mounted on %s", fstype, target)
}

// ownMount reports whether the mount is missing in the mount namespace of run.
func (s *session) ownMount(line string) bool {
	ours, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", s.cmd.Process.Pid))
	id, _, _ := strings.Cut(line, " ")
	return !strings.HasPrefix(string(ours), id+" ") && !strings.Contains(string(ours), "\n"+id+" ")
}
