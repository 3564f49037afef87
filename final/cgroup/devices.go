//go:build linux

package cgroup

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup/device"
)

// planDevices returns the rules for devices in the form that the version takes.
func (c *Cgroup) planDevices(entries []specs.LinuxDeviceCgroup) ([]device.Rule, error) {
	rules, err := device.Parse(entries)
	if err != nil || len(rules) == 0 {
		return nil, err
	}
	d := c.DirOf("devices")
	if d == nil {
		return nil, errors.New("linux.resources.devices: the devices controller is not mounted")
	}
	if d.Version == 1 {
		return device.Lines(rules)
	}
	return rules, nil
}

// setDevices writes the rules to the files of version 1, or attaches a program to the cgroup of version 2.
func (c *Cgroup) setDevices(entries []specs.LinuxDeviceCgroup) error {
	rules, err := c.planDevices(entries)
	if err != nil || len(rules) == 0 {
		return err
	}
	d := c.DirOf("devices")
	if d.Version == 2 {
		if err := device.Attach(d.Path, rules); err != nil {
			return fmt.Errorf("linux.resources.devices: %w", err)
		}
		return nil
	}
	for _, rule := range rules {
		s := setting{field: "devices", controller: "devices", dir: d, file: "devices.deny", value: rule.String()}
		if rule.Allow {
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
