//go:build linux

package names

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// upstream is a resolver of the host. respond returns the messages that it sends for a question.
func upstream(t *testing.T, respond func(protocol string, question []byte) [][]byte) netip.AddrPort {
	t.Helper()
	listener, conn, at := listenHere(t)
	var wait sync.WaitGroup
	wait.Go(func() {
		buffer := make([]byte, maxMessage)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			for _, message := range respond("udp", buffer[:n]) {
				_, _ = conn.WriteToUDPAddrPort(message, from)
			}
		}
	})
	wait.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			if message, err := readMessage(c, maxMessage); err == nil {
				for _, reply := range respond("tcp", message) {
					_ = writeMessage(c, reply)
				}
			}
			c.Close()
		}
	})
	t.Cleanup(func() {
		conn.Close()
		listener.Close()
		wait.Wait()
	})
	return at
}

// text answers a question with a text of a length.
func text(question []byte, code dnsmessage.RCode, length int) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil {
		return nil
	}
	m.Response, m.RCode, m.Additionals = true, code, nil
	for ; length > 0; length -= 200 {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.TXTResource{TXT: []string{strings.Repeat("x", min(length, 200))}},
		})
	}
	message, _ := m.Pack()
	return message
}

func TestOtherNamesAreForwarded(t *testing.T) {
	at := serve(t, testTable(), upstream(t, func(_ string, question []byte) [][]byte {
		return [][]byte{text(question, 0, 400)}
	}))
	for _, protocol := range []string{"udp", "tcp"} {
		m := exchange(t, protocol, at, question(t, "Example.org.", dnsmessage.TypeTXT, 0))
		assert.Equal(t, dnsmessage.RCodeSuccess, m.RCode)
		assert.Len(t, m.Answers, 2)
		assert.Equal(t, uint16(4711), m.ID)
		assert.Equal(t, "Example.org.", m.Questions[0].Name.String())
	}
}

// A forger who has guessed the port still needs the ID and the question.
func TestForgedAnswersAreIgnored(t *testing.T) {
	at := serve(t, testTable(), upstream(t, func(_ string, asked []byte) [][]byte {
		forged := func(change func(m *dnsmessage.Message)) []byte {
			var m dnsmessage.Message
			require.NoError(t, m.Unpack(text(asked, 0, 1)))
			change(&m)
			message, err := m.Pack()
			require.NoError(t, err)
			return message
		}
		return [][]byte{
			forged(func(m *dnsmessage.Message) { m.ID++ }),
			forged(func(m *dnsmessage.Message) { m.Response = false }),
			forged(func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("evil.example.") }),
			forged(func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeA }),
			forged(func(m *dnsmessage.Message) { m.Questions = nil }),
			[]byte("x"),
			text(asked, 0, 400),
		}
	}))
	m := exchange(t, "udp", at, question(t, "example.org.", dnsmessage.TypeTXT, 0))
	assert.Len(t, m.Answers, 2)
}

func TestLongAnswersNeedAConnection(t *testing.T) {
	for _, c := range []struct {
		length, edns int
		truncated    bool
	}{{400, 0, false}, {600, 0, true}, {600, 1232, false}, {2000, 1232, true}, {2000, 4096, false}, {20000, 65535, true}} {
		at := serve(t, testTable(), upstream(t, func(_ string, question []byte) [][]byte {
			return [][]byte{text(question, 0, c.length)}
		}))
		message := question(t, "example.org.", dnsmessage.TypeTXT, c.edns)
		m := exchange(t, "udp", at, message)
		assert.Equal(t, c.truncated, m.Truncated, c)
		assert.Equal(t, c.truncated, len(m.Answers) == 0, c)
		m = exchange(t, "tcp", at, message)
		assert.False(t, m.Truncated)
		assert.Len(t, m.Answers, (c.length+199)/200)
	}
}

func TestTheNextResolverIsAsked(t *testing.T) {
	closed, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	require.NoError(t, err)
	gone := closed.LocalAddr().(*net.UDPAddr).AddrPort()
	closed.Close()
	failing := upstream(t, func(_ string, question []byte) [][]byte {
		return [][]byte{text(question, dnsmessage.RCodeServerFailure, 0)}
	})
	working := upstream(t, func(_ string, question []byte) [][]byte { return [][]byte{text(question, 0, 1)} })
	message := question(t, "example.org.", dnsmessage.TypeTXT, 0)
	for _, protocol := range []string{"udp", "tcp"} {
		m := exchange(t, protocol, serve(t, testTable(), gone, failing, working), message)
		assert.Len(t, m.Answers, 1)
		m = exchange(t, protocol, serve(t, testTable(), failing, gone), message)
		assert.Equal(t, dnsmessage.RCodeServerFailure, m.RCode)
		m = exchange(t, protocol, serve(t, testTable(), gone), message)
		assert.Equal(t, dnsmessage.RCodeServerFailure, m.RCode)
		assert.Equal(t, uint16(4711), m.ID)
	}
}

func TestASilentResolverIsGivenUp(t *testing.T) {
	silent := upstream(t, func(string, []byte) [][]byte { return nil })
	s := &Server{Timeout: 10 * time.Millisecond, Resolvers: func() []netip.AddrPort { return []netip.AddrPort{silent} }}
	s.Set(testTable())
	q, _ := s.answer(question(t, "example.org.", dnsmessage.TypeTXT, 0), webV4)
	require.NotNil(t, q)
	var m dnsmessage.Message
	require.NoError(t, m.Unpack(s.forward("udp", q)))
	assert.Equal(t, dnsmessage.RCodeServerFailure, m.RCode)
}

// A container of an internal network can tell nobody anything by names that it asks for.
func TestAnInternalNetworkForwardsNothing(t *testing.T) {
	table := testTable()
	table.Internal = true
	at := serve(t, table, upstream(t, func(string, []byte) [][]byte {
		t.Error("the resolver of the host was asked")
		return nil
	}))
	m := exchange(t, "udp", at, question(t, "secret.example.org.", dnsmessage.TypeA, 0))
	assert.Equal(t, dnsmessage.RCodeNameError, m.RCode)
	m = exchange(t, "udp", at, question(t, "web.", dnsmessage.TypeA, 0))
	assert.Len(t, m.Answers, 1)
}

// Neither are addresses of the network asked for elsewhere.
func TestOwnAddressesAreNotForwarded(t *testing.T) {
	at := serve(t, testTable(), upstream(t, func(string, []byte) [][]byte {
		t.Error("the resolver of the host was asked")
		return nil
	}))
	m := exchange(t, "udp", at, question(t, "9.5.0.127.in-addr.arpa.", dnsmessage.TypePTR, 0))
	assert.Equal(t, dnsmessage.RCodeNameError, m.RCode)
}

func TestAContainerCanHaveItsOwnResolver(t *testing.T) {
	theirs := upstream(t, func(_ string, question []byte) [][]byte { return [][]byte{text(question, 0, 1)} })
	table := testTable()
	table.Add([]string{"picky"}, []netip.Addr{netip.MustParseAddr("127.0.0.1")}, []netip.AddrPort{theirs})
	at := serve(t, table, upstream(t, func(string, []byte) [][]byte {
		t.Error("the resolver of the host was asked")
		return nil
	}))
	m := exchange(t, "udp", at, question(t, "example.org.", dnsmessage.TypeTXT, 0))
	assert.Len(t, m.Answers, 1)
}

// One container that asks without end leaves room for others.
func TestLimits(t *testing.T) {
	var l limit
	for range 4 {
		assert.True(t, l.take("one", 16))
	}
	assert.False(t, l.take("one", 16))
	assert.True(t, l.take("other", 16))
	l.give("one")
	assert.True(t, l.take("one", 16))
	l = limit{}
	for i := range 16 {
		assert.True(t, l.take(strconv.Itoa(i), 16))
	}
	assert.False(t, l.take("one", 16), "all containers together")
	for i := range 16 {
		l.give(strconv.Itoa(i))
	}
	assert.Zero(t, l.total)
	assert.Empty(t, l.of)
}

// A container has an address of IPv4 and one of IPv6. With both it gets no more than with one.
func TestAContainerHasOneShareForAllItsAddresses(t *testing.T) {
	table := testTable()
	other := netip.MustParseAddr("127.0.5.4")
	table.Add([]string{"greedy"}, []netip.Addr{webV4, other}, nil)
	at := serve(t, table)
	connect := func(from netip.Addr) net.Conn {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
		conn, err := d.Dial("tcp", at.String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		require.NoError(t, writeMessage(conn, question(t, "db.", dnsmessage.TypeA, 0)))
		return conn
	}
	for range maxConnections / 4 {
		_, err := readMessage(connect(webV4), maxMessage)
		require.NoError(t, err)
	}
	_, err := readMessage(connect(other), maxMessage)
	require.Error(t, err, "the other address of the same container")
	_, err = readMessage(connect(dbV4), maxMessage)
	require.NoError(t, err, "another container")
}

// A server that is busy with a silent resolver still answers names of containers.
func TestABusyServerKnowsItsContainers(t *testing.T) {
	silent := upstream(t, func(string, []byte) [][]byte { return nil })
	at := serve(t, testTable(), silent)
	conn, err := net.Dial("udp", at.String())
	require.NoError(t, err)
	defer conn.Close()
	for range 2 * maxForwards {
		_, err := conn.Write(question(t, "example.org.", dnsmessage.TypeA, 0))
		require.NoError(t, err)
	}
	// The kernel drops packets that do not fit into the buffer of the socket, so a client asks again.
	ours, err := net.Dial("udp", at.String())
	require.NoError(t, err)
	defer ours.Close()
	reply := make([]byte, maxMessage)
	require.Eventually(t, func() bool {
		_, err := ours.Write(question(t, "db.", dnsmessage.TypeA, 0))
		require.NoError(t, err)
		require.NoError(t, ours.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
		n, err := ours.Read(reply)
		var m dnsmessage.Message
		return err == nil && m.Unpack(reply[:n]) == nil && len(m.Answers) == 1
	}, time.Minute, time.Millisecond)
}
