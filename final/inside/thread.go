//go:build linux

package inside

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"container-workshop/final/more/idmap"
)

// hostProc opens the host's /proc. Open it while the path leads there: in a mount namespace of others it may lead elsewhere, and a proc
// of another PID namespace has no /proc/self for us.
var hostProc = sync.OnceValues(func() (int, error) {
	proc, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /proc: %w", err)
	}
	return proc, nil
})

// Enter runs a function on a thread of its own, in the mount namespace and the root directory of a process. The process is a child that
// nobody has waited for, so the PID stays its own. With -1 for both, the thread stays in the host's mount namespace. Files that the thread
// makes belong to user 0 of the IDs, or to the host's root if ids is nil. The thread ends with the function.
func Enter(pid, pidfd int, ids *idmap.IDs, do func() error) error {
	if _, err := hostProc(); err != nil {
		return err
	}
	done := make(chan error)
	go onThread(done, func() error {
		if err := enter(pid, pidfd); err != nil {
			return fmt.Errorf("enter the mount namespace of the container: %w", err)
		}
		if ids != nil {
			if err := ownFiles(ids); err != nil {
				return err
			}
		}
		return do()
	})
	return <-done
}

// onThread runs a function on a thread that ends with the goroutine, because the goroutine stays locked to it.
func onThread(done chan<- error, do func() error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The first thread does not end before the process does, and /proc/PID shows its mounts. While we have it, the next goroutine
		// gets another one.
		other := make(chan error)
		go onThread(other, do)
		done <- <-other
		runtime.UnlockOSThread()
		return
	}
	done <- do()
}

// enter takes the thread to the mount namespace and the root directory of a process.
func enter(pid, pidfd int) error {
	// The root directory, the current directory and the umask are this thread's alone from now on. unshare(2)
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	// Everything gets the mode that we ask for.
	unix.Umask(0)
	if pidfd == -1 {
		return nil
	}
	// setns goes to the root directory of the namespace. The process has another one if we have been started in a chroot.
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		err = unix.ESRCH
	}
	if err != nil {
		return fmt.Errorf("open /proc/%d/root: %w", pid, err)
	}
	defer unix.Close(root)
	if err := unix.Setns(pidfd, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("setns: %w", err)
	}
	if err := errors.Join(unix.Fchdir(root), unix.Chroot(".")); err != nil {
		return fmt.Errorf("change the root directory: %w", err)
	}
	return nil
}

// ownFiles makes new files of the thread those of the container's root. The change of user takes away the capabilities that are about files,
// so the thread takes all of its capabilities again. setfsuid(2), capabilities(7)
func ownFiles(ids *idmap.IDs) error {
	uid, gid, ok := ids.Root()
	if !ok {
		return errors.New("the user namespace has no user 0 or no group 0 (map both: linux.uidMappings, linux.gidMappings)")
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := errors.Join(unix.Setfsgid(gid), unix.Setfsuid(uid), unix.Capget(&header, &data[0])); err != nil {
		return fmt.Errorf("become the container's root for new files: %w", err)
	}
	for i := range data {
		data[i].Effective = data[i].Permitted
	}
	return os.NewSyscallError("capset", unix.Capset(&header, &data[0]))
}
