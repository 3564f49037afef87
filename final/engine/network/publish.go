//go:build linux

// Package network says what a network of containers is: names, addresses, and ports that the host publishes. It runs in the caller's final,
// and costs its start next to nothing.
package network

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A Port is a port of a container that the host publishes.
type Port struct {
	// IP is an address of the host. The zero value stands for all addresses, IPv4 and IPv6.
	IP netip.Addr `json:"ip,omitzero"`
	// Host is the port of the host. 0 asks for any free port: see [Reserve].
	Host      uint16 `json:"host"`
	Container uint16 `json:"container"`
	// Protocol is tcp or udp.
	Protocol string `json:"protocol"`
}

// MaxPorts is how many ports one container may publish. The engine opens a socket for each of them.
const MaxPorts = 1024

// ParsePublish reads [IP:]HOST:CONTAINER[/tcp|/udp]. HOST and CONTAINER are a port or a range of ports. Without HOST, or if HOST is 0, the
// host uses any free port. An IPv6 address stands in brackets.
func ParsePublish(text string) ([]Port, error) {
	rest, protocol, _ := strings.Cut(text, "/")
	protocol = cmp.Or(protocol, "tcp")
	if protocol != "tcp" && protocol != "udp" || strings.HasSuffix(text, "/") {
		return nil, fmt.Errorf("protocol %q: must be tcp or udp", text[len(rest)+1:])
	}
	ip, rest, err := cutAddress(rest)
	if err != nil {
		return nil, err
	}
	host, container, both := strings.Cut(rest, ":")
	if !both {
		host, container = "", rest
	}
	inside, err := parseRange(container, 1, "container")
	if err != nil {
		return nil, err
	}
	outside := portRange{}
	if host != "" {
		if outside, err = parseRange(host, 0, "host"); err != nil {
			return nil, err
		}
	}
	if outside != (portRange{}) && outside.count() != inside.count() {
		return nil, fmt.Errorf("%d ports of the host for %d of the container: both ranges must have the same length", outside.count(), inside.count())
	}
	if inside.count() > MaxPorts {
		return nil, fmt.Errorf("%d ports: must be at most %d", inside.count(), MaxPorts)
	}
	ports := make([]Port, inside.count())
	for i := range ports {
		ports[i] = Port{IP: ip, Container: inside.first + uint16(i), Protocol: protocol}
		if outside.first != 0 {
			ports[i].Host = outside.first + uint16(i)
		}
	}
	return ports, nil
}

// cutAddress cuts the address of the host off a --publish, and returns the rest: HOST:CONTAINER. 0.0.0.0 and [::] stand for all addresses of
// one family.
func cutAddress(text string) (ip netip.Addr, rest string, err error) {
	var address string
	if inner, brackets := strings.CutPrefix(text, "["); brackets {
		var closed bool
		if address, rest, closed = strings.Cut(inner, "]:"); !closed {
			return ip, "", errors.New("must be [IPv6]:HOST:CONTAINER, such as [::1]:8080:80")
		}
	} else {
		switch strings.Count(text, ":") {
		case 0, 1:
			return ip, text, nil
		case 2:
			address, rest, _ = strings.Cut(text, ":")
		default:
			return ip, "", errors.New("must be [IP:]HOST:CONTAINER[/udp], with an IPv6 address in brackets, such as [::1]:8080:80")
		}
	}
	if ip, err = netip.ParseAddr(address); err != nil || ip.Zone() != "" || ip.Is4In6() {
		return netip.Addr{}, "", fmt.Errorf("%q: must be an IP address of this host, such as 127.0.0.1 or [::1]", address)
	}
	if ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}, "", fmt.Errorf("%s: must be an address of this host, not of many", ip)
	}
	return ip, rest, nil
}

// A portRange is the ports from first to last.
type portRange struct{ first, last uint16 }

func (r portRange) count() int { return int(r.last) - int(r.first) + 1 }

func parseRange(text string, least uint16, where string) (r portRange, err error) {
	first, last, several := strings.Cut(text, "-")
	if !several {
		last = first
	}
	for _, p := range []struct {
		text string
		to   *uint16
	}{{first, &r.first}, {last, &r.last}} {
		n, err := strconv.ParseUint(p.text, 10, 16)
		if err != nil || uint16(n) < least || several && n == 0 {
			return portRange{}, fmt.Errorf("port %q of the %s: must be a number from %d to 65535, or a range such as 8000-8010", p.text, where, least)
		}
		*p.to = uint16(n)
	}
	if r.last < r.first {
		return portRange{}, fmt.Errorf("ports %s of the %s: the first must not be above the last", text, where)
	}
	return r, nil
}

// String is the port as --publish reads it.
func (p Port) String() string {
	return fmt.Sprintf("%s%d:%d/%s", p.prefix(), p.Host, p.Container, p.Protocol)
}

// Outside is where the host listens, such as 127.0.0.1:8080. Without an address, the host listens on all of its addresses.
func (p Port) Outside() string {
	if !p.IP.IsValid() {
		return fmt.Sprintf("*:%d", p.Host)
	}
	return netip.AddrPortFrom(p.IP, p.Host).String()
}

func (p Port) prefix() string {
	if !p.IP.IsValid() {
		return ""
	}
	return strings.TrimSuffix(netip.AddrPortFrom(p.IP, 0).String(), "0")
}

// Overlaps reports whether both ports would answer to the same packet. Two requests for any free port never overlap.
func (p Port) Overlaps(other Port) bool {
	if p.Host != other.Host || p.Host == 0 || p.Protocol != other.Protocol {
		return false
	}
	if !p.IP.IsValid() || !other.IP.IsValid() {
		return true
	}
	return p.IP.Is4() == other.IP.Is4() && (p.IP == other.IP || p.IP.IsUnspecified() || other.IP.IsUnspecified())
}

// CheckPorts refuses a list in which two ports overlap, and a list that is too long.
func CheckPorts(ports []Port) error {
	if len(ports) > MaxPorts {
		return fmt.Errorf("--publish: %d ports: must be at most %d", len(ports), MaxPorts)
	}
	for i, p := range ports {
		for _, other := range ports[:i] {
			if p.Overlaps(other) {
				return fmt.Errorf("--publish: %s and %s both want port %d/%s of the host", other, p, p.Host, p.Protocol)
			}
		}
	}
	return nil
}
