//go:build linux

package check

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// mounts is what comes of a mount namespace.
var mounts = []Property{
	{
		Name: "the container has a mount namespace of its own",
		Step: 5,
		Hint: "cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNS",
		check: func(p *Program) error {
			return p.whileReady(func(s *session) error { return s.ownNamespace("mnt") })
		},
	},
	{
		Name:  "/proc is mounted in the container and nowhere on the host, where / is shared as with systemd",
		Step:  5,
		Hint:  "Before the first mount: unix.Mount(\"\", \"/\", \"\", unix.MS_REC|unix.MS_PRIVATE, \"\").",
		check: func(p *Program) error { return p.mountsOnly("/proc", "proc") },
	},
}

// mountsOnly returns an error unless the container has the mount, and the host's mount table stays as it is: while the
// container runs and afterwards.
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
	return errors.Join(err, sameMounts(before))
}

func sameMounts(before string) error {
	after, err := mountTable()
	if err != nil {
		return fmt.Errorf("the host has lost its /proc: %w", err)
	}
	known := strings.Split(before, "\n")
	for line := range strings.Lines(after) {
		if !slices.Contains(known, strings.TrimSuffix(line, "\n")) {
			return fmt.Errorf("the host has a mount that it did not have: %s", strings.TrimSpace(line))
		}
	}
	return want("number of mounts of the host", len(known), len(strings.Split(after, "\n")))
}

// mount returns the line of /proc/PID/mountinfo for a mount in the container, by its place in the container.
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
		// Six fields, optional ones, a hyphen, the type of the file system. proc_pid_mountinfo(5)
		fields, rest, _ := strings.Cut(line, " - ")
		if strings.Fields(fields)[4] == target && strings.HasPrefix(rest, fstype+" ") && s.ownMount(line) {
			return line, nil
		}
	}
	return "", fmt.Errorf("the container has no %s mounted on %s", fstype, target)
}

// ownMount reports whether the mount is not one of the namespace that run is in.
func (s *session) ownMount(line string) bool {
	ours, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", s.cmd.Process.Pid))
	id, _, _ := strings.Cut(line, " ")
	return !strings.HasPrefix(string(ours), id+" ") && !strings.Contains(string(ours), "\n"+id+" ")
}
