//go:build linux

package calls

import "golang.org/x/sys/unix"

// The assembler sees only the constants of this package, so these are copies of constants of package unix.
const (
	sysRead  = unix.SYS_READ
	sysSend  = unix.SYS_SENDTO
	sysExit  = unix.SYS_EXIT_GROUP
	noSignal = unix.MSG_NOSIGNAL
	// failed is the exit status after a failure.
	failed = 125
)
