//go:build linux

package names

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

var (
	webV4, webV6 = netip.MustParseAddr("127.0.5.2"), netip.MustParseAddr("fd00::2")
	dbV4         = netip.MustParseAddr("127.0.5.3")
)

// testTable is a network that our own loopback address belongs to, so that the test can ask.
func testTable() *Table {
	t := &Table{Subnets: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("fd00::/64")}}
	t.Add([]string{"web", "www", "Front.Example"}, []netip.Addr{webV4, webV6}, nil)
	t.Add([]string{"db", "www"}, []netip.Addr{dbV4}, nil)
	return t
}

// listenHere listens at one port of this host, for both protocols. A port that is free for one of them may be in use for the other.
func listenHere(t *testing.T) (net.Listener, *net.UDPConn, netip.AddrPort) {
	t.Helper()
	for {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		at := listener.Addr().(*net.TCPAddr).AddrPort()
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err == nil {
			return listener, conn, at
		}
		listener.Close()
		require.ErrorIs(t, err, unix.EADDRINUSE)
	}
}

// serve starts a server, and returns its address.
func serve(t *testing.T, table *Table, resolvers ...netip.AddrPort) netip.AddrPort {
	t.Helper()
	listener, conn, at := listenHere(t)
	// A resolver on a busy host may take long.
	s := &Server{Timeout: time.Minute, Resolvers: func() []netip.AddrPort { return resolvers }}
	s.Set(table)
	ended := make(chan error, 2)
	go func() { ended <- s.ServeUDP(conn) }()
	go func() { ended <- s.ServeTCP(listener) }()
	t.Cleanup(func() {
		conn.Close()
		listener.Close()
		assert.ErrorIs(t, <-ended, net.ErrClosed)
		assert.ErrorIs(t, <-ended, net.ErrClosed)
	})
	return at
}

// resolver is Go's own, which asks a server at an address.
func resolver(at netip.AddrPort, protocol string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		if protocol != "" {
			network = protocol
		}
		return d.DialContext(ctx, network, at.String())
	}}
}

// question makes a message.
func question(t *testing.T, name string, kind dnsmessage.Type, edns int) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	if edns > 0 {
		var header dnsmessage.ResourceHeader
		require.NoError(t, header.SetEDNS0(edns, 0, false))
		m.Additionals = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.OPTResource{}}}
	}
	message, err := m.Pack()
	require.NoError(t, err)
	return message
}

// exchange sends a message and returns the answer.
func exchange(t *testing.T, protocol string, at netip.AddrPort, message []byte) *dnsmessage.Message {
	t.Helper()
	conn, err := net.Dial(protocol, at.String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	var reply []byte
	if protocol == "tcp" {
		require.NoError(t, writeMessage(conn, message))
		reply, err = readMessage(conn, maxMessage)
	} else {
		_, err = conn.Write(message)
		require.NoError(t, err)
		reply = make([]byte, maxMessage)
		var n int
		n, err = conn.Read(reply)
		reply = reply[:n]
	}
	require.NoError(t, err)
	var m dnsmessage.Message
	require.NoError(t, m.Unpack(reply))
	return &m
}

func TestContainersHaveNames(t *testing.T) {
	at := serve(t, testTable())
	for _, protocol := range []string{"udp", "tcp"} {
		r := resolver(at, protocol)
		for name, want := range map[string][]string{
			"web": {"127.0.5.2", "fd00::2"}, "WEB.": {"127.0.5.2", "fd00::2"}, "db": {"127.0.5.3"}, "front.example.": {"127.0.5.2", "fd00::2"},
			"www": {"127.0.5.2", "127.0.5.3", "fd00::2"},
		} {
			got, err := r.LookupHost(t.Context(), name)
			require.NoError(t, err, name)
			assert.ElementsMatch(t, want, got, name)
		}
		for ip, want := range map[string]string{"127.0.5.2": "web.", "fd00::2": "web.", "127.0.5.3": "db."} {
			got, err := r.LookupAddr(t.Context(), ip)
			require.NoError(t, err, ip)
			assert.Equal(t, []string{want}, got)
		}
		_, err := r.LookupAddr(t.Context(), "127.0.5.9")
		var missing *net.DNSError
		require.ErrorAs(t, err, &missing)
		assert.True(t, missing.IsNotFound)
	}
}

// A name that has no address of IPv6 still exists: a client must not believe otherwise because of the answer.
func TestANameWithoutSuchAnAddressExists(t *testing.T) {
	at := serve(t, testTable())
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeAAAA, dnsmessage.TypeMX, dnsmessage.TypeTXT, 65} {
		m := exchange(t, "udp", at, question(t, "db.", kind, 0))
		assert.Equal(t, dnsmessage.RCodeSuccess, m.RCode, kind)
		assert.Empty(t, m.Answers, kind)
		assert.Equal(t, uint16(4711), m.ID)
	}
	m := exchange(t, "udp", at, question(t, "web.", dnsmessage.TypeALL, 1400))
	assert.Len(t, m.Answers, 2)
	require.Len(t, m.Additionals, 1, "a client that speaks EDNS gets an answer with EDNS")
	assert.Equal(t, dnsmessage.TypeOPT, m.Additionals[0].Header.Type)
}

func TestManyContainersOfOneAliasFitIntoAPacket(t *testing.T) {
	table := testTable()
	for i := range 200 {
		table.Add([]string{strings.Repeat("a", 60) + "." + strings.Repeat("b", 60)}, []netip.Addr{netip.AddrFrom4([4]byte{127, 1, 0, byte(i)})}, nil)
	}
	at := serve(t, table)
	message := question(t, strings.Repeat("a", 60)+"."+strings.Repeat("b", 60)+".", dnsmessage.TypeA, 0)
	m := exchange(t, "udp", at, message)
	assert.Len(t, m.Answers, maxAnswers)
	packed, err := m.Pack()
	require.NoError(t, err)
	assert.LessOrEqual(t, len(packed), 512)
}

func TestStrangersGetNoAnswer(t *testing.T) {
	table := testTable()
	table.Subnets = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	at := serve(t, table)
	conn, err := net.Dial("tcp", at.String())
	require.NoError(t, err)
	defer conn.Close()
	_ = writeMessage(conn, question(t, "web.", dnsmessage.TypeA, 0))
	_, err = readMessage(conn, maxMessage)
	assert.Error(t, err, "the server closes the connection")
	s := &Server{}
	s.Set(table)
	assert.False(t, s.knows(netip.MustParseAddr("127.0.0.1")))
	assert.True(t, s.knows(netip.MustParseAddr("::ffff:10.1.2.3")))
	assert.False(t, (&Server{}).knows(netip.MustParseAddr("10.1.2.3")), "a server that knows nothing yet")
}

func TestBadQuestions(t *testing.T) {
	s := &Server{}
	s.Set(testTable())
	plain := question(t, "web.", dnsmessage.TypeA, 0)
	changed := func(at int, value byte) []byte {
		message := append([]byte(nil), plain...)
		message[at] = value
		return message
	}
	for name, c := range map[string]struct {
		message []byte
		code    dnsmessage.RCode
	}{
		"another opcode":          {changed(2, 0x29), dnsmessage.RCodeNotImplemented},
		"no question":             {changed(5, 0), dnsmessage.RCodeFormatError},
		"two questions, one here": {changed(5, 2), dnsmessage.RCodeFormatError},
		"an answer that lacks":    {changed(7, 1), dnsmessage.RCodeFormatError},
		"a record that lacks":     {changed(11, 1), dnsmessage.RCodeFormatError},
		"a name that is its end":  {changed(12, 0xc0), dnsmessage.RCodeFormatError},
		"class CHAOS":             {changed(len(plain)-1, 3), dnsmessage.RCodeNotImplemented},
		"a zone transfer":         {question(t, "web.", dnsmessage.TypeAXFR, 0), dnsmessage.RCodeRefused},
	} {
		q, reply := s.answer(c.message, webV4)
		require.Nil(t, q, name)
		var m dnsmessage.Message
		require.NoError(t, m.Unpack(reply), name)
		assert.Equal(t, c.code, m.RCode, name)
		assert.True(t, m.Response, name)
	}
	for name, message := range map[string][]byte{"nothing": nil, "half a header": plain[:11], "an answer": changed(2, 0x80)} {
		q, reply := s.answer(message, webV4)
		assert.Nil(t, q, name)
		assert.Nil(t, reply, name)
	}
}

// Whatever a container sends, the server either drops it, or answers with a message that can be read, or forwards what has one question.
func FuzzAnswer(f *testing.F) {
	t := new(testing.T)
	f.Add(question(t, "web.", dnsmessage.TypeA, 0))
	f.Add(question(t, "www.", dnsmessage.TypeAAAA, 4096))
	f.Add(question(t, "2.5.0.127.in-addr.arpa.", dnsmessage.TypePTR, 0))
	f.Add(question(t, strings.Repeat("0.", 31)+"0.ip6.arpa.", dnsmessage.TypePTR, 0))
	f.Add(question(t, "example.org.", dnsmessage.TypeALL, 65535))
	f.Add([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"))
	s := &Server{Resolvers: func() []netip.AddrPort { return nil }}
	s.Set(testTable())
	f.Fuzz(func(t *testing.T, message []byte) {
		q, reply := s.answer(message, webV4)
		if q != nil {
			require.Nil(t, reply)
			require.Equal(t, message, q.message)
			reply = s.forward("udp", q)
			require.NotNil(t, q.fit(make([]byte, maxMessage)))
		}
		if reply == nil {
			return
		}
		require.LessOrEqual(t, len(reply), 1024)
		var m dnsmessage.Message
		require.NoError(t, m.Unpack(reply))
		require.True(t, m.Response)
		require.Equal(t, message[:2], reply[:2])
	})
}

func TestReverseNames(t *testing.T) {
	for name, want := range map[string]string{
		"2.0.17.172.in-addr.arpa": "172.17.0.2",
		"b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": "2001:db8::567:89ab",
	} {
		ip, ok := reverse(name)
		assert.True(t, ok, name)
		assert.Equal(t, want, ip.String())
	}
	for _, name := range []string{"", "web", "in-addr.arpa", "2.0.17.in-addr.arpa", "256.0.0.1.in-addr.arpa", "x.0.0.1.in-addr.arpa", "1.2.ip6.arpa", strings.Repeat("g.", 31) + "0.ip6.arpa", strings.Repeat("00.", 31) + "0.ip6.arpa"} {
		_, ok := reverse(name)
		assert.False(t, ok, name)
	}
}

func TestResolversOfTheHost(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	resolvers := HostResolvers(file)
	require.Empty(t, resolvers())
	write := func(content string) {
		require.NoError(t, os.WriteFile(file+".new", []byte(content), 0o644))
		require.NoError(t, os.Rename(file+".new", file))
	}
	write("# nameserver 192.0.2.1\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver bad\nsearch x\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n")
	assert.Equal(t, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.53:53"), netip.MustParseAddrPort("[fe80::1%eth0]:53"), netip.MustParseAddrPort("192.0.2.2:53")}, resolvers())
	write("nameserver 192.0.2.9\n")
	assert.Equal(t, []netip.AddrPort{netip.MustParseAddrPort("192.0.2.9:53")}, resolvers())
	write("")
	assert.Equal(t, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}, resolvers())
}
