//go:build linux

package network

import (
	"fmt"
	"net/netip"
)

// Default is the network of --network bridge. The first container makes it, and the last container takes it along.
const Default = "bridge"

// A Network is a bridge of the host, with the subnets of the containers that are plugged into it. Its file is NAME/network.json: see [Store].
type Network struct {
	Name string
	// Bridge is the interface of the host: workshop0 for the first network, workshop1 for the next.
	Bridge string
	IPv4   netip.Prefix
	// IPv6 is the zero value if the host has no IPv6.
	IPv6 netip.Prefix `json:",omitzero"`
	// Internal networks lead nowhere: not to other networks, and not to the host.
	Internal bool `json:",omitempty"`
}

// An Endpoint is the place of one container in a network. Its file is NAME/endpoints/ID.json, and the file is the lease of the addresses.
//
// The engine joins a network with ID, Root, Name, Aliases and Ports, before anything else of the container is made: [Store.Join] adds the
// rest and writes the file. The helper reads the file (package link): it makes the interfaces and the rules, and package names answers for
// Name and Aliases. When the command has ended, or when the container is deleted, the helper takes both away, and [Store.Leave] removes
// the file.
type Endpoint struct {
	// ID is the ID of the container, in the directory Root of all state.
	ID, Root string
	// Name and Aliases are what other containers of the network call this container.
	Name    string
	Aliases []string `json:",omitempty"`
	// Resolvers are the DNS servers that the container wants to ask, instead of those of the host.
	Resolvers []netip.Addr `json:",omitempty"`
	// Network is the name of the network.
	Network string
	IPv4    netip.Addr
	// IPv6 is the zero value if the network has no IPv6.
	IPv6 netip.Addr `json:",omitzero"`
	// MAC is the address of eth0 in the container.
	MAC string
	// Ports are the ports of the container that the host publishes, with the port of the host: see [Reserve].
	Ports []Port `json:",omitempty"`
}

// A Question is what final asks the helper: to plug a container in, or to unplug it. The helper gets the lock of the store as descriptor 3.
// To plug a container in, the helper starts before the container has a network namespace, and gets the namespace through descriptor 4: see
// [Pass].
type Question struct {
	// Dir is the directory of the store.
	Dir string
	// Root and ID name the endpoint.
	Root, ID string
	Unplug   bool
	// Serve only starts the process of the container's network, if somebody has killed the process.
	Serve bool
	// Side says who asks, in the records: see package stage.
	Side string
}

// Gateway is the address of the host in the network: of the bridge, of the default route of containers, and of the DNS server.
func (n *Network) Gateway() netip.Addr { return n.IPv4.Addr().Next() }

// Gateway6 is the Gateway for IPv6, or the zero value.
func (n *Network) Gateway6() netip.Addr {
	if !n.IPv6.IsValid() {
		return netip.Addr{}
	}
	return n.IPv6.Addr().Next()
}

// Gateways are the addresses of the host in the network, with the lengths of their subnets: one, or two with IPv6.
func (n *Network) Gateways() []netip.Prefix {
	all := []netip.Prefix{netip.PrefixFrom(n.Gateway(), n.IPv4.Bits())}
	if n.IPv6.IsValid() {
		all = append(all, netip.PrefixFrom(n.Gateway6(), n.IPv6.Bits()))
	}
	return all
}

// GatewayMAC is the MAC address of the bridge.
func (n *Network) GatewayMAC() string { return macOf(n.Gateway()) }

// Addresses are those of eth0 in the container, with the length of their subnets.
func (e *Endpoint) Addresses(n *Network) []netip.Prefix {
	all := []netip.Prefix{netip.PrefixFrom(e.IPv4, n.IPv4.Bits())}
	if e.IPv6.IsValid() {
		all = append(all, netip.PrefixFrom(e.IPv6, n.IPv6.Bits()))
	}
	return all
}

// Senders are the IPv6 addresses from which a container may send. An interface without an address sends from ::.
func (e *Endpoint) Senders() []netip.Addr {
	return []netip.Addr{e.IPv6, e.LinkLocal(), netip.IPv6Unspecified()}
}

// A Key tells endpoints apart.
type Key struct{ Root, ID, Network string }

// Key is the key of an endpoint.
func (e *Endpoint) Key() Key { return Key{e.Root, e.ID, e.Network} }

// Port is the name of the host's end of the cable to a container: ws0-2 for the container 10.143.0.2 in the network of workshop0. The
// number is that of the container in its subnet.
func (n *Network) Port(e *Endpoint) string {
	return fmt.Sprintf("ws%s-%d", n.Bridge[len(bridgePrefix):], number(n.IPv4, e.IPv4))
}

// PortPrefix begins the names of all ports of a network.
func (n *Network) PortPrefix() string { return "ws" + n.Bridge[len(bridgePrefix):] + "-" }

const bridgePrefix = "workshop"

// number is the number of an address in its subnet.
func number(subnet netip.Prefix, ip netip.Addr) uint32 {
	return as32(ip) - as32(subnet.Masked().Addr())
}

func as32(ip netip.Addr) uint32 {
	b := ip.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func from32(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// MAC has the first two bytes of the MAC addresses of all bridges and containers.
const MAC = "02:57:00:00:00:00"

// macOf returns the MAC address that goes with an IPv4 address. Whoever gets the address next has the same MAC address, so no neighbour keeps a
// wrong one. The bit 0x02 says that no manufacturer has given the MAC address.
func macOf(ip netip.Addr) string {
	b := ip.As4()
	return fmt.Sprintf("%s:%02x:%02x:%02x:%02x", MAC[:5], b[0], b[1], b[2], b[3])
}

// LinkLocal is the IPv6 address that the kernel gives to an interface by its MAC address. RFC 4291, appendix A
func (e *Endpoint) LinkLocal() netip.Addr {
	v4 := e.IPv4.As4()
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: 0x00, 9: 0x57, 10: v4[0], 11: 0xff, 12: 0xfe, 13: v4[1], 14: v4[2], 15: v4[3]})
}

// ipv6Of returns the IPv6 address of a container: its last four bytes are the IPv4 address.
func ipv6Of(subnet netip.Prefix, ip netip.Addr) netip.Addr {
	if !subnet.IsValid() {
		return netip.Addr{}
	}
	b := subnet.Addr().As16()
	v4 := ip.As4()
	copy(b[12:], v4[:])
	return netip.AddrFrom16(b)
}
