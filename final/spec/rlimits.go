//go:build linux

package spec

import (
	"strings"

	"golang.org/x/sys/unix"
)

// rlimits are the limits of getrlimit(2): as the configuration calls them, and as the kernel does.
var rlimits = [...]struct {
	kind   string
	number int
}{
	{"RLIMIT_AS", unix.RLIMIT_AS},
	{"RLIMIT_CORE", unix.RLIMIT_CORE},
	{"RLIMIT_CPU", unix.RLIMIT_CPU},
	{"RLIMIT_DATA", unix.RLIMIT_DATA},
	{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE},
	{"RLIMIT_LOCKS", unix.RLIMIT_LOCKS},
	{"RLIMIT_MEMLOCK", unix.RLIMIT_MEMLOCK},
	{"RLIMIT_MSGQUEUE", unix.RLIMIT_MSGQUEUE},
	{"RLIMIT_NICE", unix.RLIMIT_NICE},
	{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE},
	{"RLIMIT_NPROC", unix.RLIMIT_NPROC},
	{"RLIMIT_RSS", unix.RLIMIT_RSS},
	{"RLIMIT_RTPRIO", unix.RLIMIT_RTPRIO},
	{"RLIMIT_RTTIME", unix.RLIMIT_RTTIME},
	{"RLIMIT_SIGPENDING", unix.RLIMIT_SIGPENDING},
	{"RLIMIT_STACK", unix.RLIMIT_STACK},
}

// Rlimit returns the number of a limit on resources, such as RLIMIT_NOFILE. getrlimit(2)
func Rlimit(kind string) (number int, known bool) {
	for _, r := range rlimits {
		if r.kind == kind {
			return r.number, true
		}
	}
	return 0, false
}

// RlimitNames returns the names of all limits on resources as ulimit has them, such as nofile. The configuration says RLIMIT_NOFILE.
func RlimitNames() []string {
	names := make([]string, len(rlimits))
	for i, r := range rlimits {
		names[i] = strings.ToLower(strings.TrimPrefix(r.kind, "RLIMIT_"))
	}
	return names
}
