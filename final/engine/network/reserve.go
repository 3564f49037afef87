//go:build linux

package network

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// A Holder is what has published ports already.
type Holder struct {
	// ID is the ID of a container.
	ID    string
	Ports []Port
}

// Reserve returns the ports with a free port of the host where a port asks for any, and refuses a port that is in use: it names who has the
// port. Reserve runs in the network namespace of the host. It opens a socket at each port and closes all of them at its end, so the caller
// needs the lock under which all containers get their ports.
func Reserve(ports []Port, holders []Holder) (reserved []Port, err error) {
	for _, p := range ports {
		for _, h := range holders {
			for _, other := range h.Ports {
				if p.Overlaps(other) {
					return nil, fmt.Errorf("--publish %s: port %d/%s of the host belongs to container %s: choose another port, or end that container", p, p.Host, p.Protocol, h.ID)
				}
			}
		}
	}
	var open []int
	defer func() {
		for _, fd := range open {
			unix.Close(fd)
		}
	}()
	for _, p := range ports {
		sockets, got, err := p.reserve()
		if err != nil {
			return nil, err
		}
		open, reserved = append(open, sockets...), append(reserved, got)
	}
	return reserved, nil
}

// Addresses are those at which the host listens for a port.
func (p Port) Addresses() []netip.Addr {
	if p.IP.IsValid() {
		return []netip.Addr{p.IP}
	}
	return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
}

// anyIPv6 reports whether any interface of the host has an IPv6 address. The network namespace is that of this thread.
func anyIPv6() bool {
	addresses, _ := os.ReadFile("/proc/thread-self/net/if_inet6")
	return len(addresses) > 0
}

// tries is how often a port that is free for one family of addresses may be in use for the other.
const tries = 16

// reserve opens the sockets of one port. The kernel chooses a free port. A host without IPv6 publishes the port for IPv4 alone.
func (p Port) reserve() (sockets []int, got Port, err error) {
	for try := 0; ; try++ {
		got = p
		if !p.IP.IsValid() && !anyIPv6() {
			got.IP = netip.IPv4Unspecified()
		}
		for _, ip := range got.Addresses() {
			var fd int
			if fd, err = bind(netip.AddrPortFrom(ip, got.Host), p.Protocol); err != nil {
				break
			}
			sockets = append(sockets, fd)
			got.Host = boundTo(fd)
		}
		if err == nil {
			return sockets, got, nil
		}
		for _, fd := range sockets {
			unix.Close(fd)
		}
		sockets = nil
		if p.Host != 0 || try == tries || !errors.Is(err, unix.EADDRINUSE) {
			return nil, p, p.explain(err)
		}
	}
}

// bind opens a socket at an address. For IPv6 the socket is for IPv6 alone. ip(7), ipv6(7)
func bind(to netip.AddrPort, protocol string) (int, error) {
	family, kind := unix.AF_INET, unix.SOCK_DGRAM
	var address unix.Sockaddr = &unix.SockaddrInet4{Port: int(to.Port()), Addr: as4(to.Addr())}
	if to.Addr().Is6() {
		family, address = unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	}
	if protocol == "tcp" {
		kind = unix.SOCK_STREAM
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if family == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err == nil && protocol == "tcp" {
		// Connections that have ended do not matter. A UDP socket would share its port with others.
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err == nil {
		err = unix.Bind(fd, address)
	}
	if err == nil && protocol == "tcp" {
		err = unix.Listen(fd, 1)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// boundTo is the port of a socket.
func boundTo(fd int) uint16 {
	address, _ := unix.Getsockname(fd)
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		return uint16(a.Port)
	case *unix.SockaddrInet6:
		return uint16(a.Port)
	}
	return 0
}

// explain says why the host cannot listen at a port.
func (p Port) explain(err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE) && p.Host == 0:
		return fmt.Errorf("--publish %s: no port of the host is free", p)
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("--publish %s: port %d/%s of the host is in use by %s: choose another port, or end that program", p, p.Host, p.Protocol, p.Owner())
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("--publish %s: %s is no address of this host (see ip address)", p, p.IP)
	case errors.Is(err, unix.EACCES):
		const first = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
		number, _ := os.ReadFile(first)
		return fmt.Errorf("--publish %s: only root can use a port below %s, the number in %s: choose a higher port, or use sudo", p, bytes.TrimSpace(number), first)
	}
	return fmt.Errorf("--publish %s: listen at the host: %w", p, err)
}

// as4 is an address of IPv4 in 4 bytes, and 0.0.0.0 for an address of IPv6.
func as4(ip netip.Addr) (bytes [4]byte) {
	if ip.Is4() {
		bytes = ip.As4()
	}
	return bytes
}
