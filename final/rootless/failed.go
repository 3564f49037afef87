//go:build linux

package rootless

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Failed returns the error for a list that could not enter the user namespace, and nil for any other final. The host's root may have asked for
// the user namespace, and final may be root in a user namespace that lacks its groups: so the user ID does not matter.
func Failed() error {
	marker, failed := strings.CutPrefix(os.Getenv(Marker), "!")
	if !failed {
		return nil
	}
	what, number, _ := strings.Cut(marker, ":")
	errno, _ := strconv.Atoi(number)
	return because(what, unix.Errno(errno))
}

// because is the error for a failure of what makes the user namespace. The errno is 0 if it is not known.
func because(what string, errno unix.Errno) error {
	var err error = errno
	if errno == 0 {
		err = errors.New("failed")
	}
	if why := ThisHost().NoNamespace(); why != nil && what != "join" {
		return fmt.Errorf("a container without root needs a user namespace: %w", why)
	}
	return fmt.Errorf("a container without root needs a user namespace: %s: %w (%s)", what, err, advice(what, errno))
}

func advice(what string, errno unix.Errno) string {
	switch {
	case what == "newuidmap" || what == "newgidmap":
		return fmt.Sprintf("%s has written why: look into /etc/subuid and /etc/subgid, and whether %[1]s is setuid root on a file system without nosuid", what)
	case errno == unix.ENOSPC || errno == unix.EUSERS:
		return "there are too many: sudo sysctl user.max_user_namespaces=15000"
	case errno == unix.EINVAL:
		return "the kernel has no user namespaces, or does not allow them here"
	case errno == unix.EPERM && what != "join":
		return "the host does not allow them, or final runs in a sandbox or in a chroot: use sudo"
	}
	return "or use sudo"
}
