//go:build linux

// A container runtime as small as it can be. What it gives a command:
//
//   - its own process
//   - its own hostname
//   - its own process IDs: the command is process 1, and all its processes end with it
//   - its own root directory
//   - its own mounts, and a /proc that shows only its processes
//   - limits on its memory, its CPU time and the number of its processes
package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

var (
	// The kernel takes at most 64 bytes. sethostname(2)
	hostname = pflag.String("hostname", "container", "hostname of the container")
	// A root file system holds everything that the command needs: programs, libraries, /etc. hier(7)
	rootfs = pflag.String("rootfs", "/var/lib/container-workshop/rootfs", "root directory of the container")
	// The kernel reads the suffixes, and on a kernel that counts swap the limit includes swap. cgroups(7)
	memory = pflag.String("memory", "64m", "limit on memory: bytes, or a number with k, m or g")
	// Threads count, too.
	pids = pflag.Int("pids", 64, "limit on the number of processes")
	// 0.5 is half the time of one processor, 2 is all the time of two.
	cpus = pflag.Float64("cpus", 1, "limit on CPU time, in processors")
)

func main() { dispatch(run, child) }

// run is on the host. It starts this program again as child, and stays until the command ends.
func run() error {
	if err := checkRootfs(); err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{os.Args[0], "child"}, os.Args[2:]...)
	cmd.SysProcAttr = &unix.SysProcAttr{}

	// Its own hostname. Child sets it, because only a process inside can. uts_namespaces(7)
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUTS

	// Its own process IDs. When process 1 ends, the kernel kills all the others. pid_namespaces(7)
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWPID
	// The kernel kills process 1 when run dies, however run dies. PR_SET_PDEATHSIG(2const)
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL

	// Its own mounts. mount_namespaces(7)
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNS

	defer removeCgroups()
	return supervise(cmd)
}

// child is the first process in the container. It prepares the container from inside, then becomes the command.
func child() error {
	if err := awaitRun(); err != nil {
		return err
	}
	if err := setHostname(); err != nil {
		return err
	}
	if err := makeMountsPrivate(); err != nil {
		return err
	}
	if err := joinCgroups(); err != nil {
		return err
	}
	if err := changeRoot(); err != nil {
		return err
	}
	if err := mountProc(); err != nil {
		return err
	}
	return become(pflag.Args())
}

func setHostname() error {
	if err := unix.Sethostname([]byte(*hostname)); err != nil {
		return fmt.Errorf("set hostname %q (at most 64 bytes): %w", *hostname, err)
	}
	return nil
}

// checkRootfs tells a missing root file system from a missing command.
func checkRootfs() error {
	entries, err := os.ReadDir(*rootfs)
	if err == nil && len(entries) == 0 {
		err = fmt.Errorf("%s is empty", *rootfs)
	}
	if err != nil {
		return fmt.Errorf("no root file system: %w (make one: make rootfs)", err)
	}
	return nil
}

// changeRoot makes the root file system the root directory. From here on, every path starts there. chroot(2)
func changeRoot() error {
	if err := unix.Chroot(*rootfs); err != nil {
		return fmt.Errorf("chroot %s: %w", *rootfs, err)
	}
	// chroot leaves the working directory where it was: outside.
	if err := os.Chdir("/"); err != nil {
		return err
	}
	// The host's PATH may name directories that the container does not have.
	return os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

// makeMountsPrivate comes before every mount: where systemd makes / shared, our mounts would appear on the host, too. It comes
// before chroot, as the call needs a mount point, and the new / is an ordinary directory. mount_namespaces(7)
func makeMountsPrivate() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	return nil
}

// mountProc comes after chroot, so that /proc is the container's. It shows the PID namespace of the process that mounts it. proc(5)
func mountProc() error {
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount proc on /proc of the root file system: %w", err)
	}
	return nil
}

// joinCgroups puts us, and so the command, into cgroups with limits. It comes before chroot, as it needs the host's /sys. cgroups(7)
func joinCgroups() error {
	// The kernel multiplies by the suffix. With more digits, the product would overflow.
	validMemory := regexp.MustCompile(`^[1-9]\d{0,17}$|^[1-9]\d{0,9}[kmg]$`).MatchString(*memory)
	validCPUs := *cpus >= 0.01 && *cpus <= 1e6
	if !validMemory || !validCPUs || *pids < 1 {
		return fmt.Errorf("bad limit: --memory %s (want 64m or the like), --pids %d (1 or more), --cpus %g (0.01 or more)", *memory, *pids, *cpus)
	}
	// The kernel wants microseconds in each tenth of a second.
	quota := fmt.Sprint(int(*cpus * 100_000))
	// Version 1 has a tree of cgroups for each controller. Each row has a tree, a file, and what we write. 0 means us.
	settings := [][3]string{
		{"memory/", "memory.limit_in_bytes", *memory}, {"memory/", "memory.memsw.limit_in_bytes", *memory},
		{"pids/", "pids.max", fmt.Sprint(*pids)}, {"cpu/", "cpu.cfs_quota_us", quota},
		{"memory/", "cgroup.procs", "0"}, {"pids/", "cgroup.procs", "0"}, {"cpu/", "cgroup.procs", "0"},
	}
	// Version 2 has one tree. A cgroup gets the controllers that its parent passes on.
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		settings = [][3]string{
			{"", "../cgroup.subtree_control", "+memory +cpu +pids"},
			{"", "memory.max", *memory}, {"", "memory.swap.max", "0"},
			{"", "pids.max", fmt.Sprint(*pids)},
			{"", "cpu.max", quota},
			{"", "cgroup.procs", "0"},
		}
	}
	for _, s := range settings {
		dir, name, value := "/sys/fs/cgroup/"+s[0]+"container-workshop-"+containerID, s[1], s[2]
		if err := unix.Mkdir(dir, 0o755); err != nil && err != unix.EEXIST {
			return fmt.Errorf("make cgroup %s (is the cgroup file system mounted?): %w", dir, err)
		}
		file, err := os.OpenFile(dir+"/"+name, os.O_WRONLY, 0)
		if err == nil {
			_, err = file.WriteString(value)
		}
		// A kernel that does not count swap has no file for swap.
		if isSwap := name == "memory.memsw.limit_in_bytes" || name == "memory.swap.max"; err != nil && !isSwap {
			return fmt.Errorf("%w (the value is %q)", err, value)
		}
	}
	return nil
}

// removeCgroups tries again while the kernel still clears up after the last process.
func removeCgroups() {
	for _, tree := range []string{"", "memory/", "cpu/", "pids/"} {
		for n := 0; unix.Rmdir("/sys/fs/cgroup/"+tree+"container-workshop-"+containerID) == unix.EBUSY && n < 1000; n++ {
			time.Sleep(time.Millisecond)
		}
	}
}
