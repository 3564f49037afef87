//go:build linux

package names

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// maxResolvers is how many resolvers a host asks. resolv.conf(5)
const maxResolvers = 3

// forward asks one resolver after the other, until one answers. protocol is udp or tcp.
func (s *Server) forward(protocol string, q *query) []byte {
	var last []byte
	for _, resolver := range q.resolvers[:min(len(q.resolvers), maxResolvers)] {
		reply, code, err := q.ask(protocol, resolver, cmp.Or(s.Timeout, 2*time.Second))
		if err != nil {
			continue
		}
		binary.BigEndian.PutUint16(reply, q.header.ID)
		if code != dnsmessage.RCodeServerFailure && code != dnsmessage.RCodeRefused {
			return reply
		}
		last = reply
	}
	if last != nil {
		return last
	}
	return q.reply(dnsmessage.RCodeServerFailure, "", nil)
}

// ask asks one resolver. Each question has a socket of its own: so its port is as hard to guess as its ID. RFC 5452
func (q *query) ask(protocol string, resolver netip.AddrPort, timeout time.Duration) ([]byte, dnsmessage.RCode, error) {
	conn, err := net.DialTimeout(protocol, resolver.String(), timeout)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, 0, err
	}
	id := uint16(rand.Uint32())
	message := append([]byte(nil), q.message...)
	binary.BigEndian.PutUint16(message, id)
	if protocol == "tcp" {
		if err := writeMessage(conn, message); err != nil {
			return nil, 0, err
		}
		reply, err := readMessage(conn, maxMessage)
		if err != nil {
			return nil, 0, err
		}
		if code, ok := q.matches(reply, id); ok {
			return reply, code, nil
		}
		return nil, 0, errors.New("the answer is about something else")
	}
	if _, err := conn.Write(message); err != nil {
		return nil, 0, err
	}
	// One byte more tells of an answer that is too long.
	buffer := make([]byte, q.size+1)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, 0, err
		}
		// Somebody else may have guessed the port, but not the ID: go on waiting.
		if code, ok := q.matches(buffer[:n], id); ok {
			return buffer[:n], code, nil
		}
	}
}

// matches reports whether a message answers the question.
func (q *query) matches(reply []byte, id uint16) (dnsmessage.RCode, bool) {
	var p dnsmessage.Parser
	header, err := p.Start(reply)
	if err != nil || header.ID != id || !header.Response {
		return 0, false
	}
	question, err := p.Question()
	return header.RCode, err == nil && question.Type == q.question.Type && question.Class == q.question.Class &&
		strings.EqualFold(question.Name.String(), q.question.Name.String())
}

// HostResolvers returns a function that returns the resolvers in a file such as /etc/resolv.conf. It reads the file again if the file has
// changed. The resolver of systemd-resolved at 127.0.0.53 is one of them: we ask from the host, so its loopback interface is ours.
func HostResolvers(name string) func() []netip.AddrPort {
	var lock sync.Mutex
	var read os.FileInfo
	var resolvers []netip.AddrPort
	return func() []netip.AddrPort {
		lock.Lock()
		defer lock.Unlock()
		now, err := os.Stat(name)
		if err != nil || read != nil && os.SameFile(now, read) && now.ModTime().Equal(read.ModTime()) && now.Size() == read.Size() {
			return resolvers
		}
		content, err := os.ReadFile(name)
		if err == nil {
			read, resolvers = now, ParseResolvers(string(content))
		}
		return resolvers
	}
}

// ParseResolvers returns the resolvers of a resolv.conf. Without any, the host asks a server at its loopback interface. resolv.conf(5)
func ParseResolvers(content string) (resolvers []netip.AddrPort) {
	lines := bufio.NewScanner(strings.NewReader(content))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if ip, err := netip.ParseAddr(fields[1]); err == nil {
			resolvers = append(resolvers, netip.AddrPortFrom(ip, 53))
		}
	}
	if len(resolvers) == 0 {
		resolvers = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53)}
	}
	return resolvers[:min(len(resolvers), maxResolvers)]
}
