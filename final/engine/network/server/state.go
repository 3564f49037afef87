//go:build linux

package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
	"container-workshop/final/engine/network/names"
	"container-workshop/final/engine/network/relay"
)

// read reads the files of the network, and serves what they say. It reports whether the network has a container.
func (p *process) read() (some bool, err error) {
	// A change during the read is reported, because the watch comes first.
	if err := p.addWatch(); err != nil {
		return false, err
	}
	n, err := p.store.Network(p.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	endpoints, err := p.store.Endpoints(n)
	if err != nil || len(endpoints) == 0 {
		return false, err
	}
	p.dns.Set(table(n, endpoints))
	if err := p.listeners.change(n, &p.dns); err != nil {
		return true, err
	}
	p.failures = p.relays.change(endpoints)
	return true, nil
}

// table is what the DNS server knows about a network.
func table(n *network.Network, endpoints []*network.Endpoint) *names.Table {
	t := &names.Table{Internal: n.Internal, Subnets: []netip.Prefix{n.IPv4}}
	if n.IPv6.IsValid() {
		t.Subnets = append(t.Subnets, n.IPv6)
	}
	for _, e := range endpoints {
		addresses := []netip.Addr{e.IPv4}
		if e.IPv6.IsValid() {
			addresses = append(addresses, e.IPv6)
		}
		var resolvers []netip.AddrPort
		for _, ip := range e.Resolvers {
			resolvers = append(resolvers, netip.AddrPortFrom(ip, 53))
		}
		t.Add(append([]string{e.Name}, e.Aliases...), addresses, resolvers)
	}
	return t
}

// listeners are the sockets of the DNS server, at each address of the bridge.
type listeners map[netip.Addr][]interface{ Close() error }

// change opens what is missing, and closes what belongs to addresses that the bridge no longer has.
func (l *listeners) change(n *network.Network, dns *names.Server) error {
	if *l == nil {
		*l = listeners{}
	}
	wanted := map[netip.Addr]bool{}
	for _, ip := range []netip.Addr{n.Gateway(), n.Gateway6()} {
		wanted[ip] = true
		if !ip.IsValid() || (*l)[ip] != nil {
			continue
		}
		var packets *net.UDPConn
		var connections net.Listener
		err := retry(func() (err error) {
			packets, connections, err = listen(netip.AddrPortFrom(ip, 53))
			return err
		})
		if err != nil {
			return explain(ip, err)
		}
		(*l)[ip] = append((*l)[ip], packets, connections)
		go func() { _ = dns.ServeUDP(packets) }()
		go func() { _ = dns.ServeTCP(connections) }()
	}
	for ip, sockets := range *l {
		if !wanted[ip] {
			for _, s := range sockets {
				s.Close()
			}
			delete(*l, ip)
		}
	}
	return nil
}

// retry tries again while an address is in use: if somebody has killed the process before us, the kernel may still be closing its sockets.
func retry(open func() error) error {
	err := open()
	for try := 0; try < 100 && errors.Is(err, unix.EADDRINUSE); try++ {
		time.Sleep(10 * time.Millisecond)
		err = open()
	}
	return err
}

// listen opens the sockets of the DNS server at an address. An address of IPv6 may not be ready yet: the kernel asks the network first
// whether somebody else has it, and IP_FREEBIND does not wait. ip(7)
func listen(at netip.AddrPort) (*net.UDPConn, net.Listener, error) {
	level, option, family := unix.IPPROTO_IP, unix.IP_FREEBIND, "4"
	if at.Addr().Is6() {
		level, option, family = unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, "6"
	}
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) (err error) {
		bad := conn.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) })
		return errors.Join(bad, err)
	}}
	packets, err := config.ListenPacket(context.Background(), "udp"+family, at.String())
	if err != nil {
		return nil, nil, err
	}
	connections, err := config.Listen(context.Background(), "tcp"+family, at.String())
	if err != nil {
		packets.Close()
		return nil, nil, err
	}
	return packets.(*net.UDPConn), connections, nil
}

func explain(ip netip.Addr, err error) error {
	if !errors.Is(err, unix.EADDRINUSE) {
		return fmt.Errorf("listen at %s, for questions about names: %w", netip.AddrPortFrom(ip, 53), err)
	}
	owner := ""
	for _, protocol := range []string{"udp", "tcp"} {
		owner = network.Port{IP: ip, Host: 53, Protocol: protocol}.Owner()
		if owner != network.Nobody {
			break
		}
	}
	return fmt.Errorf("listen at %s, for questions about names: the port is in use by %s, which should listen at its own addresses only", netip.AddrPortFrom(ip, 53), owner)
}

// A key tells relays apart.
type key struct {
	root, id string
	to       netip.Addr
	port     network.Port
}

type relays map[key]*relay.Relay

// change opens the relays of containers that are new, and closes those of containers that are gone. It returns what went wrong, by the IDs
// of containers.
func (r *relays) change(endpoints []*network.Endpoint) map[string]error {
	if *r == nil {
		*r = relays{}
	}
	wanted, failures := map[key]bool{}, map[string]error{}
	for _, e := range endpoints {
		for _, port := range e.Ports {
			wanted[key{e.Root, e.ID, e.IPv4, port}] = true
		}
	}
	// Close old relays first: a new container may have the port of an old one.
	for k, old := range *r {
		if !wanted[k] {
			old.Close()
			delete(*r, k)
		}
	}
	for k := range wanted {
		if (*r)[k] != nil {
			continue
		}
		var opened *relay.Relay
		err := retry(func() (err error) {
			opened, err = relay.Open(k.port, k.to)
			return err
		})
		if err != nil {
			failures[k.id] = err
			continue
		}
		(*r)[k] = opened
	}
	return failures
}
