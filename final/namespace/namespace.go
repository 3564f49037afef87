//go:build linux

// Package namespace runs on the host side: it turns the namespaces of a configuration into what clone and setns want.
package namespace

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Kind is a kind of namespace. namespaces(7)
type Kind struct {
	Type specs.LinuxNamespaceType
	Flag uintptr
	// Name is that of the flag in a C program.
	Name string
	// File is its name in /proc/PID/ns.
	File string
	Man  string
	// Step of the workshop that has taught it, 0 for none.
	Step int
}

// Kinds are those that a container can have of its own.
var Kinds = []Kind{
	{specs.UTSNamespace, unix.CLONE_NEWUTS, "CLONE_NEWUTS", "uts", "uts_namespaces(7)", 2},
	{specs.PIDNamespace, unix.CLONE_NEWPID, "CLONE_NEWPID", "pid", "pid_namespaces(7)", 3},
	{specs.MountNamespace, unix.CLONE_NEWNS, "CLONE_NEWNS", "mnt", "mount_namespaces(7)", 5},
	{specs.IPCNamespace, unix.CLONE_NEWIPC, "CLONE_NEWIPC", "ipc", "ipc_namespaces(7)", 0},
	{specs.NetworkNamespace, unix.CLONE_NEWNET, "CLONE_NEWNET", "net", "network_namespaces(7)", 0},
	{specs.CgroupNamespace, unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP", "cgroup", "cgroup_namespaces(7)", 0},
}

// Has reports whether the container gets a namespace of the kind that is not the host's.
func Has(namespaces []specs.LinuxNamespace, kind specs.LinuxNamespaceType) bool {
	for _, n := range namespaces {
		if n.Type == kind {
			return true
		}
	}
	return false
}

// CloneFlags returns the flags for the namespaces that process 1 is cloned into. That for cgroups is none of them: its root
// is the cgroup that a process is in when it makes one, and process 1 is in none of the container's yet. clone(2)
func CloneFlags(namespaces []specs.LinuxNamespace) (uintptr, error) {
	var flags uintptr
	for i, n := range namespaces {
		k, ok := find(n.Type)
		if !ok || n.Path != "" {
			return 0, fmt.Errorf("linux.namespaces[%d]: a namespace of type %q by path %q is not supported", i, n.Type, n.Path)
		}
		if k.Flag != unix.CLONE_NEWCGROUP {
			flags |= k.Flag
		}
	}
	return flags, nil
}

func find(t specs.LinuxNamespaceType) (Kind, bool) {
	for _, k := range Kinds {
		if k.Type == t {
			return k, true
		}
	}
	return Kind{}, false
}
