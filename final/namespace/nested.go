//go:build linux

package namespace

import (
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// hostsUser is the inode number of the user namespace that the kernel starts with. It is the same on every host: PROC_USER_INIT_INO in
// include/linux/proc_ns.h of the kernel.
const hostsUser = 0xEFFFFFFD

// Nested reports whether this process is in a user namespace that somebody has made, such as rootless podman. Root there has all
// capabilities, but only over what belongs to this namespace. The kernel still refuses to make device nodes, to clear the attributes of the
// host's mounts, to change cgroups of other users, and to raise limits. user_namespaces(7)
var Nested = sync.OnceValue(func() bool {
	var stat unix.Stat_t
	return unix.Stat("/proc/self/ns/user", &stat) == nil && stat.Ino != hostsUser
})

// KeepsGroups reports whether no process in our user namespace, and in those below, may give up a group. user_namespaces(7)
func KeepsGroups() bool {
	if !Nested() {
		return false
	}
	content, err := os.ReadFile("/proc/self/setgroups")
	return err == nil && strings.TrimSpace(string(content)) == "deny"
}
