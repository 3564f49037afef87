//go:build linux

// Package capability runs on the host side. It reads the capability sets of a configuration, and prepares the system calls that give
// these sets to a process: package become puts the calls into the list of process 1. It changes nothing itself. capabilities(7)
package capability

import (
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/sys/unix"
)

// names has the name of each capability at the index that is its number. capabilities(7), linux/capability.h
var names = [...]string{
	unix.CAP_CHOWN:              "CAP_CHOWN",
	unix.CAP_DAC_OVERRIDE:       "CAP_DAC_OVERRIDE",
	unix.CAP_DAC_READ_SEARCH:    "CAP_DAC_READ_SEARCH",
	unix.CAP_FOWNER:             "CAP_FOWNER",
	unix.CAP_FSETID:             "CAP_FSETID",
	unix.CAP_KILL:               "CAP_KILL",
	unix.CAP_SETGID:             "CAP_SETGID",
	unix.CAP_SETUID:             "CAP_SETUID",
	unix.CAP_SETPCAP:            "CAP_SETPCAP",
	unix.CAP_LINUX_IMMUTABLE:    "CAP_LINUX_IMMUTABLE",
	unix.CAP_NET_BIND_SERVICE:   "CAP_NET_BIND_SERVICE",
	unix.CAP_NET_BROADCAST:      "CAP_NET_BROADCAST",
	unix.CAP_NET_ADMIN:          "CAP_NET_ADMIN",
	unix.CAP_NET_RAW:            "CAP_NET_RAW",
	unix.CAP_IPC_LOCK:           "CAP_IPC_LOCK",
	unix.CAP_IPC_OWNER:          "CAP_IPC_OWNER",
	unix.CAP_SYS_MODULE:         "CAP_SYS_MODULE",
	unix.CAP_SYS_RAWIO:          "CAP_SYS_RAWIO",
	unix.CAP_SYS_CHROOT:         "CAP_SYS_CHROOT",
	unix.CAP_SYS_PTRACE:         "CAP_SYS_PTRACE",
	unix.CAP_SYS_PACCT:          "CAP_SYS_PACCT",
	unix.CAP_SYS_ADMIN:          "CAP_SYS_ADMIN",
	unix.CAP_SYS_BOOT:           "CAP_SYS_BOOT",
	unix.CAP_SYS_NICE:           "CAP_SYS_NICE",
	unix.CAP_SYS_RESOURCE:       "CAP_SYS_RESOURCE",
	unix.CAP_SYS_TIME:           "CAP_SYS_TIME",
	unix.CAP_SYS_TTY_CONFIG:     "CAP_SYS_TTY_CONFIG",
	unix.CAP_MKNOD:              "CAP_MKNOD",
	unix.CAP_LEASE:              "CAP_LEASE",
	unix.CAP_AUDIT_WRITE:        "CAP_AUDIT_WRITE",
	unix.CAP_AUDIT_CONTROL:      "CAP_AUDIT_CONTROL",
	unix.CAP_SETFCAP:            "CAP_SETFCAP",
	unix.CAP_MAC_OVERRIDE:       "CAP_MAC_OVERRIDE",
	unix.CAP_MAC_ADMIN:          "CAP_MAC_ADMIN",
	unix.CAP_SYSLOG:             "CAP_SYSLOG",
	unix.CAP_WAKE_ALARM:         "CAP_WAKE_ALARM",
	unix.CAP_BLOCK_SUSPEND:      "CAP_BLOCK_SUSPEND",
	unix.CAP_AUDIT_READ:         "CAP_AUDIT_READ",
	unix.CAP_PERFMON:            "CAP_PERFMON",
	unix.CAP_BPF:                "CAP_BPF",
	unix.CAP_CHECKPOINT_RESTORE: "CAP_CHECKPOINT_RESTORE",
}

// Set is a set of capabilities: bit n is the capability with number n, from 0 to 63. A kernel that is newer than our table may
// use bits without a name.
type Set uint64

// Default is what a container gets unless you ask for something else: the same capabilities as with podman. Docker also gives
// CAP_NET_RAW, CAP_MKNOD and CAP_AUDIT_WRITE. containers.conf(5)
const Default Set = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID |
	1<<unix.CAP_KILL | 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_SETFCAP | 1<<unix.CAP_SETGID |
	1<<unix.CAP_SETPCAP | 1<<unix.CAP_SETUID | 1<<unix.CAP_SYS_CHROOT

// All returns the names in our table, from CAP_CHOWN to CAP_CHECKPOINT_RESTORE. The kernel may know fewer capabilities, or more.
func All() []string { return UpTo(uint(len(names) - 1)).Names() }

// UpTo is the set of all capabilities from 0 to a number.
func UpTo(last uint) Set { return 1<<(last+1) - 1 }

// Has reports whether the capability with a number is in the set.
func (s Set) Has(number uint) bool { return s>>number&1 == 1 }

// Names returns the names in the set, by number. A capability without a name is written like CAP_41.
func (s Set) Names() []string {
	list := []string{}
	for _, number := range s.numbers() {
		if int(number) < len(names) {
			list = append(list, names[number])
		} else {
			list = append(list, fmt.Sprintf("CAP_%d", number))
		}
	}
	return list
}

// String returns the names with commas between them, for messages.
func (s Set) String() string { return strings.Join(s.Names(), ",") }

// numbers returns the numbers in the set, in order, as system calls take them.
func (s Set) numbers() []uintptr {
	list := make([]uintptr, 0, bits.OnesCount64(uint64(s)))
	for rest := uint64(s); rest != 0; rest &= rest - 1 {
		list = append(list, uintptr(bits.TrailingZeros64(rest)))
	}
	return list
}

// Parse returns the number of a capability. You can write its name as CAP_NET_RAW or NET_RAW, in any case.
func Parse(name string) (uint, error) {
	for number, known := range names {
		for _, spelling := range []string{known, strings.TrimPrefix(known, "CAP_")} {
			// EqualFold takes a Kelvin sign for a K. The lengths tell them apart: in UTF-8 the sign has three bytes.
			if len(name) == len(spelling) && strings.EqualFold(name, spelling) {
				return uint(number), nil
			}
		}
	}
	return 0, fmt.Errorf("unknown capability %+.64q (capabilities(7) has all names)", name)
}
