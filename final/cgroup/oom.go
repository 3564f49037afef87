//go:build linux

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// WatchOOM calls found each time that the kernel has killed because the container took more memory than its limit: once, if it
// has killed several processes meanwhile. It returns nil when the context is done, or the cgroup is gone, and at once if there
// is no memory controller.
//
// The kernel wakes us: on version 2 by inotify(7), on version 1 by an eventfd(2), which it does before it kills. Once a second we
// look anyway: a cgroup that goes is not always told, and version 1 may be without the second file of the two.
// cgroup-v2.rst, "memory.events", and cgroup-v1/memory.rst, "OOM Control"
func (c *Cgroup) WatchOOM(ctx context.Context, found func()) error {
	d := c.dirOf("memory")
	if d == nil {
		return nil
	}
	before, err := d.oomKills()
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch %s: eventfd: %w", d.Path, err)
	}
	defer unix.Close(wake)
	// It is closed after the last use that AfterFunc can make of it.
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
	notices, err := d.oomNotices()
	if err != nil {
		return fmt.Errorf("watch %s: %w", d.Path, err)
	}
	defer unix.Close(notices)

	for waits := 0; ctx.Err() == nil; {
		kills, err := d.oomKills()
		if isGone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if kills > before {
			found()
			before, waits = kills, 0
		}
		// After a notice of version 1, the kill itself is a matter of milliseconds.
		timeout := 1000
		if waits > 0 {
			timeout, waits = 10, waits-1
		}
		noticed, err := poll(timeout, wake, notices)
		if err != nil {
			return fmt.Errorf("watch %s: poll: %w", d.Path, err)
		}
		if noticed {
			waits = 100
		}
	}
	return nil
}

// oomKills is how many processes the kernel has killed in this cgroup so far.
func (d *Dir) oomKills() (uint64, error) {
	file := "memory.oom_control"
	if d.Version == 2 {
		file = "memory.events"
	}
	text, err := os.ReadFile(path.Join(d.Path, file))
	return field(string(text), "oom_kill"), err
}

// oomNotices returns a descriptor that can be read when the kernel has something to tell.
func (d *Dir) oomNotices() (int, error) {
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
	control, err := os.Open(path.Join(d.Path, "memory.oom_control"))
	if err == nil {
		defer control.Close()
		// Where it is refused, what is left is to look once a second.
		_ = writeFile(path.Join(d.Path, "cgroup.event_control"), fmt.Sprintf("%d %d", fd, control.Fd()))
	}
	return fd, nil
}

// poll waits for one of the descriptors, and reads what is there. It reports whether the second had something. poll(2)
func poll(milliseconds int, wake, notices int) (noticed bool, err error) {
	fds := []unix.PollFd{{Fd: int32(wake), Events: unix.POLLIN}, {Fd: int32(notices), Events: unix.POLLIN}}
	_, err = unix.Poll(fds, milliseconds)
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	if err != nil || fds[1].Revents == 0 {
		return false, err
	}
	// What it is does not matter.
	_, err = unix.Read(notices, make([]byte, 4096))
	if errors.Is(err, unix.EAGAIN) {
		err = nil
	}
	return true, err
}
