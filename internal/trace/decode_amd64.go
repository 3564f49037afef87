//go:build linux

package trace

import "golang.org/x/sys/unix"

// Older calls, which later architectures do not have.
func init() {
	decoders[unix.SYS_FORK] = func(thread, [6]uint64) (string, []string) { return clone(0) }
	decoders[unix.SYS_VFORK] = decoders[unix.SYS_FORK]
	decoders[unix.SYS_MKDIR] = func(t thread, a [6]uint64) (string, []string) { return "mkdir", []string{t.text(a[0]), mode(a[1])} }
	decoders[unix.SYS_RMDIR] = func(t thread, a [6]uint64) (string, []string) { return "rmdir", []string{t.text(a[0])} }
}
