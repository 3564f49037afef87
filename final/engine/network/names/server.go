//go:build linux

// Package names is the DNS server of a network of containers. It runs on the host side, in the helper: there is one server for each network,
// at the address of the network's bridge. The server answers questions about the containers of its network, and passes all other questions on
// to the resolvers of the host.
//
// What it sees: packets of containers, which may be hostile, and answers of the host's resolvers. It keeps nothing between two questions,
// answers only addresses of its network, and works at a bounded number of questions at once.
package names

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxQuery is the longest question that the server reads, in bytes. Questions of resolvers have less than 512.
	maxQuery = 4096
	// payload is the longest UDP packet that the server says it takes. Packets of this length pass every network in one piece. RFC 9715
	payload = 1232
	// maxForwards and maxConnections are for all containers together. One container may have a quarter of them.
	maxForwards, maxConnections = 256, 64
	// idle is how long a connection may be without a question.
	idle = 10 * time.Second
)

// A Server is the DNS server of one network.
type Server struct {
	// Resolvers are those of the host: see [HostResolvers].
	Resolvers func() []netip.AddrPort
	// Timeout is how long one resolver has for an answer. The zero value stands for 2 seconds.
	Timeout time.Duration

	table                 atomic.Pointer[Table]
	forwards, connections limit
}

// Set changes what the server knows.
func (s *Server) Set(t *Table) { s.table.Store(t) }

// ServeUDP answers what comes to a socket, until somebody closes the socket.
func (s *Server) ServeUDP(conn *net.UDPConn) error {
	buffer := make([]byte, maxQuery)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		// Other errors tell of one packet: the client of an earlier answer is gone.
		if err != nil || !s.knows(from.Addr()) {
			continue
		}
		q, reply := s.answer(buffer[:n], from.Addr())
		if q == nil {
			send(conn, reply, from)
			continue
		}
		// A resolver asks again if we are busy.
		client := s.client(from.Addr())
		if !s.forwards.take(client, maxForwards) {
			continue
		}
		q.message = append([]byte(nil), q.message...)
		go func() {
			defer s.forwards.give(client)
			send(conn, q.fit(s.forward("udp", q)), from)
		}()
	}
}

// send sends an answer. Nobody waits for an answer that gets lost.
func send(conn *net.UDPConn, reply []byte, to netip.AddrPort) {
	if reply != nil {
		_, _ = conn.WriteToUDPAddrPort(reply, to)
	}
}

// ServeTCP answers what comes through connections, until somebody closes the listener.
func (s *Server) ServeTCP(listener net.Listener) error {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			// There are too many open files, or the client is gone already. accept(2)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
		if !s.knows(from) {
			conn.Close()
			continue
		}
		client := s.client(from)
		if !s.connections.take(client, maxConnections) {
			conn.Close()
			continue
		}
		go func() {
			defer s.connections.give(client)
			defer conn.Close()
			s.serveConnection(conn, from)
		}()
	}
}

// serveConnection answers one question after the other. RFC 7766
func (s *Server) serveConnection(conn net.Conn, from netip.Addr) {
	for {
		_ = conn.SetDeadline(time.Now().Add(idle))
		message, err := readMessage(conn, maxQuery)
		if err != nil {
			return
		}
		q, reply := s.answer(message, from)
		if q != nil {
			q.size = maxMessage
			// The client has only this connection, so it waits. It cannot send more meanwhile.
			reply = s.forward("tcp", q)
		}
		_ = conn.SetDeadline(time.Now().Add(idle))
		if reply == nil || writeMessage(conn, reply) != nil {
			return
		}
	}
}

// maxMessage is the longest message that a connection can carry.
const maxMessage = 1<<16 - 1

// readMessage reads a message, which begins with its length.
func readMessage(r io.Reader, most int) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if n > most {
		return nil, errors.New("the message is too long")
	}
	message := make([]byte, n)
	_, err := io.ReadFull(r, message)
	return message, err
}

func writeMessage(w io.Writer, message []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}

// knows reports whether an address belongs to the network. Packets from elsewhere reach the address of a bridge, too, if somebody routes
// them to this host.
func (s *Server) knows(ip netip.Addr) bool {
	t := s.table.Load()
	return t != nil && t.contains(ip.Unmap())
}

// client is the container that has an address. A container has several addresses, and one share of what the server can do at once.
func (s *Server) client(ip netip.Addr) string {
	ip = ip.Unmap()
	if name := s.table.Load().Names[ip]; name != "" {
		return name
	}
	return ip.String()
}

// A limit counts what each client has.
type limit struct {
	lock  sync.Mutex
	total int
	of    map[string]int
}

// take reports whether a client may have one more.
func (l *limit) take(client string, most int) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.total == most || l.of[client] == most/4 {
		return false
	}
	if l.of == nil {
		l.of = map[string]int{}
	}
	l.total++
	l.of[client]++
	return true
}

func (l *limit) give(client string) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.total--
	if l.of[client]--; l.of[client] == 0 {
		delete(l.of, client)
	}
}
