//go:build linux

package flags

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/spec"
)

// A Device is a device node of the host that the container gets. Source is absolute, Target is absolute and clean, and Access has some of
// r, w and m (mknod).
type Device struct{ Source, Target, Access string }

// parseDevice reads SRC[:DST[:rwm]], or SRC:rwm.
func parseDevice(text string) (Device, error) {
	source, rest, _ := strings.Cut(text, ":")
	target, access, hasAccess := strings.Cut(rest, ":")
	device := Device{Source: source, Access: "rwm"}
	switch {
	case !strings.HasPrefix(source, "/") || strings.Contains(access, ":"):
		return device, errors.New("must be SRC, SRC:DST or SRC:DST:rwm, with absolute paths, such as /dev/fuse")
	case text == source:
		target = source
	case hasAccess:
		device.Access = access
	case !strings.HasPrefix(target, "/"):
		target, device.Access = source, target
	}
	if err := spec.CheckPrintable(source); err != nil {
		return device, err
	}
	if !spec.IsAccess(device.Access) {
		return device, fmt.Errorf("access %q: must be made of r, w and m (mknod), each at most once", device.Access)
	}
	var err error
	device.Target, err = checkedTarget(target)
	return device, err
}

// makeDevices returns the device nodes of the container, and rules for the devices that the container may open.
func makeDevices(o *Options, host *Host) ([]specs.LinuxDevice, []specs.LinuxDeviceCgroup, error) {
	nodes := []specs.LinuxDevice(nil)
	rules := append([]specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}, spec.DefaultDevices(false)...)
	if o.Privileged {
		nodes, rules = slices.Clone(host.Devices), []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
	}
	for _, device := range o.Devices {
		node, err := makeDevice(device, host)
		if err != nil {
			return nil, nil, fmt.Errorf("--device %s: %w", device.Source, err)
		}
		nodes = append(slices.DeleteFunc(nodes, func(old specs.LinuxDevice) bool { return old.Path == node.Path }), node)
		rules = append(rules, specs.LinuxDeviceCgroup{Allow: true, Type: node.Type, Major: &node.Major, Minor: &node.Minor, Access: device.Access})
	}
	return nodes, rules, nil
}

// makeDevice returns a device node like the host's.
func makeDevice(device Device, host *Host) (specs.LinuxDevice, error) {
	stat, err := host.Stat(device.Source)
	if errors.Is(err, fs.ErrNotExist) {
		return specs.LinuxDevice{}, errors.New("the host has no such device (see ls -l /dev)")
	}
	if err != nil {
		return specs.LinuxDevice{}, err
	}
	node := specs.LinuxDevice{
		Path: device.Target, UID: &stat.Uid, GID: &stat.Gid, FileMode: new(os.FileMode(stat.Mode & 0o777)),
		Major: int64(unix.Major(uint64(stat.Rdev))), Minor: int64(unix.Minor(uint64(stat.Rdev))),
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		node.Type = "c"
	case unix.S_IFBLK:
		node.Type = "b"
	default:
		return node, errors.New("not a device (use --volume for files and directories)")
	}
	return node, nil
}
