//go:build linux

package relay

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
)

// container is where the server of a container listens, in these tests.
var container = netip.MustParseAddr("127.0.7.2")

// opened opens a relay to a port of the container, at any free port of the host.
func opened(t *testing.T, publish string, to uint16) (*Relay, network.Port) {
	t.Helper()
	ports, err := network.ParsePublish(fmt.Sprintf(publish, to))
	require.NoError(t, err)
	ports, err = network.Reserve(ports, nil)
	require.NoError(t, err)
	r, err := Open(ports[0], container)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r, ports[0]
}

func dial(t *testing.T, network, host string, port uint16) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, net.JoinHostPort(host, fmt.Sprint(port)))
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestConnectionsArePassedOn(t *testing.T) {
	server, err := net.Listen("tcp4", "127.0.7.2:0")
	require.NoError(t, err)
	defer server.Close()
	r, port := opened(t, "0:%d", server.Addr().(*net.TCPAddr).AddrPort().Port())
	for _, host := range []string{"127.0.0.1", "127.0.0.9", "::1"} {
		outside := dial(t, "tcp", host, port.Host)
		inside, err := server.Accept()
		require.NoError(t, err)
		// Much more than all buffers hold, in both directions.
		long := strings.Repeat("all work and no play ", 1<<18)
		go func() {
			_, _ = io.WriteString(outside, long)
			_ = outside.(*net.TCPConn).CloseWrite()
		}()
		heard, err := io.ReadAll(inside)
		require.NoError(t, err)
		require.True(t, long == string(heard))
		// The container answers after the end of the question.
		_, err = io.WriteString(inside, "answer")
		require.NoError(t, err)
		require.NoError(t, inside.Close())
		heard, err = io.ReadAll(outside)
		require.NoError(t, err)
		assert.Equal(t, "answer", string(heard))
	}
	// Close ends connections.
	outside := dial(t, "tcp", "127.0.0.1", port.Host)
	inside, err := server.Accept()
	require.NoError(t, err)
	r.Close()
	for _, end := range []net.Conn{outside, inside} {
		_, err = end.Read(make([]byte, 1))
		assert.Error(t, err)
	}
	assert.Empty(t, r.open)
	_, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port.Host))
	assert.Error(t, err)
}

func TestAContainerThatDoesNotListen(t *testing.T) {
	server, err := net.Listen("tcp4", "127.0.7.2:0")
	require.NoError(t, err)
	to := server.Addr().(*net.TCPAddr).AddrPort().Port()
	require.NoError(t, server.Close())
	_, port := opened(t, "127.0.0.1:0:%d", to)
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port.Host))
	if err == nil {
		// The reset can come before the end of the call, or after it.
		_, err = io.ReadAll(conn)
		conn.Close()
	}
	assert.ErrorContains(t, err, "reset")
	_, err = net.Dial("tcp", fmt.Sprintf("127.0.0.2:%d", port.Host))
	assert.ErrorContains(t, err, "refused", "only the address that was asked for")
}

// A container that takes no connection does not hold its relay up: the process of the network has other containers to serve.
func TestCloseDoesNotWaitForAContainer(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: container.As4()}))
	require.NoError(t, unix.Listen(fd, 0))
	address, err := unix.Getsockname(fd)
	require.NoError(t, err)
	to := uint16(address.(*unix.SockaddrInet4).Port)
	// The queue holds one connection.
	dial(t, "tcp", container.String(), to)
	r, port := opened(t, "127.0.0.1:0:%d", to)
	dial(t, "tcp", "127.0.0.1", port.Host)
	dialing := func() bool {
		table, err := os.ReadFile("/proc/self/net/tcp")
		require.NoError(t, err)
		// 02 is SYN_SENT. proc_pid_net(5)
		return strings.Contains(string(table), fmt.Sprintf(":%04X 02 ", to))
	}
	require.Eventually(t, dialing, time.Minute, time.Millisecond)
	began := time.Now()
	r.Close()
	assert.Less(t, time.Since(began), dialTimeout/2)
	assert.False(t, dialing(), "nobody tries any longer")
}

func TestPacketsArePassedOn(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.7.2:0")
	require.NoError(t, err)
	defer server.Close()
	_, port := opened(t, "0:%d/udp", server.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	var clients []net.Conn
	for i, host := range []string{"127.0.0.1", "127.0.0.9", "::1", "127.0.0.1"} {
		conn := dial(t, "udp", host, port.Host)
		_, err := fmt.Fprintf(conn, "question %d", i)
		require.NoError(t, err)
		clients = append(clients, conn)
	}
	packet := make([]byte, 100)
	for range clients {
		n, from, err := server.ReadFrom(packet)
		require.NoError(t, err)
		_, err = server.WriteTo([]byte(strings.Replace(string(packet[:n]), "question", "answer", 1)), from)
		require.NoError(t, err)
	}
	// A connected socket takes only what comes from where it has sent to.
	for i, conn := range clients {
		n, err := conn.Read(packet)
		require.NoError(t, err, i)
		assert.Equal(t, fmt.Sprintf("answer %d", i), string(packet[:n]))
	}
}

// Everybody on the host can have a thousand sockets.
func TestSilentClientsTakeLittleMemory(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.7.2:0")
	require.NoError(t, err)
	defer server.Close()
	r, port := opened(t, "127.0.0.1:0:%d/udp", server.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	used := func() uint64 {
		var memory runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&memory)
		return memory.HeapAlloc + memory.StackInuse
	}
	before := used()
	const many = 256
	for range many {
		conn := dial(t, "udp", "127.0.0.1", port.Host)
		_, err := io.WriteString(conn, "question")
		require.NoError(t, err)
		_, from, err := server.ReadFrom(make([]byte, 100))
		require.NoError(t, err)
		_, err = server.WriteTo([]byte("answer"), from)
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 100))
		require.NoError(t, err)
	}
	r.lock.Lock()
	assert.Len(t, r.open, many)
	r.lock.Unlock()
	assert.Less(t, used(), before+many*maxPacket/4)
}

func TestARelayHoldsItsPort(t *testing.T) {
	for _, protocol := range []string{"tcp", "udp"} {
		_, port := opened(t, "0:%d/"+protocol, 80)
		_, err := network.Reserve([]network.Port{port}, nil)
		assert.ErrorContains(t, err, "is in use by")
		_, err = Open(port, container)
		assert.ErrorContains(t, err, port.String())
	}
}
