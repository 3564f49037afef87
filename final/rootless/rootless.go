//go:build linux

// Package rootless runs on the host side. It lets an ordinary user run containers: it knows where the files of a user are, and takes final
// into a user namespace, in which the user has the rights that making a container needs.
package rootless

import (
	"os"
	"path/filepath"
)

// Marker is the variable that final sets for itself when it enters the user namespace of an ordinary user. Its value is the ID that the user
// has on the host. guard, monitor and hooks inherit it.
const Marker = "CONTAINER_WORKSHOP_USER"

// Is reports whether final works for an ordinary user: before or after it has entered the user namespace.
func Is() bool { return os.Geteuid() != 0 || os.Getenv(Marker) != "" }

// Home is the directory of what final keeps on the disk for an ordinary user. It is empty if the user has no home directory.
// https://specifications.freedesktop.org/basedir-spec/latest/
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
