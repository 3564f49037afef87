//go:build linux

package link

import (
	"errors"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
)

// address is an address as the library wants it. Nobody else can have it, so the kernel need not ask around for a second before the address
// can be used: IFA_F_NODAD.
func address(a netip.Prefix) *netlink.Addr {
	ip := &net.IPNet{IP: net.IP(a.Addr().AsSlice()), Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen())}
	if a.Addr().Is4() {
		return &netlink.Addr{IPNet: ip}
	}
	return &netlink.Addr{IPNet: ip, Flags: unix.IFA_F_NODAD}
}

// mac is a MAC address of ours, which is always right.
func mac(text string) net.HardwareAddr {
	address, _ := net.ParseMAC(text)
	return address
}

// has reports whether a bridge has the addresses of a network.
func has(bridge netlink.Link, n *network.Network) bool {
	there, err := netlink.AddrList(bridge, netlink.FAMILY_ALL)
	for tries := 0; errors.Is(err, netlink.ErrDumpInterrupted) && tries < 1000; tries++ {
		// Somebody has changed an address of the host meanwhile. A bridge that lacks an address is made again, which would cut off all its
		// containers.
		there, err = netlink.AddrList(bridge, netlink.FAMILY_ALL)
	}
	found := 0
	for _, a := range there {
		ip, _ := netip.AddrFromSlice(a.IP)
		bits, _ := a.Mask.Size()
		for _, wanted := range n.Gateways() {
			if netip.PrefixFrom(ip.Unmap(), bits) == wanted {
				found++
			}
		}
	}
	return err == nil && found == len(n.Gateways())
}

// uplinkMTU is the MTU of the interface with the default route. Containers that send longer packets would wait for answers that never come
// if something on the way swallows the message that a packet is too long.
func uplinkMTU() int {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, _ := netlink.RouteList(nil, family)
		mtu, metric := 0, 0
		for _, r := range routes {
			if r.Dst != nil && !r.Dst.IP.IsUnspecified() || r.LinkIndex == 0 || mtu != 0 && r.Priority >= metric {
				continue
			}
			if link, err := netlink.LinkByIndex(r.LinkIndex); err == nil {
				mtu, metric = link.Attrs().MTU, r.Priority
			}
		}
		if mtu != 0 {
			return mtu
		}
	}
	return 1500
}
