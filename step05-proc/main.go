//go:build linux

// A container runtime as small as it can be. What it gives a command:
//
//   - its own process
//   - its own hostname
//   - its own process IDs: the command is process 1, and all its processes end with it
//   - its own root directory
//   - its own mounts, and a /proc that shows only its processes
package main

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

var (
	// The kernel takes at most 64 bytes. sethostname(2)
	hostname = pflag.String("hostname", "container", "hostname of the container")
	// A root file system holds everything that the command needs: programs, libraries, /etc. hier(7)
	rootfs = pflag.String("rootfs", "/var/lib/container-workshop/rootfs", "root directory of the container")
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
