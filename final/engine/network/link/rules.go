//go:build linux

package link

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
)

// Table is the name of our tables, for IP packets (family inet) and for the frames on the bridges (family bridge).
const Table = "container-workshop"

// A wired is a network with its endpoints.
type wired struct {
	*network.Network
	endpoints []*network.Endpoint
}

// rules writes our tables anew, for all endpoints except one that goes. Without endpoints there are no tables. A transaction of nftables
// has an effect as a whole: no packet sees half of the rules.
func (p *plug) rules(except *network.Endpoint) {
	p.do(fmt.Sprintf("sendmsg(NFT_MSG_NEWRULE, table %q)", Table), "netlink(7)", func() error {
		all, err := everything(p.Store, except)
		if err != nil {
			return err
		}
		f, err := p.Store.Forward()
		if err != nil {
			return err
		}
		return write(all, f.Interfaces)
	})
}

// everything returns the networks that have endpoints.
func everything(s *network.Store, except *network.Endpoint) (all []wired, err error) {
	networks, err := s.Networks()
	for _, n := range networks {
		w := wired{Network: n}
		endpoints, err := s.Endpoints(n)
		if err != nil {
			return nil, err
		}
		for _, e := range endpoints {
			if except == nil || e.Key() != except.Key() {
				w.endpoints = append(w.endpoints, e)
			}
		}
		if len(w.endpoints) > 0 {
			all = append(all, w)
		}
	}
	return all, err
}

// write replaces our tables. closed are the interfaces of the host between which it forwarded nothing without us.
func write(all []wired, closed []string) error {
	c, err := nftables.New(nftables.WithSockOptions(large), nftables.AsLasting())
	if err != nil {
		return err
	}
	defer hangUp(c)
	for _, family := range []nftables.TableFamily{nftables.TableFamilyINet, nftables.TableFamilyBridge} {
		table := &nftables.Table{Name: Table, Family: family}
		// To delete a table that is missing would be an error.
		c.AddTable(table)
		c.DelTable(table)
		if len(all) == 0 {
			continue
		}
		c.AddTable(table)
		if family == nftables.TableFamilyBridge {
			guardPorts(c, table, all)
			continue
		}
		closePorts(c, table, all)
		forward(c, table, all, closed)
		input(c, table, all)
		publish(c, table, all)
		masquerade(c, table, all)
	}
	return c.Flush()
}

// hangUp closes a socket, and waits for nothing. If anybody has just changed rules, the close of any socket of nftables waits until no processor
// uses the old rules any more, which takes some milliseconds.
func hangUp(c *nftables.Conn) { go c.CloseLasting() }

// large gives a socket room for a transaction with the rules of hundreds of containers, and for the answers: the kernel acknowledges each
// rule before we read the first answer. netlink(7), ENOBUFS
func large(c *netlink.Conn) error {
	const size = 16 << 20
	return errors.Join(c.SetReadBuffer(size), c.SetWriteBuffer(size))
}

// chain makes a chain at a hook, which lets everything pass that no rule drops.
func chain(c *nftables.Conn, table *nftables.Table, name string, kind nftables.ChainType, hook *nftables.ChainHook, priority *nftables.ChainPriority) func(...[]expr.Any) {
	made := c.AddChain(&nftables.Chain{Name: name, Table: table, Type: kind, Hooknum: hook, Priority: priority})
	return func(parts ...[]expr.Any) {
		rule := &nftables.Rule{Table: table, Chain: made}
		for _, part := range parts {
			rule.Exprs = append(rule.Exprs, part...)
		}
		c.AddRule(rule)
	}
}

// closePorts drops what the host itself gets from the port of a bridge. The packets of containers come from the bridge. But a bridge does not
// forward frames to 01:80:c2:00:00:0e and its neighbours: the host gets these from the port, and no rule for the bridge sees them.
// IEEE 802.1D, table 7-10
func closePorts(c *nftables.Conn, table *nftables.Table, all []wired) {
	rule := chain(c, table, "ports", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw)
	for _, n := range all {
		rule(inAny(n.PortPrefix()), drop)
	}
}

// forward decides about packets that the host would route: containers of one network talk to each other, and to the world. The world
// only answers, or comes by a published port. Networks do not talk to each other.
func forward(c *nftables.Conn, table *nftables.Table, all []wired, closed []string) {
	rule := chain(c, table, "forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	world := chain(c, table, "world", "", nil, nil)
	// What a network sends comes first: even an error that belongs to a connection of another network would be a message.
	for _, n := range all {
		world(out(n.Bridge), drop)
		rule(in(n.Bridge), out(n.Bridge), accept)
		if n.Internal {
			rule(in(n.Bridge), drop)
		} else {
			rule(in(n.Bridge), []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: "world"}})
		}
	}
	world(accept)
	for _, n := range all {
		if !n.Internal {
			rule(out(n.Bridge), known, accept)
			rule(out(n.Bridge), published, accept)
		}
		rule(out(n.Bridge), drop)
	}
	if len(closed) == 0 {
		return
	}
	others := chain(c, table, "closed", "", nil, nil)
	for _, name := range closed {
		others(out(name), drop)
		rule(in(name), []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: "closed"}})
	}
}

// input decides about packets for the host itself. From an internal network the host only answers questions about names, and about its own
// MAC address, which IPv6 asks by ICMP.
func input(c *nftables.Conn, table *nftables.Table, all []wired) {
	rule := chain(c, table, "input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter)
	for _, n := range all {
		if !n.Internal {
			continue
		}
		rule(in(n.Bridge), known, accept)
		for _, protocol := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
			for _, gateway := range n.Gateways() {
				rule(in(n.Bridge), to(gateway.Addr()), transport(protocol), destination(53), accept)
			}
		}
		for _, kind := range []byte{neighborSolicitation, neighborAdvertisement} {
			rule(in(n.Bridge), six, transport(unix.IPPROTO_ICMPV6), icmpType(kind), accept)
		}
		rule(in(n.Bridge), drop)
	}
}

// masquerade gives packets that leave a network the address of the host.
func masquerade(c *nftables.Conn, table *nftables.Table, all []wired) {
	rule := chain(c, table, "postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	for _, n := range all {
		if n.Internal {
			continue
		}
		rule(fromSubnet(n.IPv4), notOut(n.Bridge), []expr.Any{&expr.Masq{}})
		if n.IPv6.IsValid() {
			rule(fromSubnet(n.IPv6), notOut(n.Bridge), []expr.Any{&expr.Masq{}})
		}
	}
}

// guardPorts lets a container send only with its own addresses. Each port of a bridge has a chain, and what the chain does not know is
// dropped: so nobody can take the address of a neighbour or of the gateway, by IP, ARP or neighbour discovery, and nobody can send router
// advertisements, which would lead the traffic of others through a container.
func guardPorts(c *nftables.Conn, table *nftables.Table, all []wired) {
	top := chain(c, table, "prerouting", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw)
	for _, n := range all {
		for _, e := range n.endpoints {
			port := n.Port(e)
			rule := chain(c, table, port, "", nil, nil)
			top(in(port), []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: port}})
			rule(notSender(mac(e.MAC)), drop)
			rule(etherType(unix.ETH_P_IP), from(e.IPv4), accept)
			rule(etherType(unix.ETH_P_ARP), arpSender(mac(e.MAC), e.IPv4), accept)
			if e.IPv6.IsValid() {
				for _, kind := range []byte{routerAdvertisement, redirect} {
					rule(etherType(unix.ETH_P_IPV6), transport(unix.IPPROTO_ICMPV6), icmpType(kind), drop)
				}
				for _, ip := range e.Senders() {
					rule(etherType(unix.ETH_P_IPV6), transport(unix.IPPROTO_ICMPV6), icmpType(neighborAdvertisement), target(ip), accept)
				}
				rule(etherType(unix.ETH_P_IPV6), transport(unix.IPPROTO_ICMPV6), icmpType(neighborAdvertisement), drop)
				for _, ip := range e.Senders() {
					rule(etherType(unix.ETH_P_IPV6), from(ip), accept)
				}
			}
			rule(drop)
		}
		// Somebody may remove the file of a container that still runs. Its port has no chain then.
		top(inAny(n.PortPrefix()), drop)
	}
}
