//go:build linux

package network

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/needs"
)

// listener occupies a port of the host, and returns it.
func listener(t *testing.T, protocol, address string) uint16 {
	t.Helper()
	if protocol[:3] == "udp" {
		conn, err := net.ListenPacket(protocol, address)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	}
	l, err := net.Listen(protocol, address)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

func TestReserveNamesTheProgramThatHasAPort(t *testing.T) {
	self, err := os.Readlink("/proc/self/exe")
	require.NoError(t, err)
	// The kernel keeps 15 characters of the name.
	us := fmt.Sprintf("%.15s", filepath.Base(self))
	for _, taken := range []struct{ protocol, at, wanted string }{
		{"tcp4", "127.0.0.1:0", "127.0.0.1:%d:80"},
		{"tcp4", "127.0.0.1:0", "%d:80"},
		{"tcp4", "0.0.0.0:0", "127.0.0.1:%d:80"},
		{"tcp6", "[::1]:0", "[::1]:%d:80"},
		{"tcp", "[::]:0", "127.0.0.1:%d:80"},
		{"udp4", "127.0.0.1:0", "127.0.0.1:%d:80/udp"},
		{"udp4", "0.0.0.0:0", "%d:80/udp"},
		{"udp6", "[::1]:0", "%d:80/udp"},
	} {
		n := listener(t, taken.protocol, taken.at)
		p := port(t, fmt.Sprintf(taken.wanted, n))
		_, err := Reserve([]Port{p}, nil)
		require.Error(t, err, taken)
		assert.ErrorContains(t, err, p.String())
		assert.ErrorContains(t, err, fmt.Sprintf("%q (PID %d)", us, os.Getpid()), taken)
	}
}

func TestReserveTakesWhatIsFree(t *testing.T) {
	// The same number is free for the other protocol, for the other family and at the other address.
	n := listener(t, "tcp4", "127.0.0.1:0")
	for _, wanted := range []string{"%d:80/udp", "127.0.0.2:%d:80", "[::1]:%d:80"} {
		p := port(t, fmt.Sprintf(wanted, n))
		got, err := Reserve([]Port{p}, nil)
		require.NoError(t, err)
		assert.Equal(t, []Port{p}, got)
		// The port is still free afterwards.
		_, err = Reserve([]Port{p}, nil)
		require.NoError(t, err)
	}
}

func TestReserveChoosesFreePorts(t *testing.T) {
	ports, err := ParsePublish("0:80-180")
	require.NoError(t, err)
	got, err := Reserve(ports, nil)
	require.NoError(t, err)
	require.Len(t, got, len(ports))
	seen := map[uint16]bool{}
	for i, p := range got {
		assert.NotZero(t, p.Host)
		assert.False(t, seen[p.Host], "port %d twice", p.Host)
		seen[p.Host] = true
		assert.Equal(t, ports[i].Container, p.Container)
	}
	_, err = Reserve(got, []Holder{{"web", got[3:4]}})
	assert.ErrorContains(t, err, "belongs to container web")
	_, err = Reserve([]Port{{IP: netip.MustParseAddr("192.0.2.1"), Host: 8080, Container: 80, Protocol: "tcp"}}, nil)
	assert.ErrorContains(t, err, "192.0.2.1 is no address of this host")
}

// A network namespace whose loopback interface is down is a host without IPv6.
func TestAHostWithoutIPv6PublishesForIPv4Alone(t *testing.T) {
	needs.Root(t)
	type outcome struct {
		ports []Port
		err   error
	}
	done := make(chan outcome)
	go func() {
		// The thread ends with its namespace.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		var o outcome
		if err == nil {
			o.ports, err = Reserve([]Port{{Host: 8080, Container: 80, Protocol: "tcp"}}, nil)
		}
		o.err = err
		done <- o
	}()
	o := <-done
	require.NoError(t, o.err)
	require.Len(t, o.ports, 1)
	assert.Equal(t, []netip.Addr{netip.IPv4Unspecified()}, o.ports[0].Addresses())
	assert.Equal(t, "0.0.0.0:8080", o.ports[0].Outside())
}

// A connection that has ended, but still waits in the kernel, does not occupy a port.
func TestReserveTakesAPortWithOldConnections(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	client, err := net.Dial("tcp4", l.Addr().String())
	require.NoError(t, err)
	server, err := l.Accept()
	require.NoError(t, err)
	// Who closes first has the connection in TIME_WAIT.
	require.NoError(t, server.Close())
	_, err = client.Read(make([]byte, 1))
	require.Error(t, err)
	require.NoError(t, client.Close())
	require.NoError(t, l.Close())
	_, err = Reserve([]Port{port(t, fmt.Sprintf("127.0.0.1:%d:80", l.Addr().(*net.TCPAddr).Port))}, nil)
	require.NoError(t, err)
}
