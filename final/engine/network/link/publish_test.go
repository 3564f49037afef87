//go:build linux

package link

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
)

// The kernel forgets only connections to our ports. If another program sends packets of the same port elsewhere, they go on.
func TestOthersKeepTheirConnections(t *testing.T) {
	f := udpTo{
		ports: []network.Port{
			{Host: 53, Container: 53, Protocol: "udp"}, {IP: netip.MustParseAddr("192.0.2.1"), Host: 80, Container: 80, Protocol: "udp"},
		},
		subnets: []netip.Prefix{netip.MustParsePrefix("10.143.0.0/24"), netip.MustParsePrefix("fd00:1::/64")},
	}
	for _, c := range []struct {
		to, answers string
		port        uint16
		protocol    uint8
		ours        bool
	}{
		{"192.0.2.1", "10.143.0.2", 53, unix.IPPROTO_UDP, true},
		{"2001:db8::1", "fd00:1::2", 53, unix.IPPROTO_UDP, true},
		{"192.0.2.1", "192.0.2.1", 53, unix.IPPROTO_UDP, true},
		{"192.0.2.1", "192.0.2.1", 80, unix.IPPROTO_UDP, true},
		{"192.0.2.2", "192.0.2.2", 80, unix.IPPROTO_UDP, false},
		{"192.0.2.2", "172.17.0.2", 53, unix.IPPROTO_UDP, false},
		{"192.0.2.1", "10.143.0.2", 54, unix.IPPROTO_UDP, false},
		{"192.0.2.1", "10.143.0.2", 53, unix.IPPROTO_TCP, false},
	} {
		flow := &netlink.ConntrackFlow{
			Forward: netlink.IPTuple{DstIP: net.ParseIP(c.to), DstPort: c.port, Protocol: c.protocol},
			Reverse: netlink.IPTuple{SrcIP: net.ParseIP(c.answers)},
		}
		assert.Equal(t, c.ours, f.MatchConntrackFlow(flow), c)
	}
}
