//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine"
	"container-workshop/final/engine/network"
	"container-workshop/final/engine/network/link"
)

var broadcast = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// frame makes a frame of Ethernet.
func frame(to, from []byte, kind uint16, payload []byte) []byte {
	return slices.Concat(to, from, binary.BigEndian.AppendUint16(nil, kind), payload)
}

// checksum is the sum of bytes, and of what else belongs to the sum. RFC 1071
func checksum(p []byte, sum uint32) uint16 {
	for i := 0; i < len(p); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	return ^uint16(sum + sum>>16)
}

// ipv4 makes a packet of UDP without data, from one address to another.
func ipv4(from, to netip.Addr) []byte {
	p := []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
	p = slices.Concat(p, from.AsSlice(), to.AsSlice())
	binary.BigEndian.PutUint16(p[10:], checksum(p, 0))
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

// advertisement makes a message of a router, which asks all hosts to use the router. RFC 4861 section 4.2
func advertisement(from netip.Addr) []byte {
	p := slices.Concat([]byte{0x60, 0, 0, 0, 0, 16, unix.IPPROTO_ICMPV6, 255}, from.AsSlice(), netip.MustParseAddr("ff02::1").AsSlice())
	p = append(p, 134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0)
	// The sum has the length and the protocol, too. RFC 4443 section 2.3
	binary.BigEndian.PutUint16(p[42:], checksum(p[8:], 16+unix.IPPROTO_ICMPV6))
	return p
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

// If you remove the lease of a running container, the next rules do not know the container. Its packets are then dropped.
func TestAContainerWithoutAPlaceSendsNothing(t *testing.T) {
	c := newNetTrial(t)
	attacker := c.start("attacker", "--network", "bridge")
	victim := c.start("victim", "--network", "bridge")
	c.start("third", "--network", "bridge")
	_, other := c.endpoint("victim")
	require.True(t, reaches(t, attacker, victim, nil, other.IPv4), "the control")
	require.NoError(t, os.Remove(filepath.Join(network.In(engine.Home()), network.Default, "endpoints", "attacker-"+c.id+".json")))
	require.Equal(t, result{}, c.final("delete", "--force", "third-"+c.id))
	assert.False(t, reaches(t, attacker, victim, nil, other.IPv4))
}

// A bridge does not forward frames to the addresses of IEEE 802.1D: the host itself gets such a frame, from the port of the bridge. So no
// rule for the bridge sees the frame.
func TestAFrameForTheBridgeDoesNotReachTheHost(t *testing.T) {
	c := newNetTrial(t)
	for _, name := range []string{"all", "default"} {
		c.sysctl("net/ipv4/conf/"+name+"/rp_filter", "0")
	}
	require.Equal(t, result{"vault\n", "", 0}, c.final("network", "create", "--internal", "vault"))
	attacker, friend := c.start("attacker", "--network", "vault"), c.start("friend", "--network", "vault")
	n, its := c.endpoint("attacker")
	_, other := c.endpoint("friend")
	mac, _ := net.ParseMAC(its.MAC)
	friends, _ := net.ParseMAC(other.MAC)
	lldp := []byte{0x01, 0x80, 0xc2, 0, 0, 0x0e}
	attacks := [][]byte{
		frame(lldp, mac, unix.ETH_P_IP, ipv4(its.IPv4, netip.MustParseAddr(hostIP))),
		frame(lldp, mac, unix.ETH_P_IPV6, advertisement(its.LinkLocal())),
	}
	last := frame(friends, mac, unix.ETH_P_IP, ipv4(its.IPv4, other.IPv4))
	from, to := attacker.wire(), friend.wire()
	listener, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(hostIP), Port: 9})
	require.NoError(t, err)
	defer listener.Close()
	// host reports whether the host has got the packet, and whether it has a route to a router that has asked for it.
	host := func() (packet, route bool) {
		arrive(t, from, to, attacks, last)
		_, err := listener.WriteTo([]byte("marker"), listener.LocalAddr())
		require.NoError(t, err)
		buffer := make([]byte, 100)
		for string(buffer[:6]) != "marker" {
			require.NoError(t, listener.SetReadDeadline(time.Now().Add(patience)))
			n, err := listener.Read(buffer)
			require.NoError(t, err)
			packet = packet || n == 0
		}
		routes, err := whole(func() ([]netlink.Route, error) { return netlink.RouteList(nil, netlink.FAMILY_V6) })
		require.NoError(t, err)
		return packet, slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Protocol == unix.RTPROT_RA })
	}
	packet, route := host()
	assert.False(t, packet, "a packet from %s reaches the host", n.Name)
	assert.False(t, route, "a container becomes the router of the host")

	// The control.
	nft := new(nftables.Conn)
	nft.DelTable(&nftables.Table{Name: link.Table, Family: nftables.TableFamilyINet})
	require.NoError(t, nft.Flush())
	packet, route = host()
	assert.True(t, packet)
	assert.True(t, route)
}

// An ICMP error quotes a packet of the connection that it is about, so the kernel takes it for a part of that connection. By such errors, a
// container in an internal network could send data to a friend in another network, who has a way out.
func TestAnInternalNetworkSendsNoErrorsToAnother(t *testing.T) {
	c := newNetTrial(t)
	require.Equal(t, result{"vault\n", "", 0}, c.final("network", "create", "--internal", "vault"))
	attacker, friend := c.start("attacker", "--network", "vault"), c.start("friend", "--network", "bridge")
	n, its := c.endpoint("attacker")
	_, other := c.endpoint("friend")
	mac, _ := net.ParseMAC(its.MAC)
	gateway, _ := net.ParseMAC(n.GatewayMAC())
	host, server := netip.MustParseAddr(hostIP), netip.MustParseAddr(serverIP)
	require.NoError(t, friend.in(func() error {
		conn, err := net.DialUDP("udp", &net.UDPAddr{Port: 9}, &net.UDPAddr{IP: server.AsSlice(), Port: 9})
		if err != nil {
			return err
		}
		t.Cleanup(func() { conn.Close() })
		_, err = conn.Write([]byte("the way out"))
		return err
	}))
	message := slices.Concat([]byte{3, 1, 0, 0, 0, 0, 0, 0}, ipv4(host, server), []byte("secret"))
	binary.BigEndian.PutUint16(message[2:], checksum(message, 0))
	packet := append(ipv4(its.IPv4, host)[:20], message...)
	packet[3], packet[9], packet[10], packet[11] = byte(len(packet)), unix.IPPROTO_ICMP, 0, 0
	binary.BigEndian.PutUint16(packet[10:], checksum(packet[:20], 0))
	from, to := attacker.wire(), friend.wire()
	_, err := unix.Write(from, frame(gateway, mac, unix.ETH_P_IP, packet))
	require.NoError(t, err)
	require.True(t, reaches(t, nil, friend, nil, other.IPv4))
	buffer := make([]byte, 2000)
	for {
		n, err := unix.Read(to, buffer)
		require.NoError(t, err)
		require.NotContains(t, string(buffer[:n]), "secret")
		if bytes.HasSuffix(buffer[:n], []byte("marker")) {
			return
		}
	}
}
