//go:build linux

// A container runtime as small as it can be. What it gives a command:
//
//   - its own process
//   - its own hostname
//   - its own process IDs: the command is process 1, and all its processes end with it
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
)

func main() { dispatch(run, child) }

// run is on the host. It starts this program again as child, and stays until the command ends.
func run() error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{os.Args[0], "child"}, os.Args[2:]...)
	cmd.SysProcAttr = &unix.SysProcAttr{}

	// Its own hostname. Child sets it, because only a process inside can. uts_namespaces(7)
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUTS

	// Its own process IDs. When process 1 ends, the kernel kills all the others. pid_namespaces(7)
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWPID
	// The kernel kills process 1 when run dies, however run dies. PR_SET_PDEATHSIG(2const)
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL

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
	return become(pflag.Args())
}

func setHostname() error {
	if err := unix.Sethostname([]byte(*hostname)); err != nil {
		return fmt.Errorf("set hostname %q (at most 64 bytes): %w", *hostname, err)
	}
	return nil
}
