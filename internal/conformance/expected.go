//go:build linux

package main

import (
	"fmt"
	"slices"
)

// A program is a program of the suite, with what we expect of a runtime.
type program struct {
	name string
	// silent programs print no test points.
	silent bool
	// v1 programs only know version 1 of cgroups.
	v1 bool
	// cpus is the number of processors that the program needs.
	cpus int
	// kind says where the fault is if the program fails, and why gives the reason. Without a kind, the program must pass.
	kind kind
	why  string
}

func (p program) must() bool { return p.kind == none }

// impossible returns why a machine cannot run the program, or nothing if it can.
func (p program) impossible(version1 bool, cpus int) string {
	switch {
	case p.v1 && !version1:
		return "it knows cgroups of version 1 only"
	case cpus < p.cpus:
		return fmt.Sprintf("it needs %d processors", p.cpus)
	}
	return ""
}

// A kind says why a runtime need not pass a program.
type kind string

const (
	none    kind = ""
	suite   kind = "suite"
	machine kind = "machine"
	callers kind = "callers"
)

const (
	pointers = "It compares the addresses of two limits, not the limits."
	noDevice = "It limits disk 8:0, which not every machine has, through files that newer kernels do not have."
	noKernel = "It sets a limit on kernel memory, which kernels since 5.16 no longer have."
	noClass  = "It needs the controllers net_cls and net_prio, which few kernels have."
	noHuge   = "It needs huge pages and the version 1 controller hugetlb."
)

// expected are all programs of the suite. Two of those that must pass can fail on a very busy machine, because they are races: killsig
// may send its signal before the shell in the container has a trap, and the hooks of hooks_stdin have only a second.
var expected = []program{
	{name: "config_updates_without_affect"},
	{name: "create"},
	{name: "default"},
	{name: "delete", kind: callers,
		why: "It expects `delete` to refuse a created container; callers clean up this way, as with runc."},
	{name: "delete_only_create_resources", v1: true},
	{name: "delete_resources", v1: true, kind: suite, why: pointers},
	{name: "hooks", silent: true, kind: suite, why: "It expects a text that its own hooks do not write."},
	{name: "hooks_stdin"},
	{name: "hostname"},
	{name: "kill"},
	{name: "kill_no_effect"},
	{name: "killsig"},
	{name: "linux_cgroups_blkio", v1: true, kind: machine, why: noDevice},
	{name: "linux_cgroups_cpus", v1: true, cpus: 2},
	{name: "linux_cgroups_devices", v1: true},
	{name: "linux_cgroups_hugetlb", v1: true, kind: machine, why: noHuge},
	{name: "linux_cgroups_memory", v1: true, kind: machine, why: noKernel},
	{name: "linux_cgroups_network", v1: true, kind: machine, why: noClass},
	{name: "linux_cgroups_pids", v1: true, kind: suite, why: pointers},
	{name: "linux_cgroups_relative_blkio", v1: true, kind: machine, why: noDevice},
	{name: "linux_cgroups_relative_cpus", v1: true, cpus: 2},
	{name: "linux_cgroups_relative_devices", v1: true},
	{name: "linux_cgroups_relative_hugetlb", v1: true, kind: machine, why: noHuge},
	{name: "linux_cgroups_relative_memory", v1: true, kind: machine, why: noKernel},
	{name: "linux_cgroups_relative_network", v1: true, kind: machine, why: noClass},
	{name: "linux_cgroups_relative_pids", v1: true, kind: suite, why: pointers},
	{name: "linux_devices"},
	{name: "linux_masked_paths"},
	{name: "linux_mount_label"},
	{name: "linux_ns_itype"},
	{name: "linux_ns_nopath"},
	{name: "linux_ns_path"},
	{name: "linux_ns_path_type"},
	{name: "linux_process_apparmor_profile", kind: machine,
		why: "It needs a kernel with AppArmor, and a profile that the suite does not bring."},
	{name: "linux_readonly_paths"},
	{name: "linux_rootfs_propagation"},
	{name: "linux_seccomp"},
	{name: "linux_sysctl"},
	{name: "linux_uid_mappings"},
	{name: "misc_props", kind: suite, why: "It runs `/runtimetest` in a container that lacks this program."},
	{name: "mounts"},
	{name: "pidfile", kind: suite, why: "It kills a process that is about to end, and expects success: a race."},
	{name: "poststart", silent: true, kind: suite,
		why: "It expects the process to write before the hook that runs beside it: a race."},
	{name: "poststart_fail", silent: true},
	{name: "poststop", silent: true},
	{name: "poststop_fail", silent: true},
	{name: "prestart", silent: true, kind: callers,
		why: "It expects `start` to run the `prestart` hooks; Docker needs `create` to run them, for its network."},
	{name: "prestart_fail", silent: true},
	{name: "process"},
	{name: "process_capabilities", kind: machine,
		why: "It asks for all capabilities of the kernel; a runtime can give only its own."},
	{name: "process_capabilities_fail", silent: true, kind: callers,
		why: "It expects an error for an unknown capability; the specification now asks for a warning."},
	{name: "process_oom_score_adj"},
	{name: "process_rlimits", kind: suite,
		why: "It reads the limit on open files in a Go program, which raises this limit when it starts."},
	{name: "process_rlimits_fail", silent: true},
	{name: "process_user"},
	{name: "root_readonly_true"},
	{name: "start", kind: callers,
		why: "It expects `create` to accept a configuration without a process; callers expect the error there."},
	{name: "state"},
}

// chosen returns the programs with these names, or all programs.
func chosen(names []string) ([]program, error) {
	if names == nil {
		return expected, nil
	}
	var programs []program
	for _, name := range names {
		i := slices.IndexFunc(expected, func(p program) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("--only %s: the suite has no such program; --list has the names", name)
		}
		programs = append(programs, expected[i])
	}
	return programs, nil
}
