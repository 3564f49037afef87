//go:build linux

package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Create makes the files of a network. It chooses a bridge, and subnets that collide with nothing on this host, unless the caller has set
// IPv4. The bridge itself comes with the first container.
func (s *Store) Create(n *Network) error {
	if err := CheckName(n.Name); err != nil {
		return err
	}
	others, err := s.Networks()
	if err != nil {
		return err
	}
	taken, err := routes()
	if err != nil {
		return fmt.Errorf("read the routes of the host: %w", err)
	}
	bridges := map[string]bool{}
	for _, other := range others {
		if other.Name == n.Name {
			return fmt.Errorf("network %s already exists (final network remove %[1]s removes it)", n.Name)
		}
		bridges[other.Bridge], taken = true, append(taken, other.IPv4, other.IPv6)
	}
	if n.IPv4.IsValid() {
		if err := checkSubnet(n.IPv4, taken); err != nil {
			return err
		}
	} else if n.IPv4 = choose(taken); !n.IPv4.IsValid() {
		return errors.New("every private subnet that final tries collides with a route of this host: final network create --subnet names one (ip route shows the routes)")
	}
	for i := 0; n.Bridge == ""; i++ {
		if name := fmt.Sprint(bridgePrefix, i); !bridges[name] {
			n.Bridge = name
		}
	}
	if HasIPv6() {
		n.IPv6 = uniqueLocal()
	}
	return s.write(filepath.Join(n.Name, "network.json"), n)
}

// Remove removes the files of a network without endpoints.
func (s *Store) Remove(n *Network) error {
	dir := filepath.Join(s.Dir, n.Name)
	// The network is gone without this file. What follows may be interrupted.
	for _, name := range []string{"network.json", "endpoints", ""} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// checkSubnet refuses a subnet that is too small, too large, or not free.
func checkSubnet(subnet netip.Prefix, taken []netip.Prefix) error {
	if !subnet.Addr().Is4() || subnet.Bits() < 16 || subnet.Bits() > 29 || subnet != subnet.Masked() {
		return fmt.Errorf("--subnet %s: must be a network of IPv4 with 16 to 29 bits, such as 10.1.2.0/24", subnet)
	}
	for _, other := range taken {
		if subnet.Overlaps(other) {
			return fmt.Errorf("--subnet %s collides with %s, which this host has already (ip route shows the routes, and final network list the networks)", subnet, other)
		}
	}
	return nil
}

// choose returns the first private subnet that is free, or the zero value. RFC 1918
func choose(taken []netip.Prefix) netip.Prefix {
	for _, first := range [][2]byte{{10, 143}, {172, 30}, {192, 168}} {
		for i := range 256 {
			subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{first[0], first[1], byte(i), 0}), 24)
			if !slices.ContainsFunc(taken, subnet.Overlaps) {
				return subnet
			}
		}
	}
	return netip.Prefix{}
}

// uniqueLocal returns a random unique local subnet of 64 bits. RFC 4193
func uniqueLocal() netip.Prefix {
	b := [16]byte{0: 0xfd}
	var random [8]byte
	binary.NativeEndian.PutUint64(random[:], rand.Uint64())
	copy(b[1:6], random[:])
	return netip.PrefixFrom(netip.AddrFrom16(b), 64)
}

// HasIPv6 reports whether new interfaces of this host have IPv6.
func HasIPv6() bool {
	disabled, err := os.ReadFile("/proc/sys/net/ipv6/conf/default/disable_ipv6")
	return err == nil && strings.TrimSpace(string(disabled)) == "0"
}

// routes returns the destinations of all routes of the host, in all tables. An address of the host is a route, too. A default route
// collides with nothing. rtnetlink(7)
func routes() (list []netip.Prefix, err error) {
	answer, err := syscall.NetlinkRIB(syscall.RTM_GETROUTE, syscall.AF_UNSPEC)
	if err != nil {
		return nil, os.NewSyscallError("netlink", err)
	}
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return nil, os.NewSyscallError("netlink", err)
	}
	for i := range messages {
		m := &messages[i]
		if m.Header.Type != syscall.RTM_NEWROUTE || len(m.Data) < syscall.SizeofRtMsg {
			continue
		}
		// struct rtmsg begins with the family and the length of the destination.
		bits := int(m.Data[1])
		attributes, err := syscall.ParseNetlinkRouteAttr(m)
		if err != nil || bits == 0 {
			continue
		}
		for _, a := range attributes {
			if ip, ok := netip.AddrFromSlice(a.Value); ok && a.Attr.Type == syscall.RTA_DST {
				list = append(list, netip.PrefixFrom(ip, bits))
			}
		}
	}
	return list, nil
}
