//go:build linux

package network

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Passage returns the two ends of a socket through which final passes a network namespace to the helper.
func Passage() (ours, its *os.File, err error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(ends[0]), "passage"), os.NewFile(uintptr(ends[1]), "passage"), nil
}

// Pass passes a network namespace. unix(7), SCM_RIGHTS
func Pass(end, namespace *os.File) error {
	err := unix.Sendmsg(int(end.Fd()), []byte{0}, unix.UnixRights(int(namespace.Fd())), nil, unix.MSG_NOSIGNAL)
	return os.NewSyscallError("sendmsg", err)
}

// errNoNamespace says that the other end is closed.
var errNoNamespace = errors.New("final has given up making the container")

// Passed waits for a network namespace.
func Passed(end *os.File) (*os.File, error) {
	var control [64]byte
	var n int
	var err error
	for {
		_, n, _, _, err = unix.Recvmsg(int(end.Fd()), make([]byte, 1), control[:], unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return nil, fmt.Errorf("recvmsg: %w", err)
	}
	if len(messages) == 0 {
		return nil, errNoNamespace
	}
	files, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, fmt.Errorf("recvmsg: %w", err)
	}
	return os.NewFile(uintptr(files[0]), "network namespace"), nil
}
