//go:build linux

package server

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
)

// dropRights makes all threads those of a user of its own, with no capability but CAP_NET_BIND_SERVICE: a server that reads packets of hostile
// containers needs no more. A process of root could still write to all files of root. credentials(7), capabilities(7)
func dropRights() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	keep := data[0].Permitted & (1 << unix.CAP_NET_BIND_SERVICE)
	data = [2]unix.CapUserData{{Effective: keep, Permitted: keep}}
	for _, option := range []uintptr{unix.PR_SET_NO_NEW_PRIVS, unix.PR_SET_KEEPCAPS} {
		if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, option, 1, 0); errno != 0 {
			return os.NewSyscallError("prctl", errno)
		}
	}
	if err := changeUser(); err != nil {
		return err
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	if errno != 0 {
		return os.NewSyscallError("capset", errno)
	}
	return nil
}

// changeUser changes user and groups. EINVAL says that the user namespace has no such user, and EPERM that the user namespace forbids other
// groups. user_namespaces(7)
func changeUser() error {
	err := syscall.Setresgid(network.Server, network.Server, network.Server)
	if err == nil {
		err = syscall.Setgroups(nil)
	}
	if err == nil || err == unix.EPERM {
		err = syscall.Setresuid(network.Server, network.Server, network.Server)
	}
	if err == unix.EINVAL {
		return nil
	}
	return os.NewSyscallError("setresuid", err)
}
