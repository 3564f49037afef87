//go:build linux

package cgroup

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Procs returns the numbers of all processes in the cgroup and below it, sorted, as the runtime sees them. Zombies are not
// among them. A cgroup that has gone has none.
func (c *Cgroup) Procs() ([]int, error) {
	if len(c.Dirs) == 0 {
		return nil, nil
	}
	return procsBelow(c.watched().Path)
}

// procsBelow is Procs for one tree.
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

// Kill sends a signal to all processes in the cgroup and below it. For SIGKILL it waits until none is left, for up to five
// seconds, whether the cgroup is frozen or not. Any other signal goes once to each process that is there now, and a frozen one
// gets it later. No processes are no error. kill(2), cgroup-v2.rst, "cgroup.kill"
func (c *Cgroup) Kill(sig unix.Signal) error {
	if sig != unix.SIGKILL {
		return c.signal(sig)
	}
	killed := false
	if d := c.unified(); d != nil {
		// Since Linux 5.14 the kernel kills all at once, so that none can escape by forking.
		killed = writeFile(path.Join(d.Path, "cgroup.kill"), "1") == nil
	}
	deadline := time.Now().Add(patience)
	for round := 0; ; round++ {
		if !killed {
			// They may fork faster than we count. But frozen ones only die when they thaw.
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

// signal does what kill(2) does, for all processes that there are now.
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

// watched returns the tree that tells what processes there are: that of version 2, which can also end and freeze them, else that
// of the freezer.
func (c *Cgroup) watched() *Dir {
	if d := c.unified(); d != nil {
		return d
	}
	if d := c.DirOf("freezer"); d != nil {
		return d
	}
	return &c.Dirs[0]
}

// maxPath is how long the path of a cgroup may become, with the name of a file still to come. path_resolution(7)
const maxPath = 3500

// walk visits a cgroup and those below it, children first. That one of them goes meanwhile is no error. A container can make cgroups
// at any depth: where a path becomes too long, those below are reached from a descriptor. Their paths are good during the visit only.
func walk(dir string, visit func(string) error) error {
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

// readProcs returns the processes of one cgroup, without those of other PID namespaces, which the kernel shows as 0.
func readProcs(dir string) ([]int, error) {
	words, err := readWords(path.Join(dir, "cgroup.procs"))
	if IsGone(err) {
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
