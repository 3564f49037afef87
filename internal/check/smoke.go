//go:build linux

package check

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// smokeChecks are the properties of earlier steps that one running container shows.
var smokeChecks = []struct {
	property string
	step     int
	look     func(*session) error
}{
	{inPlace, 1, (*session).takesThePlaceOfChild},
	{uts, 2, func(s *session) error { return s.ownNamespace("uts") }},
	{pidNS, 3, func(s *session) error { return s.ownNamespace("pid") }},
	{ownRoot, 4, (*session).seesRootfs},
	{startsAtTop, 4, (*session).isAtTop},
	{mountNS, 5, func(s *session) error { return s.ownNamespace("mnt") }},
	{procMounted, 5, func(s *session) error {
		_, err := s.mount("/proc", "proc")
		return err
	}},
	{inCgroups, 6, (*session).inCgroups},
}

// suspects returns the properties of earlier steps that a smoke run does not show. Each of them needs its own check.
func (e *examination) suspects() []Property {
	if f, _ := e.found(starts); f.State != Has || e.program.Step == 1 {
		return nil
	}
	var names []string
	e.program.isolated(func() error {
		names = e.program.smokeRun()
		return nil
	})
	return slices.DeleteFunc(slices.Clone(Properties), func(p Property) bool {
		return p.Step >= e.program.Step || !slices.Contains(names, p.Name)
	})
}

// smokeRun runs one container, and returns the names of the earlier properties that the container does not show.
func (p *Program) smokeRun() (names []string) {
	mounts, err := mountTable()
	if err != nil {
		return nil
	}
	s, err := p.start(call{command: []string{"/bin/sh", "-c", "trap 'exit 3' USR1; echo ready; while :; do sleep 0.01; done"}})
	if err != nil {
		return nil
	}
	defer s.close()
	if s.expect("ready") != nil {
		return []string{output}
	}
	for _, g := range smokeChecks {
		if g.step < p.Step && g.look(s) != nil {
			names = append(names, g.property)
		}
	}
	// Before step 6 the command has no cgroup of its own, and cgroup is empty.
	cgroup, _ := s.cgroup("pids")
	unix.Kill(s.cmd.Process.Pid, unix.SIGUSR1)
	if r, err := s.wait(); err != nil || r.stdout != "ready\n" || r.status != 3 || r.stderr != "" && !strings.Contains(r.stderr, "getcwd") {
		// A shell whose working directory is outside of its root directory complains about getcwd. Another check covers that mistake.
		names = append(names, output, exit3, reach)
	}
	if _, err := os.Stat(cgroup); err == nil {
		names = append(names, cgroupsGone)
	}
	if sameMounts(mounts) != nil {
		names = append(names, procMounted)
	}
	return names
}

// takesThePlaceOfChild returns an error unless the command is the child of run.
func (s *session) takesThePlaceOfChild() error {
	inside, err := s.container()
	if err != nil {
		return err
	}
	defer release(inside)
	if over := parent(inside[0].pid); over != s.cmd.Process.Pid {
		return fmt.Errorf("the command is a child of process %d, which is a child of run", over)
	}
	return nil
}

// seesRootfs returns an error unless the root file system is the root directory of the command.
func (s *session) seesRootfs() error {
	inside, err := s.container()
	if err != nil {
		return err
	}
	defer release(inside)
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/root/", inside[0].pid))
	if err != nil {
		return err
	}
	ours, err := os.Stat(s.rootfs)
	if err != nil {
		return unclear(err)
	}
	if !os.SameFile(theirs, ours) {
		return fmt.Errorf("the root directory of the command is not %s", s.rootfs)
	}
	return nil
}

// isAtTop returns an error unless the command is in its root directory.
func (s *session) isAtTop() error {
	inside, err := s.container()
	if err != nil {
		return err
	}
	defer release(inside)
	here, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", inside[0].pid))
	if err != nil {
		return err
	}
	top, err := os.Readlink(fmt.Sprintf("/proc/%d/root", inside[0].pid))
	if err != nil {
		return err
	}
	return want("the working directory", top, here)
}

// inCgroups returns an error unless the command is in cgroups of its own.
func (s *session) inCgroups() error {
	for _, controller := range controllers {
		if _, err := s.cgroup(controller); err != nil {
			return err
		}
	}
	return nil
}
