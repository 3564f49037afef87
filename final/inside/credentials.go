//go:build linux

package inside

import (
	"fmt"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
)

// credentials adds what makes us the user of the command, with the capabilities of the command. It returns those that we cannot
// give: they are left out, as the specification asks. credentials(7), config.md, capabilities
func (l *last) credentials(user *specs.User, sets capability.Sets, groups bool, between func()) (missing capability.Set, err error) {
	own, err := capability.Own()
	if err != nil {
		return 0, err
	}
	sets, missing = sets.Limit(own.Grantable())
	calls := sets.Calls(own.Bounding)

	var drop []call
	for _, number := range calls.Drop {
		drop = append(drop, call{unix.SYS_PRCTL, [5]uintptr{unix.PR_CAPBSET_DROP, number}})
	}
	// While we have CAP_SETPCAP.
	l.add(fmt.Sprintf("prctl(PR_CAPBSET_DROP, all but %d)", len(sets.Bounding.Names())), "PR_CAPBSET_DROP(2const)", drop...)
	l.user(user, groups)
	if user.UID != 0 {
		// The change of user has cleared the effective ones, of which the next calls need some.
		again := own.Calls(own.Bounding)
		l.capset("capset(all, for now)", &again)
	}
	between()

	ambient := []call{{unix.SYS_PRCTL, [5]uintptr{unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL}}}
	for _, number := range calls.Ambient {
		ambient = append(ambient, call{unix.SYS_PRCTL, [5]uintptr{unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, number}})
	}
	l.capset(fmt.Sprintf("capset(%d capabilities)", len(sets.Permitted.Names())), &calls, ambient...)
	return missing, nil
}

func (l *last) capset(name string, calls *capability.Calls, then ...call) {
	l.keep = append(l.keep, calls)
	set := call{unix.SYS_CAPSET, [5]uintptr{uintptr(unsafe.Pointer(&calls.Header)), uintptr(unsafe.Pointer(&calls.Data[0]))}}
	l.add(name, "capset(2)", append([]call{set}, then...)...)
}

// mayHaveGroups reports whether we can say which additional groups we are in. Nobody can in a user namespace whose maker had no right
// to leave groups himself; then they stay as they are. user_namespaces(7), "/proc/PID/setgroups"
func (c *container) mayHaveGroups() bool {
	if !c.UserNamespace || len(c.User.AdditionalGids) > 0 {
		return true
	}
	fd, err := unix.Openat(c.proc, "self/setgroups", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	word := make([]byte, 4)
	n, err := unix.Read(fd, word)
	return err != nil || string(word[:n]) != "deny"
}

// user adds the change of user, which keeps the capabilities for capset to choose from.
func (l *last) user(user *specs.User, mayHaveGroups bool) {
	groups := append([]uint32{}, user.AdditionalGids...)
	var list uintptr
	if len(groups) > 0 {
		l.keep = append(l.keep, groups)
		list = uintptr(unsafe.Pointer(&groups[0]))
	}
	umask := uintptr(0o022)
	if user.Umask != nil {
		umask = uintptr(*user.Umask)
	}
	uid, gid := uintptr(user.UID), uintptr(user.GID)
	first := []call{{unix.SYS_UMASK, [5]uintptr{umask}}}
	if mayHaveGroups {
		first = append(first, call{unix.SYS_SETGROUPS, [5]uintptr{uintptr(len(groups)), list}})
	}
	l.add(fmt.Sprintf("setresuid(%d), setresgid(%d)", uid, gid), "credentials(7)", append(first,
		call{unix.SYS_SETRESGID, [5]uintptr{gid, gid, gid}},
		call{unix.SYS_PRCTL, [5]uintptr{unix.PR_SET_KEEPCAPS, 1}},
		call{unix.SYS_SETRESUID, [5]uintptr{uid, uid, uid}},
		// Effective ones are cleared by the change of user. They come back with capset.
	)...)
}
