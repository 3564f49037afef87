//go:build linux

package relay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// idle is how long a container can still answer a sender that is silent. It is what the kernel gives to such a pair of addresses.
// nf_conntrack_udp_timeout_stream
const idle = 2 * time.Minute

// A client is a sender, and the address of this host that it has sent to: the answer has to come from there.
type client struct{ from, to netip.AddrPort }

// udp passes packets on, and answers back. Each client has a socket, whose port tells the container, and us, who it is.
type udp struct {
	relay    *Relay
	conn     *net.UDPConn
	lock     sync.Mutex
	sessions map[client]*net.UDPConn
	// answers is for packet, which holds an answer on its way.
	answers sync.Mutex
	packet  [maxPacket]byte
}

const maxPacket = 1<<16 - 1

func (u *udp) serve() {
	packet, control := make([]byte, maxPacket), make([]byte, 256)
	for {
		n, length, _, from, err := u.conn.ReadMsgUDPAddrPort(packet, control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		c := client{from, netip.AddrPortFrom(destination(control[:length]), 0)}
		if session := u.session(c); session != nil {
			_ = session.SetReadDeadline(time.Now().Add(idle))
			_, _ = session.Write(packet[:n])
		}
	}
}

// session returns the socket of a client, or nil if there are too many of them.
func (u *udp) session(c client) *net.UDPConn {
	u.lock.Lock()
	defer u.lock.Unlock()
	if s := u.sessions[c]; s != nil {
		return s
	}
	s, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(u.relay.to))
	if err != nil {
		return nil
	}
	if !u.relay.add(s) {
		s.Close()
		return nil
	}
	u.sessions[c] = s
	u.relay.wait.Go(func() { u.answer(c, s) })
	return s
}

// answer passes back what the container says, until it has been silent for long.
func (u *udp) answer(c client, session *net.UDPConn) {
	defer u.relay.remove(session)
	control := source(c.to.Addr())
	for {
		err := u.pass(c, session, control)
		switch {
		case err == nil:
			_ = session.SetReadDeadline(time.Now().Add(idle))
		case errors.Is(err, unix.ECONNREFUSED):
			// Nothing listens in the container yet.
		default:
			u.lock.Lock()
			delete(u.sessions, c)
			u.lock.Unlock()
			return
		}
	}
}

// pass waits for one answer and passes it back. All clients share one buffer: with thousands of silent clients, one buffer for each would take
// more than a hundred megabytes.
func (u *udp) pass(c client, session *net.UDPConn, control []byte) error {
	raw, err := session.SyscallConn()
	if err != nil {
		return err
	}
	var bad error
	err = raw.Read(func(fd uintptr) bool {
		u.answers.Lock()
		defer u.answers.Unlock()
		var n int
		for n, bad = unix.Read(int(fd), u.packet[:]); bad == unix.EINTR; {
			n, bad = unix.Read(int(fd), u.packet[:])
		}
		if bad == nil {
			_, _, _ = u.conn.WriteMsgUDPAddrPort(u.packet[:n], control, c.from)
		}
		return bad != unix.EAGAIN
	})
	return errors.Join(err, bad)
}

// wantDestination makes the kernel say where a packet was sent to. ip(7), ipv6(7)
func wantDestination(fd int, v6 bool) error {
	if v6 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
}

// destination reads from control messages where a packet was sent to.
func destination(control []byte) netip.Addr {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return netip.Addr{}
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&m.Data[0])).Addr)
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&m.Data[0])).Addr)
		}
	}
	return netip.Addr{}
}

// source is a control message that says where a packet comes from.
func source(ip netip.Addr) []byte {
	switch {
	case ip.Is4():
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: ip.As4()})
	case ip.Is6():
		return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: ip.As16()})
	}
	return nil
}
