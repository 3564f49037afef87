//go:build linux

package link

import (
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
)

// publish sends what other machines send to a published port on to the container. Packets of the host itself and of containers do not come
// here, but to the relay of the port, which listens at the same address: see package relay. So the container's answer never takes another
// way back than the question came.
func publish(c *nftables.Conn, table *nftables.Table, all []wired) {
	var rule func(...[]expr.Any)
	for _, n := range all {
		for _, e := range n.endpoints {
			for _, port := range e.Ports {
				if port.IP.IsLoopback() {
					continue
				}
				if rule == nil {
					rule = chain(c, table, "prerouting", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest)
					for _, name := range inner(all) {
						rule(in(name), accept)
					}
				}
				for _, ip := range []netip.Addr{e.IPv4, e.IPv6} {
					if ip.IsValid() && (!port.IP.IsValid() || port.IP.Is4() == ip.Is4()) {
						rule(receiver(port, ip), transport(protocols[port.Protocol]), destination(port.Host), rewrite(netip.AddrPortFrom(ip, port.Container)))
					}
				}
			}
		}
	}
}

// inner are the interfaces on which no packet of another machine comes in.
func inner(all []wired) []string {
	names := []string{"lo"}
	for _, n := range all {
		names = append(names, n.Bridge)
	}
	return names
}

var protocols = map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP}

// receiver matches packets to the address of a port, or to any address of the host in the family of the container's address.
func receiver(port network.Port, container netip.Addr) []expr.Any {
	if port.IP.IsValid() && !port.IP.IsUnspecified() {
		return to(port.IP)
	}
	return append(family(container),
		&expr.Fib{Register: 1, ResultADDRTYPE: true, FlagDADDR: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)})
}

// rewrite changes the receiver of a packet to the container. The kernel then changes the sender of the answers back. It needs no rule for that.
func rewrite(container netip.AddrPort) []expr.Any {
	family := uint32(unix.NFPROTO_IPV4)
	if container.Addr().Is6() {
		family = unix.NFPROTO_IPV6
	}
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: container.Addr().AsSlice()},
		&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(container.Port())},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: family, RegAddrMin: 1, RegProtoMin: 2},
	}
}

// forget removes the senders of UDP packets to the ports of a container from the kernel's table of connections. The kernel asks the rule of a port only
// about the first packet of a connection: a sender that never stops would never reach the next container. conntrack(8)
func (p *plug) forget() {
	f := udpTo{subnets: []netip.Prefix{p.Network.IPv4, p.Network.IPv6}}
	for _, port := range p.Ports {
		if port.Protocol == "udp" {
			f.ports = append(f.ports, port)
		}
	}
	if len(f.ports) == 0 {
		return
	}
	p.do("sendmsg(IPCTNL_MSG_CT_DELETE)", "netlink(7)", func() error {
		for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
			// A kernel without this module forgets a silent sender after two minutes.
			_, _ = netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, f)
		}
		return nil
	})
}

// A udpTo matches connections to UDP ports that the host publishes for a container of these subnets.
type udpTo struct {
	ports   []network.Port
	subnets []netip.Prefix
}

// MatchConntrackFlow reports whether packets went to one of the ports. The answers come from our subnets, or nobody has rewritten the
// address. So connections that other programs rewrite stay as they are, even if such a program publishes the same port at another address.
func (f udpTo) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	to, _ := netip.AddrFromSlice(flow.Forward.DstIP)
	answers, _ := netip.AddrFromSlice(flow.Reverse.SrcIP)
	to, answers = to.Unmap(), answers.Unmap()
	ours := to == answers || slices.ContainsFunc(f.subnets, func(s netip.Prefix) bool { return s.Contains(answers) })
	return flow.Forward.Protocol == unix.IPPROTO_UDP && ours && slices.ContainsFunc(f.ports, func(p network.Port) bool {
		return p.Host == flow.Forward.DstPort && (!p.IP.IsValid() || p.IP.IsUnspecified() || p.IP == to)
	})
}
