//go:build linux

package rootfs

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An Overlay shows several directories as one. All directories are open: so no path is resolved twice, no path is too long, and the
// container finds no path of the host in its list of mounts. overlayfs.rst of the kernel
type Overlay struct {
	// Lower are the directories that stay as they are, the highest first. There can be 500.
	Lower []int
	// Upper gets all changes, and Work is empty and on the same file system. If Upper is -1, nobody can change anything.
	Upper, Work int
	// Options are further options, such as volatile or userxattr.
	Options []string
}

// Mount makes the overlay, which is attached nowhere. A single lower directory without an upper one is no overlay yet: bind it.
func (o Overlay) Mount() (int, error) {
	data := make([]string, 0, len(o.Lower)+len(o.Options)+2)
	for _, fd := range o.Lower {
		data = append(data, fmt.Sprintf("lowerdir+=/proc/self/fd/%d", fd))
	}
	if len(o.Lower) == 1 {
		return o.mountList()
	}
	mount, err := MakeFilesystem("overlay", "overlay", append(data, o.rest("/proc/self/fd/")...), 0)
	if errors.Is(err, unix.EINVAL) {
		// Before Linux 6.7 the kernel does not know lowerdir+, and need not say so: one option has all lower directories.
		if old, again := o.mountList(); again == nil {
			return old, nil
		}
	}
	return mount, err
}

func (o Overlay) mountList() (int, error) {
	list := "lowerdir=" + joined("/proc/self/fd/", o.Lower)
	if len(list) <= maxOption {
		return MakeFilesystem("overlay", "overlay", append([]string{list}, o.rest("/proc/self/fd/")...), 0)
	}
	return o.mountOld()
}

// maxOption is how long an option may be for fsconfig. fsconfig(2)
const maxOption = 255

// rest are the other options. dir is where the descriptors are.
func (o Overlay) rest(dir string) []string {
	options := o.Options
	if o.Upper != -1 {
		options = append(options[:len(options):len(options)], fmt.Sprintf("upperdir=%s%d", dir, o.Upper), fmt.Sprintf("workdir=%s%d", dir, o.Work))
	}
	return options
}

func joined(dir string, fds []int) string {
	names := make([]string, len(fds))
	for i, fd := range fds {
		names[i] = dir + strconv.Itoa(fd)
	}
	return strings.Join(names, ":")
}

// mountOld makes the overlay with mount(2), which takes a page of options. mount(2) also attaches, so a thread does it in a mount namespace
// of its own, and ends. Its working directory is where the descriptors are, so their names are short.
func (o Overlay) mountOld() (int, error) {
	type result struct {
		mount int
		err   error
	}
	done := make(chan result)
	go func() {
		// A goroutine that ends with its thread locked takes the thread with it.
		runtime.LockOSThread()
		mount, err := o.mountHere()
		done <- result{mount, err}
	}()
	r := <-done
	return r.mount, r.err
}

func (o Overlay) mountHere() (int, error) {
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err != nil {
		return -1, fmt.Errorf("enter a mount namespace for an overlay: %w", err)
	}
	// The kernel takes only directories of the mount namespace that it is called in.
	var opened []int
	defer func() {
		for _, fd := range opened {
			unix.Close(fd)
		}
	}()
	all := o.Lower
	if o.Upper != -1 {
		all = append(all[:len(all):len(all)], o.Upper, o.Work)
	}
	for _, fd := range all {
		again, err := reopenHere(fd)
		if err != nil {
			return -1, err
		}
		opened = append(opened, again)
	}
	here := Overlay{Lower: opened[:len(o.Lower)], Upper: -1, Options: o.Options}
	if o.Upper != -1 {
		here.Upper, here.Work = opened[len(o.Lower)], opened[len(o.Lower)+1]
	}
	data := strings.Join(append([]string{"lowerdir=" + joined("", here.Lower)}, here.rest("")...), ",")
	if len(data) >= os.Getpagesize() {
		return -1, fmt.Errorf("mount an overlay of %d directories: before Linux 6.7 their list has no room in a page (use an image with fewer layers)", len(o.Lower))
	}
	if err := unix.Chdir("/proc/thread-self/fd"); err != nil {
		return -1, fmt.Errorf("chdir /proc/thread-self/fd: %w", err)
	}
	if err := unix.Mount("overlay", "/proc", "overlay", 0, data); err != nil {
		return -1, fmt.Errorf("mount an overlay of %d directories: %w", len(o.Lower), err)
	}
	return Clone("/proc", false)
}

// reopenHere opens a directory again by its path, in another mount namespace.
func reopenHere(fd int) (int, error) {
	name, err := os.Readlink(fmt.Sprintf("/proc/thread-self/fd/%d", fd))
	if err != nil {
		return -1, err
	}
	again, err := unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s again: %w", name, err)
	}
	if !sameFile(fd, again) {
		unix.Close(again)
		return -1, fmt.Errorf("open %s again: it is another directory now", name)
	}
	return again, nil
}
