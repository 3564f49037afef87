//go:build linux

package stats

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

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
	notices, err := openNotices(d)
	if err != nil {
		return err
	}
	defer notices.Close()
	// Closing the file ends a Read.
	defer context.AfterFunc(ctx, func() { notices.Close() })()

	buffer := make([]byte, 4096)
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
		timeout := time.Second
		if looks > 0 {
			timeout, looks = 10*time.Millisecond, looks-1
		}
		_ = notices.SetReadDeadline(time.Now().Add(timeout))
		_, err = notices.Read(buffer)
		if err == nil {
			looks = 100
		} else if !errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
			return err
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

// openNotices returns a file that becomes readable when the kernel notifies.
func openNotices(d *cgroup.Dir) (*os.File, error) {
	if d.Version == 2 {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
		if err != nil {
			return nil, fmt.Errorf("inotify_init: %w (fs.inotify.max_user_instances may be too low)", err)
		}
		if _, err := unix.InotifyAddWatch(fd, path.Join(d.Path, "memory.events"), unix.IN_MODIFY); err != nil && err != unix.ENOENT {
			unix.Close(fd)
			return nil, fmt.Errorf("inotify_add_watch: %w", err)
		}
		return os.NewFile(uintptr(fd), "inotify"), nil
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	// If the kernel refuses the eventfd, WatchOOM still looks once a second.
	if control, err := os.Open(path.Join(d.Path, "memory.oom_control")); err == nil {
		defer control.Close()
		if events, err := os.OpenFile(path.Join(d.Path, "cgroup.event_control"), os.O_WRONLY, 0); err == nil {
			_, _ = fmt.Fprintf(events, "%d %d", fd, control.Fd())
			events.Close()
		}
	}
	return os.NewFile(uintptr(fd), "eventfd"), nil
}
