//go:build linux

package check

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A scratch is the host as an examined program sees it: a mount namespace with all the files of the host, where whatever is
// written goes into memory, and is gone with the scratch. Only /proc, /sys and /dev are those of the host.
type scratch struct {
	// namespace is a descriptor of the mount namespace, and memory one of the file system that holds what is written.
	namespace, memory int
	layers            []layer
	// unprotected are the mounts that no layer could be put on. They are read-only, where that was possible.
	unprotected []string
}

// A layer takes what is written to a mount.
type layer struct {
	// place is where the mount is, and upper the directory in the scratch's memory.
	place, upper string
}

// kernels are the types of file systems that hold no files of a disk: the kernel makes up what is in them.
var kernels = strings.Fields("proc sysfs devtmpfs devpts cgroup cgroup2 mqueue hugetlbfs securityfs debugfs tracefs configfs pstore bpf " +
	"binfmt_misc efivarfs rpc_pipefs nsfs fusectl selinuxfs")

// newScratch makes a scratch. Its caller has to close it.
func newScratch() (*scratch, error) {
	// The mount point is needed only until the scratch has a root directory of its own.
	dir, err := os.MkdirTemp("", "container-workshop-scratch-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(dir)
	s := &scratch{namespace: -1, memory: -1}
	result := make(chan error)
	go func() {
		// Without UnlockOSThread the thread ends with this goroutine.
		runtime.LockOSThread()
		result <- s.build(dir)
	}()
	if err := <-result; err != nil {
		s.close()
		return nil, fmt.Errorf("put a layer over the files of the host: %w", err)
	}
	return s, nil
}

func (s *scratch) close() {
	unix.Close(s.namespace)
	unix.Close(s.memory)
}

// build makes the scratch below a directory, and moves the calling thread there.
func (s *scratch) build(dir string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	table, err := mountTable()
	if err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512m,mode=700"); err != nil {
		return err
	}
	if s.memory, err = unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	top := filepath.Join(dir, "root")
	if err := errors.Join(unix.Mkdir(top, 0o755), s.cover("/", dir, top)); err != nil {
		return err
	}
	for line := range strings.Lines(table) {
		fields, rest, _ := strings.Cut(line, " - ")
		place, options, fstype := unescape(strings.Fields(fields)[4]), strings.Fields(fields)[5], strings.Fields(rest)[0]
		if place != "/" && fstype != "autofs" {
			s.show(place, fstype, slices.Contains(strings.Split(options, ","), "ro"), dir, top+place)
		}
	}
	return s.enter(top)
}

// show makes a mount of the host appear in the scratch, with a layer if it holds files that can be changed.
func (s *scratch) show(place, fstype string, readOnly bool, dir, target string) {
	for _, above := range []string{"/proc", "/sys", "/dev"} {
		if place == above {
			unix.Mount(place, target, "", unix.MS_BIND|unix.MS_REC, "")
		}
		if place == above || strings.HasPrefix(place, above+"/") {
			return
		}
	}
	if slices.Contains(kernels, fstype) || readOnly {
		unix.Mount(place, target, "", unix.MS_BIND, "")
		return
	}
	if s.cover(place, dir, target) == nil {
		return
	}
	// A single file cannot have a layer, nor can some folders that are shared with another machine.
	if unix.Mount(place, target, "", unix.MS_BIND, "") != nil {
		return
	}
	if info, err := os.Stat(target); err == nil && info.IsDir() {
		s.unprotected = append(s.unprotected, place)
	}
	unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
}

// cover mounts on the target what is at the place, with a layer on it.
func (s *scratch) cover(place, dir, target string) error {
	lower, err := unix.Open(place, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(lower)
	var root unix.Stat_t
	if err := unix.Fstat(lower, &root); err != nil {
		return err
	}
	name := fmt.Sprint(len(s.layers))
	upper, work := filepath.Join(dir, name, "upper"), filepath.Join(dir, name, "work")
	if err := errors.Join(os.MkdirAll(upper, 0o700), os.MkdirAll(work, 0o700)); err != nil {
		return err
	}
	// The root directory of the overlay is like that of the upper directory.
	if err := errors.Join(unix.Chown(upper, int(root.Uid), int(root.Gid)), unix.Chmod(upper, root.Mode&0o7777)); err != nil {
		return err
	}
	// Paths can have commas and colons in them, which would have to be escaped.
	options := fmt.Sprintf("lowerdir=/proc/thread-self/fd/%d,upperdir=%s,workdir=%s", lower, upper, work)
	if err := unix.Mount("overlay", target, "overlay", 0, options); err != nil {
		return err
	}
	s.layers = append(s.layers, layer{place, filepath.Join(name, "upper")})
	return nil
}

// enter makes the directory the root directory, and keeps the namespace.
func (s *scratch) enter(top string) error {
	if err := unix.Chdir(top); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	var err error
	s.namespace, err = unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return err
}

// join moves the calling thread into the scratch.
func (s *scratch) join() error {
	here, err := os.Getwd()
	if err != nil {
		here = "/"
	}
	// A thread that shares its directories with others cannot change the mount namespace. setns(2)
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	if err := unix.Setns(s.namespace, unix.CLONE_NEWNS); err != nil {
		return err
	}
	if unix.Chdir(here) != nil {
		return unix.Chdir("/")
	}
	return nil
}

// unescape returns a path as mountinfo shows it without the octal numbers for blanks. proc_pid_mountinfo(5)
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}
