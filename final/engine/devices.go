//go:build linux

package engine

import (
	"io/fs"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// hostDevices are the device nodes of the host, for a privileged container. It has its own terminals.
func hostDevices() []specs.LinuxDevice {
	var devices []specs.LinuxDevice
	_ = filepath.WalkDir("/dev", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (name == "/dev/pts" || name == "/dev/shm" || name == "/dev/mqueue" || name == "/dev/fd") {
			return filepath.SkipDir
		}
		if err != nil || entry.Type()&fs.ModeDevice == 0 || name == "/dev/console" || name == "/dev/ptmx" {
			return nil
		}
		var stat unix.Stat_t
		if unix.Lstat(name, &stat) == nil {
			kind, mode := "b", fs.FileMode(stat.Mode&0o777)
			if entry.Type()&fs.ModeCharDevice != 0 {
				kind = "c"
			}
			devices = append(devices, specs.LinuxDevice{
				Path: name, Type: kind, Major: int64(unix.Major(stat.Rdev)), Minor: int64(unix.Minor(stat.Rdev)), FileMode: &mode, UID: &stat.Uid, GID: &stat.Gid,
			})
		}
		return nil
	})
	return devices
}
