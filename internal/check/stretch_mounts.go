//go:build linux

package check

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// beyondMounts has the exercises of step 5, and the first of step 7.
var beyondMounts = []Property{
	{
		Name:  "--volume SRC:DST shows a directory of the host in the container, mounted nowhere on the host, and an SRC that is not there is named in one line",
		Step:  5,
		Needs: []string{procMounted},
		Why:   "A volume is how a container and the host share files. mount(2), open_tree(2)",
		Where: "step05-proc/README.md#check-your-work",
		check: func(p *Program) error {
			source, err := publicDir()
			if err != nil {
				return err
			}
			defer os.RemoveAll(source)
			target, err := os.MkdirTemp(p.Rootfs, "container-workshop-check-")
			if err != nil {
				return unclear(err)
			}
			defer os.Remove(target)
			// If the mount is shared, which is a mistake, we see it here, too.
			defer unix.Unmount(target, unix.MNT_DETACH)
			if err := os.WriteFile(filepath.Join(source, "ours"), []byte("of the host\n"), 0o644); err != nil {
				return unclear(err)
			}
			if err := p.volume(source, target); err != nil {
				return err
			}
			missing := filepath.Join(source, "missing")
			return p.refuses(call{flags: []string{"--volume", missing + ":/mnt"}, command: []string{"/bin/true"}}, 125, missing)
		},
	},
	{
		Name:  "pivot_root in place of chroot: no mount of the host is in the mount namespace of the container",
		Step:  5,
		Needs: []string{procMounted},
		Why:   "Below a root directory changed by chroot, all mounts of the host are still there. pivot_root(2)",
		Where: "step05-proc/README.md#check-your-work",
		check: func(p *Program) error {
			return p.whileReady(func(s *session) error {
				inside, err := s.container()
				if err != nil {
					return err
				}
				defer release(inside)
				if err := atTop(inside[0].pid); err != nil {
					return err
				}
				return noneOfTheHost(inside[0].pid)
			})
		},
	},
	{
		Name:  "--tmpfs more than once: each of the directories is a tmpfs",
		Step:  7,
		Needs: []string{tmpfsElsewhere},
		Why:   "Many programs want both /tmp and /run in memory. tmpfs(5)",
		Where: "step07-tmpfs/README.md#check-your-work",
		check: func(p *Program) error {
			defer os.RemoveAll(filepath.Join(p.Rootfs, "tmp/check-tmpfs"))
			first, second := "/tmp/check-tmpfs/first", "/tmp/check-tmpfs/second"
			return p.whileReady(func(s *session) error {
				for _, target := range []string{first, second} {
					if _, err := s.mount(target, "tmpfs"); err != nil {
						return err
					}
				}
				return nil
			}, "--tmpfs", first, "--tmpfs", second)
		},
	},
}

// volume returns an error unless a directory of the host is mounted at the target in the root file system, for as long as the container
// runs.
func (p *Program) volume(source, target string) error {
	before, err := mountTable()
	if err != nil {
		return unclear(err)
	}
	place := "/" + filepath.Base(target)
	err = p.during("cat "+place+"/ours; echo of the container > "+place+"/theirs; echo ready; exec sleep 1000", func(s *session) error {
		if err := want("a file of the host, in the container", "of the host\nready\n", s.stdout.String()); err != nil {
			return err
		}
		theirs, err := os.ReadFile(filepath.Join(source, "theirs"))
		if err != nil {
			return fmt.Errorf("what the container writes is not in SRC: %w", err)
		}
		if err := want("a file of the container, on the host", "of the container\n", string(theirs)); err != nil {
			return err
		}
		return sameMounts(before)
	}, "--volume", source+":"+place)
	if err == nil {
		err = sameMounts(before)
	}
	if err != nil {
		return err
	}
	left, err := os.ReadDir(target)
	if err != nil {
		return err
	}
	return want("the number of files in DST on the host", 0, len(left))
}

// atTop returns an error unless the root directory of a process is the root of its mount namespace. Below another directory there is a
// way out. chroot(2)
func atTop(pid int) error {
	var theirs, top unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/root/", pid), &theirs); err != nil {
		return err
	}
	err := isolated(func() error {
		ns, err := unix.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(ns)
		// setns takes us to the root directory of the namespace. setns(2)
		if err := unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
			return unclear(err)
		}
		return unix.Stat("/", &top)
	})
	if err != nil {
		return err
	}
	if theirs.Dev != top.Dev || theirs.Ino != top.Ino {
		return errors.New("the root directory of the mount namespace is still that of the host, with all its mounts")
	}
	return nil
}

// noneOfTheHost returns an error if a process sees a mount of the host, other than its own root directory.
func noneOfTheHost(pid int) error {
	host, err := mountTable()
	if err != nil {
		return unclear(err)
	}
	known := map[string]bool{}
	for line := range strings.Lines(host) {
		known[mounted(line)] = true
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if place := strings.Fields(line)[4]; place != "/" && known[mounted(line)] {
			return fmt.Errorf("a mount of the host is in the container, on %s", place)
		}
	}
	return nil
}

// mounted returns what a line of mountinfo says about the mount's origin: the device, and the directory on it. proc_pid_mountinfo(5)
func mounted(line string) string {
	return strings.Join(strings.Fields(line)[2:4], " ")
}
