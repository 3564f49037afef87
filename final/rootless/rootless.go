//go:build linux

// Package rootless runs on the host side. It lets an ordinary user run containers: it knows where the files of a user are (this file), which
// IDs the user may use (ids.go), and takes final into a user namespace (enter.go, make.go, arrive.go). There final is root, and goes on as it
// does for the host's root. user_namespaces(7)
package rootless

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/namespace"
)

// Marker is the variable that final sets for itself when it enters the user namespace of an ordinary user. Its value is the ID that the user
// has on the host, or an exclamation mark and what has failed. guard, monitor and hooks inherit the variable. Until final has arrived, the
// value also has the descriptors of two children: see Arrive.
const Marker = "CONTAINER_WORKSHOP_USER"

// Is reports whether final works for an ordinary user: before or after it has entered the user namespace.
func Is() bool { return os.Geteuid() != 0 || Entered() }

// Entered reports whether final has entered the user namespace of an ordinary user. Anybody can set the variable, but nobody can make the
// host's root believe it.
func Entered() bool {
	_, ok := marked()
	return ok && os.Geteuid() == 0 && namespace.Nested()
}

// marked returns the ID that the variable names.
func marked() (uid int, ok bool) {
	marker, _, _ := strings.Cut(os.Getenv(Marker), ":")
	id, err := strconv.ParseUint(marker, 10, 32)
	return int(id), err == nil
}

// UID is the ID that the user has on the host.
func UID() int {
	if uid, ok := marked(); ok && namespace.Nested() {
		return uid
	}
	return os.Getuid()
}

// Root is the directory with the state of the user's containers. A restart of the host clears it. The directory in /tmp is for a user without
// a session: final checks that it belongs to the user, like any other directory.
func Root() string {
	if dir := session(); dir != "" {
		return filepath.Join(dir, "container-workshop")
	}
	return fmt.Sprintf("/tmp/container-workshop-%d", UID())
}

// session is the directory of the user's session, which is empty after a login. Without a session it is "". Base Directory Specification,
// XDG_RUNTIME_DIR
func session() string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if filepath.IsAbs(dir) {
		return dir
	}
	dir = fmt.Sprintf("/run/user/%d", UID())
	if _, err := os.Lstat(dir); err != nil {
		return ""
	}
	return dir
}

// First reports whether nobody has asked this question in the session of the user. So a user learns once after each login what is missing.
func First(question string) bool {
	dir := session()
	if dir == "" {
		return true
	}
	fd, err := unix.Open(filepath.Join(dir, "container-workshop."+question), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		unix.Close(fd)
	}
	return err != unix.EEXIST
}

// Home is the directory of what final keeps on the disk for an ordinary user. It is empty if the user has no home directory. Base Directory
// Specification, XDG_DATA_HOME
func Home() string {
	data := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) {
		home := os.Getenv("HOME")
		if !filepath.IsAbs(home) {
			return ""
		}
		data = filepath.Join(home, ".local/share")
	}
	return filepath.Join(data, "container-workshop")
}
