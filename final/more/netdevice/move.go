//go:build linux

package netdevice

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A Device is a network device that has been moved.
type Device struct {
	// name and up are what it was before, and index is its number where it is now.
	name      string
	up        bool
	index     uint32
	addresses []address
}

// An address is one of a device, as the kernel tells of it.
type address struct {
	header *nl.IfAddrmsg
	parts  []nl.NetlinkRequestData
	// suffix is what its label has after the name of the device, such as ":1".
	suffix string
	text   string
}

// moves reports whether the address is for the container, too: one that lasts, and is for more than the link. config-linux.md
func (a *address) moves() bool {
	return a.header.Flags&unix.IFA_F_PERMANENT != 0 && a.header.Scope == unix.RT_SCOPE_UNIVERSE
}

// Move moves a device from a namespace into another, where it gets a name and is up. A name that ends in %d stands for the first one
// that is free. The kernel drops the addresses of a device that is moved, and they are added again. If this fails the device is where
// it was. config-linux.md, "Network Devices"
func Move(from, to *Namespace, name, newName string) (*Device, error) {
	index, up, own, err := from.find(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w (ip link lists the devices of the host)", err)
	case own != name:
		return nil, fmt.Errorf("this is another name of the device %q: use that name", own)
	}
	if newName, err = to.free(newName); err != nil {
		return nil, err
	}
	if other, _, _, err := from.find(newName); err == nil && other == index && newName != name {
		return nil, fmt.Errorf("%q is already another name of this device: choose a third name", newName)
	}
	d := &Device{name: name, up: up, index: index}
	// Now, while the device is up: the kernel forgets IPv6 addresses when it goes down.
	if d.addresses, err = from.addresses(name, index); err != nil {
		return nil, fmt.Errorf("read the addresses of the device: %w", err)
	}
	moved, err := d.carry(from, to, newName, false)
	if moved && err != nil {
		err = errors.Join(err, d.Back(to, from))
	}
	return d, err
}

// Back moves a device back, and makes it what it was.
func (d *Device) Back(from, to *Namespace) error {
	if _, err := d.carry(from, to, d.name, true); err != nil {
		return fmt.Errorf("move %q back: %w", d.name, err)
	}
	return nil
}

// carry reports whether the device has been moved, even where not all went well.
func (d *Device) carry(from, to *Namespace, name string, back bool) (moved bool, err error) {
	// One request for both, as the old name may be that of another device there.
	_, err = from.ask(unix.RTM_NEWLINK, 0, device(d.index, 0, 0),
		nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(to.file.Fd()))), attribute(unix.IFLA_IFNAME, name))
	if err != nil {
		return false, err
	}
	index, _, _, err := to.find(name)
	if err != nil {
		return true, fmt.Errorf("find the device again as %q: %w", name, err)
	}
	d.index = index
	for _, a := range d.addresses {
		if !back && !a.moves() {
			continue
		}
		if err := to.add(a, name, index); err != nil {
			return true, fmt.Errorf("add the address %s: %w", a.text, err)
		}
	}
	if d.up || !back {
		_, err = to.ask(unix.RTM_NEWLINK, 0, device(index, unix.IFF_UP, unix.IFF_UP))
	}
	if err != nil {
		err = fmt.Errorf("bring the device up: %w", err)
	}
	return true, err
}

// find finds a device by its own name, or by one of its other names.
func (n *Namespace) find(name string) (index uint32, up bool, own string, err error) {
	answer, err := n.ask(unix.RTM_GETLINK, 0, device(0, 0, 0), attribute(unix.IFLA_IFNAME, name))
	if err == nil && len(answer) != 1 {
		err = unix.ENODEV
	}
	if err != nil {
		return 0, false, "", err
	}
	header := nl.DeserializeIfInfomsg(answer[0])
	all, err := nl.ParseRouteAttrAsMap(answer[0][header.Len():])
	return uint32(header.Index), header.Flags&unix.IFF_UP != 0, unix.ByteSliceToString(all[unix.IFLA_IFNAME].Value), err
}

// free returns a name that no device has. The kernel sees that a name is taken only when it has moved the device already.
func (n *Namespace) free(name string) (string, error) {
	prefix, template := strings.CutSuffix(name, "%d")
	for i := 0; ; i++ {
		if template {
			name = prefix + strconv.Itoa(i)
		}
		_, _, _, err := n.find(name)
		switch {
		case errors.Is(err, unix.ENODEV):
			return name, nil
		case err != nil:
			return "", fmt.Errorf("look for a device %q in the network namespace of the container: %w", name, err)
		case !template:
			return "", fmt.Errorf("the network namespace of the container already has a device %q: choose another name, or a name that ends in %%d", name)
		}
	}
}

// addresses returns the addresses of a device.
func (n *Namespace) addresses(name string, index uint32) (list []address, err error) {
	answer, err := n.ask(unix.RTM_GETADDR, unix.NLM_F_DUMP, nl.NewIfAddrmsg(unix.AF_UNSPEC))
	for tries := 0; errors.Is(err, nl.ErrDumpInterrupted) && tries < 100; tries++ {
		// Something has changed meanwhile, and may be missing.
		answer, err = n.ask(unix.RTM_GETADDR, unix.NLM_F_DUMP, nl.NewIfAddrmsg(unix.AF_UNSPEC))
	}
	if err != nil {
		return nil, err
	}
	for _, message := range answer {
		header := nl.DeserializeIfAddrmsg(message)
		if header.Index != index {
			continue
		}
		attributes, err := nl.ParseRouteAttr(message[header.Len():])
		if err != nil {
			return nil, err
		}
		a := address{header: header}
		for _, attribute := range attributes {
			switch attribute.Attr.Type {
			case unix.IFA_LABEL:
				a.suffix = strings.TrimPrefix(unix.ByteSliceToString(attribute.Value), name)
				continue
			case unix.IFA_ADDRESS:
				a.text = fmt.Sprintf("%s/%d", net.IP(attribute.Value), header.Prefixlen)
			}
			a.parts = append(a.parts, nl.NewRtAttr(int(attribute.Attr.Type), attribute.Value))
		}
		list = append(list, a)
	}
	return list, nil
}

func (n *Namespace) add(a address, name string, index uint32) error {
	header := *a.header
	header.Index = index
	parts := append([]nl.NetlinkRequestData{&header}, a.parts...)
	if label := name + a.suffix; a.suffix != "" && len(label) < unix.IFNAMSIZ {
		parts = append(parts, attribute(unix.IFA_LABEL, label))
	}
	_, err := n.ask(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, parts...)
	if errors.Is(err, unix.EEXIST) {
		// The kernel gives a device some by itself.
		err = nil
	}
	return err
}
