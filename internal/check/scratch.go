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

// A scratch is the host as an examined program sees it: a mount namespace with all files of the host, where overlays send every write
// to memory. Only /proc, /sys and the devices are the real ones.
type scratch struct {
	// namespace is a descriptor of the mount namespace. memory is a descriptor of the tmpfs that takes the writes.
	namespace, memory int
	layers            []layer
	// unprotected are the mounts that take no overlay. They are read-only in the scratch.
	unprotected []string
}

// A layer is an overlay on one mount of the host.
type layer struct {
	// place is the mount point.
	place string
	// lower is a descriptor of a read-only mount of the host's files.
	lower int
	// upper is the directory in memory that takes the writes.
	upper string
}

// pseudoFilesystems are the types of file systems whose files come from the kernel, not from a disk.
var pseudoFilesystems = strings.Fields("proc sysfs devtmpfs devpts cgroup cgroup2 mqueue hugetlbfs securityfs debugfs tracefs configfs pstore bpf " +
	"binfmt_misc efivarfs rpc_pipefs nsfs fusectl selinuxfs")

// newScratch makes a scratch. The caller must close it.
func newScratch() (*scratch, error) {
	// This directory is only a mount point until the scratch has its own root directory. Then the descriptor still leads to it.
	dir, err := os.MkdirTemp("", "container-workshop-scratch-")
	if err != nil {
		return nil, unprotected(err)
	}
	parent, err := unix.Open(filepath.Dir(dir), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, unprotected(err)
	}
	defer unix.Close(parent)
	defer unix.Unlinkat(parent, filepath.Base(dir), unix.AT_REMOVEDIR)
	s := &scratch{namespace: -1, memory: -1}
	result := make(chan error)
	go func() {
		// Without UnlockOSThread the thread ends with this goroutine.
		runtime.LockOSThread()
		result <- s.build(dir)
	}()
	if err := <-result; err != nil {
		s.close()
		return nil, unprotected(fmt.Errorf("put an overlay over its files: %w", err))
	}
	return s, nil
}

func (s *scratch) close() {
	unix.Close(s.namespace)
	unix.Close(s.memory)
	for _, l := range s.layers {
		unix.Close(l.lower)
	}
}

// build makes the scratch below a directory, and moves the calling thread there.
func (s *scratch) build(dir string) (err error) {
	here, err := os.Getwd()
	if err != nil {
		here = "/"
	}
	// After Guard, this mount namespace is our own. Then all our threads move to the scratch, because /proc/1/root must not lead to the
	// files of the host.
	if !Guarded() {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return err
		}
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
	defer func() {
		if err != nil {
			unix.Unmount(dir, unix.MNT_DETACH)
		}
	}()
	if s.memory, err = unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	top := filepath.Join(dir, "root")
	if err := errors.Join(unix.Mkdir(top, 0o755), s.mountOverlay("/", dir, top)); err != nil {
		return err
	}
	for line := range strings.Lines(table) {
		fields, rest, _ := strings.Cut(line, " - ")
		place, options, fstype := unescape(strings.Fields(fields)[4]), strings.Fields(fields)[5], strings.Fields(rest)[0]
		if place == "/" || fstype == "autofs" {
			continue
		}
		if err := s.mirrorMount(place, fstype, slices.Contains(strings.Split(options, ","), "ro"), dir, top+place); err != nil {
			return fmt.Errorf("make %s read-only: %w", place, err)
		}
	}
	return s.enter(top, here)
}

// mirrorMount shows a mount of the host in the scratch, with an overlay if it holds files that can be changed. A mount that cannot be
// shown is not in the scratch, so a program cannot change its files either.
func (s *scratch) mirrorMount(place, fstype string, readOnly bool, dir, target string) error {
	pseudo := slices.Contains(pseudoFilesystems, fstype)
	for _, above := range []string{"/proc", "/sys", "/dev"} {
		if place == above {
			unix.Mount(place, target, "", unix.MS_BIND|unix.MS_REC, "")
			return nil
		}
		// This mount came with the one above. Ordinary files in /dev, like those in /dev/shm, still need an overlay.
		if strings.HasPrefix(place, above+"/") && (pseudo || above != "/dev") {
			return nil
		}
	}
	if !pseudo && !readOnly && s.mountOverlay(place, dir, target) == nil {
		return nil
	}
	if unix.Mount(place, target, "", unix.MS_BIND, "") != nil || pseudo || readOnly {
		return nil
	}
	// A single file takes no overlay, and neither do some folders that are shared with another machine.
	if info, err := os.Stat(target); err == nil && info.IsDir() {
		s.unprotected = append(s.unprotected, place)
	}
	return mountReadOnly(target)
}

func mountReadOnly(target string) error {
	return unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
}

// mountOverlay mounts an overlay on target. Its lower layer is place, and writes go to a directory in dir.
func (s *scratch) mountOverlay(place, dir, target string) error {
	name := fmt.Sprint(len(s.layers))
	at := filepath.Join(dir, name)
	upper, work, below := filepath.Join(at, "upper"), filepath.Join(at, "work"), filepath.Join(at, "lower")
	if err := errors.Join(os.MkdirAll(upper, 0o700), os.MkdirAll(work, 0o700), os.MkdirAll(below, 0o700)); err != nil {
		return err
	}
	if err := unix.Mount(place, below, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	// The descriptor keeps the mount. So nothing else needs it at this path.
	defer unix.Unmount(below, unix.MNT_DETACH)
	if err := mountReadOnly(below); err != nil {
		return err
	}
	lower, err := unix.Open(below, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	options := fmt.Sprintf("lowerdir=/proc/thread-self/fd/%d,upperdir=%s,workdir=%s", lower, upper, work)
	if err := errors.Join(likeRoot(lower, upper), unix.Mount("overlay", target, "overlay", 0, options)); err != nil {
		unix.Close(lower)
		return err
	}
	s.layers = append(s.layers, layer{place, lower, filepath.Join(name, "upper")})
	return nil
}

// likeRoot copies the owner and mode of the lower directory to the upper directory. The root directory of an overlay takes its owner
// and mode from the upper directory.
func likeRoot(lower int, upper string) error {
	var root unix.Stat_t
	return errors.Join(unix.Fstat(lower, &root), unix.Chown(upper, int(root.Uid), int(root.Gid)), unix.Chmod(upper, root.Mode&0o7777))
}

// enter makes a directory the root directory, returns to the working directory, and keeps the namespace.
func (s *scratch) enter(top, here string) error {
	if err := unix.Chdir(top); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	if err := chdir(here); err != nil {
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
	return chdir(here)
}

// chdir changes to a directory, or to the root directory if there is no such directory.
func chdir(dir string) error {
	if unix.Chdir(dir) != nil {
		return unix.Chdir("/")
	}
	return nil
}

// unescape returns a path as mountinfo shows it with its octal escapes decoded. proc_pid_mountinfo(5)
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}
