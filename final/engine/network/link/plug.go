//go:build linux

// Package link runs on the host side, in final-helper: it makes the interfaces, addresses, routes and rules of networks, by rtnetlink(7) and
// nftables. Nothing here executes another program.
//
//	eth0 of a container ---- ws0-2 ---+
//	eth0 of a container ---- ws0-3 ---+--- workshop0, which has the gateway's address: routes and masquerades to the host's interfaces
//
// The rules are a function of the files in the store: each change writes the tables of final anew, in one transaction. The caller holds
// the lock of the store, so nobody else changes files or rules meanwhile.
package link

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
	"container-workshop/final/stage"
)

// Plug plugs a container in: it makes the bridge if the bridge is missing, the rules, the cable to the container, and the addresses and
// routes in the network namespace of the container. The namespace comes through a passage, as the container is made meanwhile. Plug returns
// remarks for the user. If Plug fails, Unplug takes away what is there.
func Plug(list *stage.List, s *network.Store, q *network.Question, passage *os.File) (remarks []string, err error) {
	n, e, err := s.Find(q.Root, q.ID)
	if err == nil && e == nil {
		err = fmt.Errorf("container %s has no place in a network any more: somebody has deleted it meanwhile", q.ID)
	}
	if err != nil {
		return nil, err
	}
	p := &plug{Store: s, Network: n, Endpoint: e, line: list.Line()}
	if n.IPv6.IsValid() && !network.HasIPv6() {
		n.IPv6, e.IPv6 = netip.Prefix{}, netip.Addr{}
		p.remarks = append(p.remarks, fmt.Sprintf("network %s is without IPv6 for now: the host has turned IPv6 off (sysctl net.ipv6.conf.all.disable_ipv6)", n.Name))
	}
	p.bridge()
	p.forward()
	p.rules(nil)
	p.forget()
	if p.line.Err == nil {
		// Others may still make the container, so nobody waits for these questions to the kernel.
		p.remarks = append(p.remarks, Blocked(n.Bridge, n.Internal)...)
	}
	var namespace *os.File
	p.line.Wait("recvmsg(network namespace)", "unix(7)", func() (err error) {
		namespace, err = network.Passed(passage)
		return err
	})
	defer namespace.Close()
	p.cable(namespace)
	p.inside(namespace)
	p.do(fmt.Sprintf("sendmsg(RTM_SETLINK, %q, up)", n.Port(e)), "rtnetlink(7)", func() error { return netlink.LinkSetUp(named(n.Port(e))) })
	return p.remarks, p.line.Err
}

// A plug is one change of a network.
type plug struct {
	*network.Store
	*network.Network
	*network.Endpoint
	line    *stage.Line
	remarks []string
}

// do makes a call as a stage. The error names the network.
func (p *plug) do(call, man string, do func() error) {
	p.line.Do(call, man, 0, func() error {
		if err := do(); err != nil {
			return fmt.Errorf("network %s: %s: %w%s", p.Network.Name, call, err, advice(err))
		}
		return nil
	})
}

// advice says what to do about an error that says too little.
func advice(err error) string {
	switch {
	case errors.Is(err, unix.EPERM):
		return " (this needs root with CAP_NET_ADMIN)"
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOENT):
		return " (the kernel may lack a module: modprobe -a bridge veth nf_tables nf_nat)"
	}
	return ""
}

// named is an interface that the library finds by its name.
func named(name string) netlink.Link { return &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: name}} }

// isOurs reports whether an interface is a bridge of final: such a bridge has a MAC address that only final gives.
func isOurs(link netlink.Link) bool {
	return link.Type() == "bridge" && bytes.HasPrefix(link.Attrs().HardwareAddr, mac(network.MAC)[:2])
}

// bridge makes the bridge of the network, unless an earlier container has.
func (p *plug) bridge() {
	n := p.Network
	link, err := netlink.LinkByName(n.Bridge)
	switch {
	case err == nil && isOurs(link) && has(link, n):
		return
	case err == nil && isOurs(link) && p.shared():
		// Somebody has taken addresses away. The bridge stays, as other containers are plugged in.
		p.addresses(link)
		return
	case err == nil && isOurs(link):
		// A crash, or a restart of final with other subnets, has left it.
		p.do(fmt.Sprintf("sendmsg(RTM_DELLINK, %q)", n.Bridge), "rtnetlink(7)", func() error { return netlink.LinkDel(link) })
	case err == nil:
		p.line.Do("look for "+n.Bridge, "rtnetlink(7)", 0, func() error { return p.notOurs(n.Bridge) })
		return
	}
	attrs := netlink.NewLinkAttrs()
	// Without a MAC address of its own, a bridge has that of a container, and another one when this container ends.
	attrs.Name, attrs.MTU, attrs.HardwareAddr = n.Bridge, uplinkMTU(), mac(n.GatewayMAC())
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: new(bool)}
	p.do(fmt.Sprintf("sendmsg(RTM_NEWLINK, %q, bridge)", n.Bridge), "rtnetlink(7)", func() error { return netlink.LinkAdd(bridge) })
	p.addresses(bridge)
	p.do(fmt.Sprintf("sendmsg(RTM_SETLINK, %q, up)", n.Bridge), "rtnetlink(7)", func() error { return netlink.LinkSetUp(bridge) })
}

func (p *plug) notOurs(name string) error {
	return fmt.Errorf("network %s: the host has an interface %s that does not belong to final (ip link delete %[2]s, if nobody needs it)", p.Network.Name, name)
}

// shared reports whether the network has other containers.
func (p *plug) shared() bool {
	all, err := p.Store.Endpoints(p.Network)
	return err == nil && len(all) > 1
}

// addresses gives the bridge the addresses of the gateway.
func (p *plug) addresses(bridge netlink.Link) {
	for _, a := range p.Gateways() {
		p.do(fmt.Sprintf("sendmsg(RTM_NEWADDR, %q, %s)", p.Bridge, a), "rtnetlink(7)", func() error { return netlink.AddrReplace(bridge, address(a)) })
	}
}

// cable makes a pair of virtual interfaces: one end is a port of the bridge, and the other end is eth0 of the container. veth(4)
func (p *plug) cable(namespace *os.File) {
	if p.line.Err != nil {
		return
	}
	name := p.Network.Port(p.Endpoint)
	if old, err := netlink.LinkByName(name); err == nil {
		if old.Type() != "veth" {
			p.line.Do("look for "+name, "rtnetlink(7)", 0, func() error { return p.notOurs(name) })
			return
		}
		p.do(fmt.Sprintf("sendmsg(RTM_DELLINK, %q)", name), "rtnetlink(7)", func() error { return netlink.LinkDel(old) })
	}
	p.do(fmt.Sprintf("sendmsg(RTM_NEWLINK, %q and \"eth0\", veth)", name), "veth(4)", func() error {
		bridge, err := netlink.LinkByName(p.Bridge)
		if err != nil {
			return err
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU, attrs.MasterIndex = name, bridge.Attrs().MTU, bridge.Attrs().Index
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: attrs, PeerName: "eth0", PeerHardwareAddr: mac(p.MAC), PeerNamespace: netlink.NsFd(namespace.Fd()),
		})
	})
}

// inside gives eth0 its addresses and routes.
func (p *plug) inside(namespace *os.File) {
	var h *netlink.Handle
	var eth0 netlink.Link
	p.do("setns(container); socket(NETLINK_ROUTE)", "network_namespaces(7)", func() (err error) {
		if h, err = netlink.NewHandleAt(netns.NsHandle(namespace.Fd()), unix.NETLINK_ROUTE); err == nil {
			eth0, err = h.LinkByName("eth0")
		}
		return err
	})
	defer func() {
		if h != nil {
			h.Close()
		}
	}()
	for _, a := range p.Endpoint.Addresses(p.Network) {
		p.do(fmt.Sprintf("sendmsg(RTM_NEWADDR, \"eth0\", %s)", a), "rtnetlink(7)", func() error { return h.AddrAdd(eth0, address(a)) })
	}
	p.do(`sendmsg(RTM_SETLINK, "eth0", up)`, "rtnetlink(7)", func() error { return h.LinkSetUp(eth0) })
	if p.Internal {
		return
	}
	for _, a := range p.Gateways() {
		ip := a.Addr()
		p.do(fmt.Sprintf("sendmsg(RTM_NEWROUTE, default, %s)", ip), "rtnetlink(7)", func() error {
			return h.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: net.IP(ip.AsSlice())})
		})
	}
}

// Unplug takes away what Plug has made for a container, and the bridge, the rules and the sysctls with the last container. The file of the
// endpoint goes last: whoever is interrupted here can be repeated.
func Unplug(list *stage.List, s *network.Store, q *network.Question) (remarks []string, err error) {
	n, e, err := s.Find(q.Root, q.ID)
	if err != nil || e == nil {
		return nil, err
	}
	p := &plug{Store: s, Network: n, Endpoint: e, line: list.Line()}
	others, err := s.Endpoints(n)
	if err != nil {
		return nil, err
	}
	all, err := everything(s, e)
	if err != nil {
		return nil, err
	}
	gone := []string{n.Port(e)}
	if len(others) == 1 {
		gone = append(gone, n.Bridge)
	}
	// No packet of the container may pass without rules: another container can share its network, and go on.
	p.cut(gone[0])
	if !slices.ContainsFunc(all, func(w wired) bool { return !w.Internal }) {
		p.unforward()
	}
	p.rules(e)
	p.forget()
	p.remove(gone)
	p.line.Do(fmt.Sprintf("unlink(%q)", filepath.Join(s.Dir, n.Name, "endpoints", e.ID+".json")), "unlink(2)", 0, func() error { return s.Leave(n, e) })
	return p.remarks, p.line.Err
}

// cut takes the host's end of a cable down.
func (p *plug) cut(name string) {
	p.do(fmt.Sprintf("sendmsg(RTM_SETLINK, %q, down)", name), "rtnetlink(7)", func() error {
		link, err := netlink.LinkByName(name)
		if err == nil && link.Type() == "veth" {
			err = netlink.LinkSetDown(link)
		}
		return unlessGone(err)
	})
}

// remove removes interfaces, if they are there and ours. With one end of a cable goes the other. The kernel may have removed the cable with
// the network namespace of the container already.
func (p *plug) remove(names []string) {
	for _, name := range names {
		p.do(fmt.Sprintf("sendmsg(RTM_DELLINK, %q)", name), "rtnetlink(7)", func() error {
			link, err := netlink.LinkByName(name)
			if err == nil && (link.Type() == "veth" && name != p.Bridge || isOurs(link)) {
				err = removeLink(link)
			}
			return unlessGone(err)
		})
	}
}

// removeLink removes an interface, and waits until the interface is gone. The call itself takes longer: it frees the memory of the interface
// when no processor uses it any more, some ten milliseconds later. The helper may end meanwhile.
func removeLink(link netlink.Link) error {
	freed := make(chan error, 1)
	go func() { freed <- netlink.LinkDel(link) }()
	look := time.NewTicker(200 * time.Microsecond)
	defer look.Stop()
	for {
		select {
		case err := <-freed:
			return err
		case <-look.C:
			if _, err := netlink.LinkByIndex(link.Attrs().Index); err != nil {
				return err
			}
		}
	}
}

// unlessGone forgives that an interface is gone already.
func unlessGone(err error) error {
	if errors.As(err, new(netlink.LinkNotFoundError)) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}
