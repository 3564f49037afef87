//go:build linux

package link

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
)

const (
	forward4  = "/proc/sys/net/ipv4/ip_forward"
	forward6  = "/proc/sys/net/ipv6/conf/all/forwarding"
	redirects = "/proc/sys/net/ipv4/conf/all/accept_redirects"
)

func sysctl(path string) string {
	content, _ := os.ReadFile(path)
	return strings.TrimSpace(string(content))
}

// forward lets the host route packets. It says so to the user, and notes what unforward has to restore.
func (p *plug) forward() {
	if p.Internal || p.line.Err != nil {
		return
	}
	f, err := p.Store.Forward()
	if err != nil {
		p.line.Err = err
		return
	}
	if sysctl(forward4) == "0" {
		f.IPv4, f.Redirects, f.Interfaces, f.Others = true, sysctl(redirects), interfaces(), others()
		p.set(forward4, "net.ipv4.ip_forward", f)
	}
	if !p.Network.IPv6.IsValid() || sysctl(forward6) != "0" {
		return
	}
	if advertised() {
		p.remarks = append(p.remarks, "containers reach no other hosts by IPv6: this host learns its routes from router advertisements, which it would ignore if it "+
			"forwarded packets (sysctl net.ipv6.conf.all.accept_ra=2 net.ipv6.conf.all.forwarding=1)")
		return
	}
	if f.IPv6 = true; f.Interfaces == nil {
		f.Interfaces, f.Others = interfaces(), others()
	}
	p.set(forward6, "net.ipv6.conf.all.forwarding", f)
}

// set sets a sysctl to 1, after it has written down that the sysctl was 0.
func (p *plug) set(path, name string, f network.Forward) {
	p.do(fmt.Sprintf("write(%q, 1)", path), "ip(7)", func() error {
		if err := p.SetForward(f); err != nil {
			return err
		}
		return os.WriteFile(path, []byte("1"), 0)
	})
	if p.line.Err == nil {
		p.remarks = append(p.remarks, name+" was 0: it is 1 until the last container of a network has ended")
	}
}

// unforward restores the sysctls, unless somebody who came later may need them.
func (p *plug) unforward() {
	f, err := p.Store.Forward()
	if err != nil || !f.IPv4 && !f.IPv6 {
		return
	}
	came := slices.DeleteFunc(others(), func(other string) bool { return slices.Contains(f.Others, other) })
	if len(came) > 0 {
		p.remarks = append(p.remarks, fmt.Sprintf("this host goes on to forward packets, though the last container has ended: %s came meanwhile and may need this "+
			"(if not: sysctl net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0)", came[0]))
		f = network.Forward{}
	}
	if f.IPv4 {
		p.do(fmt.Sprintf("write(%q, 0)", forward4), "ip(7)", func() error {
			if err := os.WriteFile(forward4, []byte("0"), 0); err != nil {
				return err
			}
			return os.WriteFile(redirects, []byte(f.Redirects), 0)
		})
	}
	if f.IPv6 {
		p.do(fmt.Sprintf("write(%q, 0)", forward6), "ip(7)", func() error { return os.WriteFile(forward6, []byte("0"), 0) })
	}
	p.do("unlink(forward.json)", "unlink(2)", func() error { return p.SetForward(network.Forward{}) })
}

// others returns what others have that makes a host forward packets: rules about such packets, and bridges.
func others() (all []string) {
	chains, _ := new(nftables.Conn).ListChains()
	for _, chain := range chains {
		if chain.Table.Name == Table || chain.Hooknum == nil {
			continue
		}
		if chain.Type == nftables.ChainTypeNAT || *chain.Hooknum == *nftables.ChainHookForward {
			all = append(all, fmt.Sprintf("chain %s %s %s", families[chain.Table.Family], chain.Table.Name, chain.Name))
		}
	}
	for _, family := range legacyFamilies {
		for _, table := range []string{"filter", "nat"} {
			if family.has(table) {
				all = append(all, fmt.Sprintf("table %s of %s", table, family.command))
			}
		}
	}
	links, _ := netlink.LinkList()
	for _, link := range links {
		if link.Type() == "bridge" && !isOurs(link) {
			all = append(all, "bridge "+link.Attrs().Name)
		}
	}
	return all
}

// interfaces returns the names of all interfaces of the host but the loopback interface and our own.
func interfaces() (names []string) {
	links, _ := netlink.LinkList()
	for _, link := range links {
		if attrs := link.Attrs(); attrs.RawFlags&unix.IFF_LOOPBACK == 0 && !isOurs(link) && attrs.MasterIndex == 0 {
			names = append(names, attrs.Name)
		}
	}
	return names
}

// advertised reports whether the host has a route from a router advertisement. A host that forwards packets ignores these.
func advertised() bool {
	routes, _ := netlink.RouteList(nil, netlink.FAMILY_V6)
	return slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Protocol == unix.RTPROT_RA })
}
