//go:build linux

package main

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// capSets are what the kernel shows for capabilities in /proc/PID/status. capabilities(7)
var capSets = map[string]string{
	"": "0000000000000000", "KILL": "0000000000000020", "CHOWN KILL": "0000000000000021", "CHOWN KILL SETUID": "00000000000000a1",
}

func TestTheFiveSetsOfCapabilities(t *testing.T) {
	c := newBundle(t)
	c.spec.Process.Capabilities = &specs.LinuxCapabilities{
		Bounding: []string{"CAP_CHOWN", "CAP_KILL", "CAP_SETUID"}, Permitted: []string{"CAP_KILL", "CAP_CHOWN"}, Effective: []string{"CAP_KILL"},
		Inheritable: []string{"CAP_CHOWN", "CAP_KILL"}, Ambient: []string{"CAP_KILL"},
	}
	c.spec.Process.User = specs.User{UID: 1000, GID: 1000}
	sets := func(pid int) (list [5]string) {
		for i, name := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			list[i] = inStatus(t, pid, name)
		}
		return list
	}
	// Execve leaves a user who is not root the ambient ones.
	require.Equal(t, [5]string{capSets["CHOWN KILL"], capSets["KILL"], capSets["KILL"], capSets["CHOWN KILL SETUID"], capSets["KILL"]}, sets(c.stays()))
	require.Equal(t, capSets["CHOWN KILL"], c.execAs(func(p *specs.Process) {
		p.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_CHOWN", "CAP_KILL"}}
	}, "grep CapBnd /proc/self/status | cut -f 2"))
	require.Equal(t, capSets[""]+"\n"+capSets[""], c.execAs(func(p *specs.Process) { p.Capabilities = nil }, "grep -E 'Cap(Prm|Bnd)' /proc/self/status | cut -f 2"))
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)

	// It gives root what is bounding, but with no_new_privs only what was permitted.
	c.spec.Process.User = specs.User{}
	c.spec.Process.Capabilities.Inheritable, c.spec.Process.Capabilities.Ambient = nil, nil
	require.Equal(t, [5]string{capSets[""], capSets["CHOWN KILL"], capSets["CHOWN KILL"], capSets["CHOWN KILL SETUID"], capSets[""]}, sets(c.stays()))
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	c.spec.Process.NoNewPrivileges = false
	require.Equal(t, [5]string{capSets[""], capSets["CHOWN KILL SETUID"], capSets["CHOWN KILL SETUID"], capSets["CHOWN KILL SETUID"], capSets[""]}, sets(c.stays()))
}

func TestACapabilityThatCannotBeGivenIsLeftOutWithAWarning(t *testing.T) {
	c := newBundle(t, "sh", "-c", rights("CapEff:"))
	// The thread is ours alone, and what it starts has no more than it.
	require.NoError(t, unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_TIME, 0, 0, 0))
	with := []string{"CAP_KILL", "CAP_SYS_TIME"}
	c.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: with, Permitted: with, Effective: with}
	r := c.run()
	require.Equal(t, "CapEff: "+capSets["KILL"]+"\n", r.stdout)
	require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
	require.Contains(t, r.stderr, "warning: process.capabilities: left out, because final cannot give them: CAP_SYS_TIME\n")

	with = []string{"CAP_KILL", "CAP_OF_ANOTHER_KERNEL"}
	c.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: with, Permitted: []string{"CAP_KILL"}, Effective: []string{"CAP_KILL"}}
	r = c.run()
	require.Equal(t, "CapEff: "+capSets["KILL"]+"\n", r.stdout)
	require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
	require.Contains(t, r.stderr, `warning: process.capabilities.bounding[1]: unknown capability "CAP_OF_ANOTHER_KERNEL"`)
	c.nothingLeft()
}

// sched_getattr(2)
func TestTheSchedulerOfAProcess(t *testing.T) {
	c := newBundle(t)
	scheduled := func(pid int) [3]int {
		attr, err := unix.SchedGetAttr(pid, 0)
		require.NoError(t, err)
		return [3]int{int(attr.Policy), int(attr.Nice), int(attr.Flags & unix.SCHED_FLAG_RESET_ON_FORK)}
	}
	for _, turn := range []struct {
		scheduler specs.Scheduler
		want      [3]int
	}{
		{specs.Scheduler{Policy: specs.SchedBatch, Nice: 5}, [3]int{unix.SCHED_BATCH, 5, 0}},
		{specs.Scheduler{Policy: specs.SchedIdle}, [3]int{unix.SCHED_IDLE, 0, 0}},
		{
			specs.Scheduler{Policy: specs.SchedOther, Nice: 7, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}},
			[3]int{unix.SCHED_NORMAL, 7, unix.SCHED_FLAG_RESET_ON_FORK},
		},
	} {
		c.spec.Process.Scheduler = &turn.scheduler
		require.Equal(t, turn.want, scheduled(c.stays()))
		require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	}
	c.spec.Process.Scheduler = nil
	own, err := unix.SchedGetAttr(0, 0)
	require.NoError(t, err)
	require.Equal(t, int(own.Policy), scheduled(c.stays())[0])
	require.Equal(t, "9", c.execAs(func(p *specs.Process) {
		p.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 9}
	}, "cut -d ' ' -f 19 /proc/self/stat"))
}

// ioprio_get(2)
func TestTheIOPriorityOfAProcess(t *testing.T) {
	c := newBundle(t)
	const process, shift = 1, 13
	classes := map[specs.IOPriorityClass]int{specs.IOPRIO_CLASS_BE: 2, specs.IOPRIO_CLASS_IDLE: 3}
	for _, priority := range []specs.LinuxIOPriority{{Class: specs.IOPRIO_CLASS_BE, Priority: 3}, {Class: specs.IOPRIO_CLASS_IDLE, Priority: 0}} {
		c.spec.Process.IOPriority = &priority
		now, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, process, uintptr(c.stays()), 0)
		require.Zero(t, errno)
		require.Equal(t, classes[priority.Class]<<shift|priority.Priority, int(now))
		require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	}
}

// processors returns those of this thread, the first and the last of them, as lists.
func processors(t *testing.T) (all, first, last string) {
	t.Helper()
	var own unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &own))
	for cpu := range 1024 {
		if own.IsSet(cpu) {
			last = strconv.Itoa(cpu)
			if first == "" {
				first = last
			}
		}
	}
	return inStatus(t, unix.Gettid(), "Cpus_allowed_list"), first, last
}

// bind binds this thread to a processor until the test ends, and so what it starts.
func bind(t *testing.T, cpu string) {
	t.Helper()
	number, err := strconv.Atoi(cpu)
	require.NoError(t, err)
	var before, one unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &before))
	one.Set(number)
	require.NoError(t, unix.SchedSetaffinity(0, &one))
	t.Cleanup(func() { require.NoError(t, unix.SchedSetaffinity(0, &before)) })
}

const showProcessors = "grep Cpus_allowed_list /proc/self/status | cut -f 2"

// sched_setaffinity(2)
func TestTheProcessorsOfAProcessThatJoins(t *testing.T) {
	c := newBundle(t)
	own, first, last := processors(t)
	c.spec.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: first, Final: last}
	// It is for those that join, and not for the first.
	require.Equal(t, own, inStatus(t, c.stays(), "Cpus_allowed_list"))
	require.Equal(t, last, c.exec(showProcessors))
	as := func(initial, final string) string {
		return c.execAs(func(p *specs.Process) { p.ExecCPUAffinity = &specs.CPUAffinity{Initial: initial, Final: final} }, showProcessors)
	}
	require.Equal(t, own, as(last, own))
	// Without the second it stays as the kernel has left it.
	require.Equal(t, last, as(last, ""))
	require.Equal(t, first, as("", first))
	name := c.joiner(func(p *specs.Process) { p.ExecCPUAffinity = &specs.CPUAffinity{Initial: "8191"} })
	refused(t, c.final("exec", "--process", name, c.id), 255, "process.execCPUAffinity.initial", "8191", "invalid argument")
}

// The kernel keeps what a process was bound to when it comes into a cgroup that allows more.
func TestAContainerIsNotBoundToTheProcessorsOfItsCaller(t *testing.T) {
	c := newBundle(t)
	own, first, last := processors(t)
	other := c.beside()
	bind(t, first)
	require.Equal(t, own, c.says(showProcessors))
	c.stays()
	require.Equal(t, own, c.exec(showProcessors))
	require.Equal(t, own, c.execAs(func(*specs.Process) {}, showProcessors))
	other.spec.Linux.Resources.CPU = &specs.LinuxCPU{Cpus: last, Mems: "0"}
	require.Equal(t, last, other.says(showProcessors))
	other.stays()
	require.Equal(t, last, other.exec(showProcessors))
	for flag, want := range map[string]string{own: own, last: last, first: first} {
		require.Equal(t, result{want + "\n", "", 0}, run(t, showProcessors, "--cpuset-cpus", flag))
	}
	require.Equal(t, result{own + "\n", "", 0}, run(t, showProcessors))
}

// personality(2)
func TestThePersonalityOfAContainer(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs an amd64: others have no name for their 32 bits that is always there")
	}
	c := newBundle(t)
	c.spec.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
	require.Equal(t, "i686", c.says("busybox uname -m"))
	c.stays()
	require.Equal(t, "i686", c.exec("busybox uname -m"))
	other := c.beside()
	other.spec.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux}
	require.Equal(t, "x86_64", other.says("busybox uname -m"))
}
