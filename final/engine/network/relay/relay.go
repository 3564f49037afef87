//go:build linux

// Package relay runs on the host side, in the process of a network. A relay takes what programs of this host, and other containers, send to
// a published port, and passes it on to the container. What comes from other machines does not need it: the kernel rewrites the address of
// such packets (DNAT). The kernel refuses to do the same with packets to 127.0.0.1, unless it were told to route them, and then a
// neighbour could reach the loopback interface of the host, too (CVE-2020-8558). For ::1 it always refuses.
//
// A relay also holds the port: another program that wants the port gets the usual error.
package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
)

// A Relay is the relay of one published port.
type Relay struct {
	to netip.AddrPort
	// context is that of attempts to connect to the container. Close cancels them.
	context context.Context
	cancel  context.CancelFunc
	closers []interface{ Close() error }
	lock    sync.Mutex
	closed  bool
	open    map[net.Conn]bool
	wait    sync.WaitGroup
}

// Open listens at a port of the host, for a container with an address.
func Open(p network.Port, container netip.Addr) (*Relay, error) {
	r := &Relay{to: netip.AddrPortFrom(container, p.Container), open: map[net.Conn]bool{}}
	r.context, r.cancel = context.WithCancel(context.Background())
	for _, ip := range p.Addresses() {
		err := r.listen(p.Protocol, netip.AddrPortFrom(ip, p.Host))
		// A host without IPv6 publishes the port for IPv4 alone.
		if err != nil && !p.IP.IsValid() && ip.Is6() && (errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)) {
			continue
		}
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("--publish %s: %w", p, err)
		}
	}
	return r, nil
}

func (r *Relay) listen(protocol string, at netip.AddrPort) error {
	family := "4"
	if at.Addr().Is6() {
		family = "6"
	}
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) (err error) {
		if protocol == "udp" {
			bad := conn.Control(func(fd uintptr) { err = wantDestination(int(fd), at.Addr().Is6()) })
			err = errors.Join(bad, err)
		}
		return err
	}}
	// Our connections are ordinary TCP: io.Copy moves bytes from socket to socket in the kernel only then.
	config.SetMultipathTCP(false)
	if protocol == "udp" {
		conn, err := config.ListenPacket(context.Background(), "udp"+family, at.String())
		if err != nil {
			return err
		}
		r.closers = append(r.closers, conn)
		u := &udp{relay: r, conn: conn.(*net.UDPConn), sessions: map[client]*net.UDPConn{}}
		r.wait.Go(u.serve)
		return nil
	}
	listener, err := config.Listen(context.Background(), "tcp"+family, at.String())
	if err != nil {
		return err
	}
	r.closers = append(r.closers, listener)
	r.wait.Go(func() { r.serveTCP(listener) })
	return nil
}

// Close ends the relay with all its connections.
func (r *Relay) Close() {
	r.cancel()
	r.lock.Lock()
	r.closed = true
	for _, c := range r.closers {
		c.Close()
	}
	for conn := range r.open {
		conn.Close()
	}
	r.lock.Unlock()
	r.wait.Wait()
}

// add keeps a connection for Close. It reports false if the relay has too many of them, or is closed.
func (r *Relay) add(conn net.Conn) bool {
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.closed || len(r.open) >= maxConnections {
		return false
	}
	r.open[conn] = true
	return true
}

// remove closes a connection.
func (r *Relay) remove(conn net.Conn) {
	r.lock.Lock()
	delete(r.open, conn)
	r.lock.Unlock()
	conn.Close()
}

// maxConnections is how many connections, or senders of UDP packets, a published port has at once.
const maxConnections = 2048
