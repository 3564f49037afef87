//go:build linux

package stats

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup"
)

// WatchOOM calls found after the kernel has killed processes because the container used more memory than its limit. One call can stand
// for several kills. WatchOOM returns nil when the context is done or the cgroup is gone, and at once without a memory controller.
//
// The kernel notifies WatchOOM: by inotify(7) on version 2, and by an eventfd(2) on version 1, a moment before the kill. WatchOOM
// also looks once a second, because the kernel does not always notify when a cgroup goes, and version 1 may lack the file for the
// eventfd. cgroup-v2.rst, "memory.events"; cgroup-v1/memory.rst, "OOM Control"
func WatchOOM(ctx context.Context, c *cgroup.Cgroup, found func()) error {
	d := c.DirOf("memory")
	if d == nil {
		return nil
	}
	err := watch(ctx, d, found)
	if cgroup.IsGone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch %s: %w", d.Path, err)
	}
	return nil
}

func watch(ctx context.Context, d *cgroup.Dir, found func()) error {
	before, err := kills(d)
	if err != nil {
		return err
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	defer unix.Close(wake)
	// Close wake only after AfterFunc has used it for the last time.
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		close(ended)
	})
	defer func() {
		if !stop() {
			<-ended
		}
	}()
	notices, err := openNotices(d)
	if err != nil {
		return err
	}
	defer unix.Close(notices)

	for looks := 0; ctx.Err() == nil; {
		now, err := kills(d)
		if err != nil {
			return err
		}
		if now > before {
			found()
			before, looks = now, 0
		}
		// Version 1 notifies some milliseconds before the kill counts, so look more often after a notice.
		timeout := 1000
		if looks > 0 {
			timeout, looks = 10, looks-1
		}
		noticed, err := poll(timeout, wake, notices)
		if err != nil {
			return fmt.Errorf("poll: %w", err)
		}
		if noticed {
			looks = 100
		}
	}
	return nil
}

// kills returns how many processes the kernel has killed in this cgroup so far.
func kills(d *cgroup.Dir) (uint64, error) {
	file := map[int]string{1: "memory.oom_control", 2: "memory.events"}[d.Version]
	text, err := os.ReadFile(path.Join(d.Path, file))
	return cgroup.Field(string(text), "oom_kill"), err
}

// openNotices returns a descriptor that becomes readable when the kernel notifies.
func openNotices(d *cgroup.Dir) (int, error) {
	if d.Version == 2 {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
		if err != nil {
			return -1, fmt.Errorf("inotify_init: %w (fs.inotify.max_user_instances may be too low)", err)
		}
		if _, err := unix.InotifyAddWatch(fd, path.Join(d.Path, "memory.events"), unix.IN_MODIFY); err != nil && err != unix.ENOENT {
			unix.Close(fd)
			return -1, fmt.Errorf("inotify_add_watch: %w", err)
		}
		return fd, nil
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return -1, fmt.Errorf("eventfd: %w", err)
	}
	// If the kernel refuses the eventfd, WatchOOM still looks once a second.
	if control, err := os.Open(path.Join(d.Path, "memory.oom_control")); err == nil {
		defer control.Close()
		if events, err := os.OpenFile(path.Join(d.Path, "cgroup.event_control"), os.O_WRONLY, 0); err == nil {
			_, _ = fmt.Fprintf(events, "%d %d", fd, control.Fd())
			events.Close()
		}
	}
	return fd, nil
}

// poll waits for one of two descriptors, and empties notices. It reports whether notices was readable. poll(2)
func poll(milliseconds int, wake, notices int) (noticed bool, err error) {
	fds := []unix.PollFd{{Fd: int32(wake), Events: unix.POLLIN}, {Fd: int32(notices), Events: unix.POLLIN}}
	_, err = unix.Poll(fds, milliseconds)
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	if err != nil || fds[1].Revents == 0 {
		return false, err
	}
	_, err = unix.Read(notices, make([]byte, 4096))
	if errors.Is(err, unix.EAGAIN) {
		err = nil
	}
	return true, err
}
