//go:build linux

package calls

import "golang.org/x/sys/unix"

// What the machine needs of package unix: the assembler only sees the constants of its own package.
const (
	sysRead  = unix.SYS_READ
	sysSend  = unix.SYS_SENDTO
	sysExit  = unix.SYS_EXIT_GROUP
	noSignal = unix.MSG_NOSIGNAL
	// failed is the exit status after a failure.
	failed = 125
)
