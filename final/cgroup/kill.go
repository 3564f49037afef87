//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long the kernel may take to end or freeze processes.
const patience = 5 * time.Second

// Procs returns the PIDs of all processes in the cgroup and below, sorted, as this process sees them. Zombies are not among them. A
// cgroup that is gone has no processes.
func (c *Cgroup) Procs() ([]int, error) {
	if len(c.Dirs) == 0 {
		return nil, nil
	}
	return procsBelow(c.watched().Path)
}

func procsBelow(dir string) ([]int, error) {
	var pids []int
	err := walk(dir, func(dir string) error {
		procs, err := readProcs(dir)
		pids = append(pids, procs...)
		return err
	})
	slices.Sort(pids)
	return slices.Compact(pids), err
}

// readProcs returns the processes of one cgroup. The kernel writes 0 for a process of another PID namespace. A threaded cgroup has no list: its
// processes are in the list of a cgroup above. A container that may write to its cgroups can make a threaded cgroup.
// cgroup-v2.rst, "Threads"
func readProcs(dir string) ([]int, error) {
	words, err := readWords(path.Join(dir, "cgroup.procs"))
	if IsGone(err) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, word := range words {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("%s/cgroup.procs: %w", dir, err)
		}
		if pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// watched returns the cgroup whose list of processes counts: on version 2 the kernel can also kill them all at once, and the tree of the
// freezer can stop them.
func (c *Cgroup) watched() *Dir {
	if d := c.unified(); d != nil {
		return d
	}
	if d := c.freezer(); d != nil {
		return d
	}
	return &c.Dirs[0]
}

// Kill sends a signal to all processes in the cgroup and below. After SIGKILL it waits up to five seconds until no process is left, even
// in a frozen cgroup. A frozen process gets any other signal later. kill(2); cgroup-v2.rst, "cgroup.kill"
func (c *Cgroup) Kill(sig unix.Signal) error {
	if sig != unix.SIGKILL {
		return c.signal(sig)
	}
	killed := false
	if d := c.unified(); d != nil {
		// Since Linux 5.14 the kernel kills all processes at once, so that no process can escape by forking.
		killed = writeFile(path.Join(d.Path, "cgroup.kill"), "1") == nil
	}
	deadline := time.Now().Add(patience)
	for round := 0; ; round++ {
		if !killed {
			// Processes may fork faster than we read their PIDs, so freeze them. They die when they thaw.
			if round > 0 {
				c.Freeze(true)
			}
			if err := c.signal(sig); err != nil {
				return err
			}
		}
		c.Thaw()
		pids, err := c.Procs()
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes survive SIGKILL: %v", pids)
		}
		time.Sleep(time.Millisecond)
	}
}

// signal sends a signal to each process that is in the cgroup now.
func (c *Cgroup) signal(sig unix.Signal) error {
	pids, err := c.Procs()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, sig); err != nil && err != unix.ESRCH {
			return fmt.Errorf("send signal %d to process %d: %w", sig, pid, err)
		}
	}
	return nil
}

// maxPath is the length from which a path may become too long for the kernel with one more name. path_resolution(7)
const maxPath = 3500

// walk visits a cgroup and the cgroups below, children first, and skips a cgroup that goes in the meantime. A container can nest cgroups
// at any depth. So walk replaces a long path by a short one, through a descriptor, which is valid only during the visit.
func walk(dir string, visit func(string) error) error {
	var stat unix.Stat_t
	if unix.Lstat(dir, &stat) == nil && stat.Nlink == 2 {
		// A directory has one link from above, one from itself, and one from each directory below. A list of the files would take long.
		return visit(dir)
	}
	entries, err := os.ReadDir(dir)
	if IsGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return !e.IsDir() })
	below := dir
	if len(entries) > 0 && len(dir) > maxPath {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if IsGone(err) {
			return nil
		}
		if err != nil {
			return &fs.PathError{Op: "open", Path: dir, Err: err}
		}
		defer unix.Close(fd)
		below = fmt.Sprintf("/proc/self/fd/%d", fd)
	}
	for _, e := range entries {
		if err := walk(path.Join(below, e.Name()), visit); err != nil {
			return err
		}
	}
	return visit(dir)
}
