//go:build linux

// A container runtime as small as it can be. What it gives a command:
//
//   - its own process
package main

import (
	"os"
	"os/exec"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

func main() { dispatch(run, child) }

// run is on the host. It starts this program again as child, and stays until the command ends.
func run() error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{os.Args[0], "child"}, os.Args[2:]...)
	cmd.SysProcAttr = &unix.SysProcAttr{}

	return supervise(cmd)
}

// child is the first process in the container. It prepares the container from inside, then becomes the command.
func child() error {
	if err := awaitRun(); err != nil {
		return err
	}
	return become(pflag.Args())
}
