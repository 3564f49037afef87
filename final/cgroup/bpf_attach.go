//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// planDevices returns the rules for devices, or why they cannot be had.
func (c *Cgroup) planDevices(entries []specs.LinuxDeviceCgroup) ([]deviceRule, error) {
	rules, err := deviceRules(entries)
	if err != nil || len(rules) == 0 {
		return nil, err
	}
	d := c.dirOf("devices")
	if d == nil {
		return nil, errors.New("linux.resources.devices: the devices controller is not mounted")
	}
	if d.Version == 1 {
		return deviceLines(rules)
	}
	return rules, nil
}

// setDevices writes the rules in their order to the files of version 1, or has version 2 run a program that means the same.
func (c *Cgroup) setDevices(entries []specs.LinuxDeviceCgroup) error {
	rules, err := c.planDevices(entries)
	if err != nil || len(rules) == 0 {
		return err
	}
	d := c.dirOf("devices")
	if d.Version == 2 {
		if err := replaceDeviceProgram(d.Path, rules); err != nil {
			return fmt.Errorf("linux.resources.devices: %w", err)
		}
		return nil
	}
	for _, rule := range rules {
		s := setting{field: "devices", controller: "devices", dir: d, file: "devices.deny", value: rule.String()}
		if rule.allow {
			s.file = "devices.allow"
		}
		err := s.write()
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w (the cgroup above does not allow it)", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// replaceDeviceProgram puts a new program in the place of those that the cgroup has. In between there are both, so nothing is
// allowed for a moment that neither of the two allows. bpf(2)
func replaceDeviceProgram(dir string, rules []deviceRule) error {
	cgroup, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer unix.Close(cgroup)
	old, err := attachedPrograms(cgroup)
	if err != nil {
		return fmt.Errorf("find the BPF programs of %s: %w", dir, err)
	}
	// A program that allows everything need not run.
	if last := rules[len(rules)-1]; !last.isAll() || !last.allow {
		program, err := loadDeviceProgram(deviceProgram(rules))
		if err != nil {
			return err
		}
		defer unix.Close(program)
		if err := attach(unix.BPF_PROG_ATTACH, cgroup, program); err != nil {
			return fmt.Errorf("attach a BPF program to %s: %w", dir, err)
		}
	}
	for _, id := range old {
		if err := detach(cgroup, id); err != nil {
			return fmt.Errorf("detach BPF program %d from %s: %w", id, dir, err)
		}
	}
	return nil
}

// attach does one of BPF_PROG_ATTACH and BPF_PROG_DETACH.
func attach(command, cgroup, program int) error {
	attr := struct {
		target  uint32
		program uint32
		kind    uint32
		flags   uint32
		replace uint32
	}{target: uint32(cgroup), program: uint32(program), kind: unix.BPF_CGROUP_DEVICE}
	if command == unix.BPF_PROG_ATTACH {
		// Programs of the cgroups above and below run too.
		attr.flags = unix.BPF_F_ALLOW_MULTI
	}
	_, err := bpf(command, &attr)
	return err
}

// attachedPrograms returns the numbers of the programs that are attached to a cgroup itself, not to one above it.
func attachedPrograms(cgroup int) ([]uint32, error) {
	// The kernel takes no more than 64 on one cgroup.
	ids := new([64]uint32)
	var pinner runtime.Pinner
	defer pinner.Unpin()
	pinner.Pin(ids)
	attr := struct {
		target      uint32
		kind        uint32
		flags       uint32
		attachFlags uint32
		ids         uint64
		count       uint32
		_           uint32
	}{target: uint32(cgroup), kind: unix.BPF_CGROUP_DEVICE, ids: uint64(uintptr(unsafe.Pointer(ids))), count: uint32(len(ids))}
	_, err := bpf(unix.BPF_PROG_QUERY, &attr)
	if err != nil {
		return nil, err
	}
	return ids[:attr.count], nil
}

func detach(cgroup int, id uint32) error {
	attr := struct{ id, next, flags uint32 }{id: id}
	program, err := bpf(unix.BPF_PROG_GET_FD_BY_ID, &attr)
	if err != nil {
		return err
	}
	defer unix.Close(program)
	return attach(unix.BPF_PROG_DETACH, cgroup, program)
}
