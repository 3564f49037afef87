//go:build linux

// Package capability reads the capability sets of a container and prepares the system calls that apply them. Its functions
// run on either side: they look at the thread that calls them and change nothing. capabilities(7)
package capability

import (
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/sys/unix"
)

// names is indexed by number. capabilities(7), linux/capability.h
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

// Set is a set of capabilities: bit n is the capability with number n, from 0 to 63. A kernel newer than our names may use
// bits without a name.
type Set uint64

// Default is what a container has that asks for nothing: podman's default. It has no CAP_NET_RAW, CAP_MKNOD or
// CAP_AUDIT_WRITE, which Docker has. containers.conf(5)
const Default Set = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID |
	1<<unix.CAP_KILL | 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_SETFCAP | 1<<unix.CAP_SETGID |
	1<<unix.CAP_SETPCAP | 1<<unix.CAP_SETUID | 1<<unix.CAP_SYS_CHROOT

// All returns the names of all capabilities, by number, from CAP_CHOWN to CAP_CHECKPOINT_RESTORE. The kernel may know fewer,
// or more.
func All() []string { return UpTo(uint(len(names) - 1)).Names() }

// UpTo is the set of all capabilities up to a number, which is itself in it. With Last it is all that the kernel knows.
func UpTo(last uint) Set { return 1<<(last+1) - 1 }

// Has tells whether a capability is in the set, by its number.
func (s Set) Has(number uint) bool { return s>>number&1 == 1 }

// Names returns the names in the set, by number. A number without a name is written like CAP_41.
func (s Set) Names() []string {
	list := make([]string, 0, bits.OnesCount64(uint64(s)))
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

func (s Set) numbers() []uintptr {
	list := make([]uintptr, 0, bits.OnesCount64(uint64(s)))
	for rest := uint64(s); rest != 0; rest &= rest - 1 {
		list = append(list, uintptr(bits.TrailingZeros64(rest)))
	}
	return list
}

// Parse returns the number of a capability. Its name may be written CAP_NET_RAW or NET_RAW, in any case. An unknown name is
// an error, with the name it may have been meant to be.
func Parse(name string) (uint, error) {
	for number, known := range names {
		if sameName(name, known) || sameName(name, known[len("CAP_"):]) {
			return uint(number), nil
		}
	}
	if meant := nearest(name); meant != "" {
		return 0, fmt.Errorf("unknown capability %s: did you mean %s?", printable(name), meant)
	}
	return 0, fmt.Errorf("unknown capability %s", printable(name))
}

// sameName knows no letters but those of ASCII: strings.EqualFold takes a Kelvin sign for a K.
func sameName(name, known string) bool {
	if len(name) != len(known) {
		return false
	}
	for i := range len(name) {
		if upper(name[i]) != known[i] {
			return false
		}
	}
	return true
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

// printable is the name itself, or quoted and cut if it would spoil the message.
func printable(name string) string {
	if len(name) > 64 {
		return fmt.Sprintf("%+.64q...", name)
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' {
			return fmt.Sprintf("%+q", name)
		}
	}
	if name == "" {
		return `""`
	}
	return name
}
