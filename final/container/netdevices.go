//go:build linux

package container

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"container-workshop/final/more/netdevice"
	"container-workshop/final/spec"
	"container-workshop/final/stage"
)

// netDevices are network devices that have moved from the host to the container. If the command never runs, they move back. runtime.md,
// "Errors". After the command has run, the kernel decides: it removes virtual devices with the network namespace, and moves the others to
// its first network namespace. network_namespaces(7)
type netDevices struct {
	host, container *netdevice.Namespace
	moved           []*netdevice.Device
}

// moveDevices moves network devices of the host to the container. Everything is mounted by now, so little is left that can fail; hooks,
// sysctls and the command find the devices.
func (r *Run) moveDevices(line *stage.Line) {
	devices := r.request.Spec.Linux.NetDevices
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		newName := spec.NameInContainer(name, devices[name])
		line.Do(fmt.Sprintf("sendmsg(RTM_NEWLINK, %q, %q, IFLA_NET_NS_FD)", name, newName), "rtnetlink(7)", 0, func() error {
			if err := r.netDevices.move(r.Process.PID, name, newName); err != nil {
				return fmt.Errorf("linux.netDevices[%q]: %w", name, err)
			}
			return nil
		})
	}
}

func (d *netDevices) move(pid int, name, newName string) (err error) {
	if d.host == nil {
		if d.host, err = netdevice.Open("/proc/self/ns/net"); err != nil {
			return err
		}
	}
	if d.container == nil {
		if d.container, err = netdevice.Open(fmt.Sprintf("/proc/%d/ns/net", pid)); err != nil {
			return err
		}
	}
	if d.host.Is(d.container) {
		return errors.New("the device is already in the network namespace of linux.namespaces: name another namespace")
	}
	device, err := netdevice.Move(d.host, d.container, name, newName)
	if err == nil {
		d.moved = append(d.moved, device)
	}
	return err
}

// back moves the devices back.
func (d *netDevices) back() (err error) {
	defer d.close()
	for _, device := range d.moved {
		if back := device.Back(d.container, d.host); back != nil {
			err = errors.Join(err, fmt.Errorf("linux.netDevices: %w", back))
		}
	}
	return err
}

// close leaves the devices in the container.
func (d *netDevices) close() {
	for _, namespace := range []*netdevice.Namespace{d.host, d.container} {
		if namespace != nil {
			namespace.Close()
		}
	}
	*d = netDevices{}
}
