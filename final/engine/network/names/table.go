//go:build linux

package names

import (
	"net/netip"
	"strconv"
	"strings"
)

// A Table is what a server knows about its network. Nobody changes a table that a server has.
type Table struct {
	// Subnets are those of the network. The server answers questions from there alone.
	Subnets []netip.Prefix
	// Addresses holds the addresses of each name and alias, in lower case.
	Addresses map[string][]netip.Addr
	// Names holds the name of each address.
	Names map[netip.Addr]string
	// Resolvers holds what --dns says, for the addresses of a container.
	Resolvers map[netip.Addr][]netip.AddrPort
	// Internal says that the network has no way to the outside. DNS would be one, so the server does not forward anything.
	Internal bool
}

// Add adds a container. The first name is the name of its addresses.
func (t *Table) Add(names []string, addresses []netip.Addr, resolvers []netip.AddrPort) {
	if t.Addresses == nil {
		t.Addresses, t.Names, t.Resolvers = map[string][]netip.Addr{}, map[netip.Addr]string{}, map[netip.Addr][]netip.AddrPort{}
	}
	for i, name := range names {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		for _, ip := range addresses {
			t.Addresses[name] = append(t.Addresses[name], ip)
			if i == 0 {
				t.Names[ip] = name
			}
			if len(resolvers) > 0 {
				t.Resolvers[ip] = resolvers
			}
		}
	}
}

func (t *Table) contains(ip netip.Addr) bool {
	for _, subnet := range t.Subnets {
		if subnet.Contains(ip) {
			return true
		}
	}
	return false
}

// reverse reads the name of an address, such as 2.0.17.172.in-addr.arpa. RFC 1035 section 3.5, RFC 3596 section 2.5
func reverse(name string) (ip netip.Addr, ok bool) {
	if labels, is4 := strings.CutSuffix(name, ".in-addr.arpa"); is4 {
		var bytes [4]byte
		parts := strings.Split(labels, ".")
		if len(parts) != len(bytes) {
			return ip, false
		}
		for i, part := range parts {
			n, err := strconv.ParseUint(part, 10, 8)
			if err != nil {
				return ip, false
			}
			bytes[3-i] = byte(n)
		}
		return netip.AddrFrom4(bytes), true
	}
	if labels, is6 := strings.CutSuffix(name, ".ip6.arpa"); is6 {
		var bytes [16]byte
		parts := strings.Split(labels, ".")
		if len(parts) != 2*len(bytes) {
			return ip, false
		}
		for i, part := range parts {
			n, err := strconv.ParseUint(part, 16, 4)
			if err != nil || len(part) != 1 {
				return ip, false
			}
			at := 31 - i
			bytes[at/2] |= byte(n) << (4 * (1 - at%2))
		}
		return netip.AddrFrom16(bytes), true
	}
	return ip, false
}
