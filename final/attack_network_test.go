//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network/link"
)

var broadcast = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// frame makes a frame of Ethernet.
func frame(to, from []byte, kind uint16, payload []byte) []byte {
	return slices.Concat(to, from, binary.BigEndian.AppendUint16(nil, kind), payload)
}

// ipv4 makes a packet of UDP without data, from one address to another.
func ipv4(from, to netip.Addr) []byte {
	p := []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
	p = slices.Concat(p, from.AsSlice(), to.AsSlice())
	sum := uint32(0)
	for i := 0; i < len(p); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	binary.BigEndian.PutUint16(p[10:], ^uint16(sum+sum>>16))
	return append(p, 0, 9, 0, 9, 0, 8, 0, 0)
}

// arp makes a message that says that the sender has an address. RFC 826
func arp(mac []byte, ip netip.Addr) []byte {
	return slices.Concat([]byte{0, 1, 8, 0, 6, 4, 0, 2}, mac, ip.AsSlice(), broadcast, ip.AsSlice())
}

// icmp6 makes a message of neighbour discovery. RFC 4861
func icmp6(from netip.Addr, kind byte, target netip.Addr) []byte {
	message := slices.Concat([]byte{kind, 0, 0, 0, 0, 0, 0, 0}, target.AsSlice())
	header := []byte{0x60, 0, 0, 0, 0, byte(len(message)), unix.IPPROTO_ICMPV6, 255}
	return slices.Concat(header, from.AsSlice(), netip.MustParseAddr("ff02::1").AsSlice(), message)
}

// wire opens eth0 of a machine for raw frames. packet(7)
func (m *machine) wire() int {
	m.t.Helper()
	fd := -1
	done := make(chan error)
	m.do <- func() {
		device, err := net.InterfaceByName("eth0")
		if err == nil {
			fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		}
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: device.Index})
		}
		done <- err
	}
	require.NoError(m.t, <-done)
	m.t.Cleanup(func() { unix.Close(fd) })
	wait := unix.NsecToTimeval(int64(patience))
	require.NoError(m.t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait))
	return fd
}

// arrive sends frames from one machine, and reports which arrive at another. The last is honest, and always arrives.
func arrive(t *testing.T, from, to int, frames [][]byte, last []byte) (arrived []bool) {
	t.Helper()
	arrived = make([]bool, len(frames))
	for _, f := range append(slices.Clone(frames), last) {
		_, err := unix.Write(from, f)
		require.NoError(t, err)
	}
	buffer := make([]byte, 2000)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		n, err := unix.Read(to, buffer)
		require.NoError(t, err)
		if bytes.Equal(buffer[:n], last) {
			return arrived
		}
		for i, f := range frames {
			arrived[i] = arrived[i] || bytes.Equal(buffer[:n], f)
		}
	}
	require.Fail(t, "the honest frame does not arrive")
	return nil
}

// A container sends with the addresses of others: the host drops that. Without the rules of the bridge, everything arrives.
func TestNobodySpeaksForAnother(t *testing.T) {
	c := newNetTrial(t)
	attacker := c.start("attacker", "--network", "bridge")
	victim := c.start("victim", "--network", "bridge")
	n, its := c.endpoint("attacker")
	_, other := c.endpoint("victim")
	mac, _ := net.ParseMAC(its.MAC)
	gateway, _ := net.ParseMAC(n.GatewayMAC())
	victims, _ := net.ParseMAC(other.MAC)
	attacks := [][]byte{
		frame(victims, mac, unix.ETH_P_IP, ipv4(n.Gateway(), other.IPv4)),
		frame(victims, gateway, unix.ETH_P_IP, ipv4(its.IPv4, other.IPv4)),
		frame(broadcast, mac, unix.ETH_P_ARP, arp(mac, n.Gateway())),
		frame(broadcast, mac, unix.ETH_P_ARP, arp(gateway, its.IPv4)),
		frame(broadcast, mac, unix.ETH_P_IPV6, icmp6(n.Gateway6(), 128, its.IPv6)),
		frame(broadcast, mac, unix.ETH_P_IPV6, icmp6(its.IPv6, 136, n.Gateway6())),
		frame(broadcast, mac, unix.ETH_P_IPV6, icmp6(its.LinkLocal(), 134, netip.IPv6Unspecified())),
		frame(broadcast, mac, unix.ETH_P_IPV6, icmp6(its.LinkLocal(), 137, n.Gateway6())),
	}
	honest := [][]byte{
		frame(broadcast, mac, unix.ETH_P_ARP, arp(mac, its.IPv4)),
		frame(broadcast, mac, unix.ETH_P_IPV6, icmp6(its.IPv6, 136, its.IPv6)),
		frame(broadcast, mac, unix.ETH_P_IPV6, icmp6(its.LinkLocal(), 135, other.IPv6)),
	}
	last := frame(victims, mac, unix.ETH_P_IP, ipv4(its.IPv4, other.IPv4))
	from, to := attacker.wire(), victim.wire()
	assert.Equal(t, make([]bool, len(attacks)), arrive(t, from, to, attacks, last))
	assert.NotContains(t, arrive(t, from, to, honest, last), false)

	// The control.
	nft := new(nftables.Conn)
	nft.DelTable(&nftables.Table{Name: link.Table, Family: nftables.TableFamilyBridge})
	require.NoError(t, nft.Flush())
	assert.NotContains(t, arrive(t, from, to, attacks, last), false)
}
