//go:build linux

package flags

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/spec"
)

// A Device is a device node of the host that the container is given.
type Device struct {
	// Source is absolute.
	Source string
	// Target is absolute and clean.
	Target string
	// Access has some of r, w and m (mknod).
	Access string
}

// parseDevice reads SRC[:DST[:rwm]], or SRC:rwm.
func parseDevice(text string) (Device, error) {
	parts := strings.Split(text, ":")
	device := Device{Source: parts[0], Access: "rwm"}
	if len(parts) == 2 && !strings.HasPrefix(parts[1], "/") {
		parts = []string{parts[0], parts[0], parts[1]}
	}
	if len(parts) > 3 || !strings.HasPrefix(parts[0], "/") {
		return device, errors.New("must be SRC, SRC:DST or SRC:DST:rwm, with absolute paths, such as /dev/fuse")
	}
	if err := spec.CheckPrintable(device.Source); err != nil {
		return device, err
	}
	target := parts[0]
	if len(parts) > 1 {
		target = parts[1]
	}
	if len(parts) == 3 {
		device.Access = parts[2]
	}
	if !spec.IsAccess(device.Access) {
		return device, fmt.Errorf("access %q: must be made of r, w and m (mknod), each at most once", device.Access)
	}
	var err error
	device.Target, err = checkedTarget(target)
	return device, err
}

// newDevices returns the nodes to make, and the rules that let the container open them.
func newDevices(o *Options, host *Host) ([]specs.LinuxDevice, []specs.LinuxDeviceCgroup, error) {
	nodes := []specs.LinuxDevice(nil)
	rules := append([]specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}, spec.DefaultDevices(false)...)
	if o.Privileged {
		nodes, rules = append(nodes, host.Devices...), []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
	}
	for _, device := range o.Devices {
		node, err := newDevice(device, host)
		if err != nil {
			return nil, nil, fmt.Errorf("--device %s: %w", device.Source, err)
		}
		kept := nodes[:0]
		for _, old := range nodes {
			if old.Path != node.Path {
				kept = append(kept, old)
			}
		}
		nodes = append(kept, node)
		rules = append(rules, specs.LinuxDeviceCgroup{Allow: true, Type: node.Type, Major: &node.Major, Minor: &node.Minor, Access: device.Access})
	}
	return nodes, rules, nil
}

func newDevice(device Device, host *Host) (specs.LinuxDevice, error) {
	stat, err := host.Stat(device.Source)
	if errors.Is(err, fs.ErrNotExist) {
		return specs.LinuxDevice{}, errors.New("the host has no such device (see ls -l /dev)")
	}
	if err != nil {
		return specs.LinuxDevice{}, err
	}
	node := specs.LinuxDevice{Path: device.Target, UID: &stat.Uid, GID: &stat.Gid}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		node.Type = "c"
	case unix.S_IFBLK:
		node.Type = "b"
	default:
		return node, errors.New("not a device (use --volume for files and directories)")
	}
	node.Major, node.Minor = int64(unix.Major(uint64(stat.Rdev))), int64(unix.Minor(uint64(stat.Rdev)))
	mode := os.FileMode(stat.Mode & 0o777)
	node.FileMode = &mode
	return node, nil
}
