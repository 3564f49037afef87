//go:build linux

package inside_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"container-workshop/final/inside"
	"container-workshop/final/rootfs"
)

// A test starts this program again as process 1 of a container. It makes what process 1 has to make, in the plainest way.
func TestMain(m *testing.M) {
	if os.Getenv("PROCESS_1") == "" {
		os.Exit(m.Run())
	}
	runtime.LockOSThread()
	fmt.Println(becomeCommand())
	os.Exit(125)
}

// orders go to process 1: first the mount namespace to join, if there is one, then the file systems to make, and then, with descriptors,
// what to become.
type orders struct {
	Filesystems []inside.Filesystem
	Chroot      bool
	Terminal    bool
	Nulls       []int
	Path, Cwd   string
	Args, Env   []string
}

// socket is the number of the socket to the test.
const socket = 3

func becomeCommand() error {
	var o orders
	joined, err := receive(socket, &o)
	if err != nil {
		return err
	}
	if len(joined) > 0 {
		if err := errors.Join(unix.Unshare(unix.CLONE_FS), unix.Setns(joined[0], unix.CLONE_NEWNS)); err != nil {
			return err
		}
	}
	if err := send(socket, nil); err != nil {
		return err
	}
	if _, err := receive(socket, &o); err != nil {
		return err
	}
	mounts := []int{}
	for _, f := range o.Filesystems {
		mount, err := rootfs.MakeFilesystem(f.Type, f.Source, f.Data, f.Flags)
		if err != nil {
			return err
		}
		mounts = append(mounts, mount)
	}
	if err := send(socket, nil, mounts...); err != nil {
		return err
	}
	fds, err := receive(socket, &o)
	if err != nil {
		return err
	}
	if err := unix.Fchdir(fds[0]); err != nil {
		return err
	}
	if o.Chroot {
		err = unix.Chroot(".")
	} else if err = unix.PivotRoot(".", "."); err == nil {
		err = unix.Unmount(".", unix.MNT_DETACH)
	}
	if err == nil {
		err = unix.Chdir(o.Cwd)
	}
	for i, number := range o.Nulls {
		_ = unix.Dup2(fds[1+i], number)
	}
	if o.Terminal {
		_, _ = unix.Setsid()
		for number := range 3 {
			_ = unix.Dup2(fds[1], number)
		}
		_ = unix.IoctlSetInt(0, unix.TIOCSCTTY, 0)
	}
	_ = unix.CloseRange(3, 1<<32-1, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		err = unix.Exec(o.Path, o.Args, o.Env)
	}
	return err
}

func send(socket int, message any, descriptors ...int) error {
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return unix.Sendmsg(socket, body, unix.UnixRights(descriptors...), nil, 0)
}

func receive(socket int, message any) (descriptors []int, err error) {
	body, rights := make([]byte, 1<<16), make([]byte, unix.CmsgSpace(4*100))
	n, m, _, _, err := unix.Recvmsg(socket, body, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("the other side has gone: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err == nil && len(messages) > 0 {
		descriptors, err = unix.ParseUnixRights(&messages[0])
	}
	if err != nil {
		return nil, err
	}
	return descriptors, json.Unmarshal(body[:n], message)
}
