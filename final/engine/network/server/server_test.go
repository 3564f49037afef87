//go:build linux

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
)

// The test binary is the process of a network, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Verb {
		os.Exit(Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// A trial is a store with one network, whose addresses belong to the loopback interface.
type trial struct {
	*testing.T
	store *network.Store
	net   *network.Network
}

func newTrial(t *testing.T, subnet string) *trial {
	t.Helper()
	s, err := network.Open(filepath.Join(t.TempDir(), "networks"))
	require.NoError(t, err)
	c := &trial{t, s, &network.Network{Name: "bridge", Bridge: "workshop0", IPv4: netip.MustParsePrefix(subnet)}}
	t.Cleanup(func() {
		_ = os.RemoveAll(filepath.Join(s.Dir, "bridge"))
		s.Close()
		c.ends()
	})
	c.write("network.json", c.net)
	return c
}

// write writes a file of the network, in one step.
func (c *trial) write(name string, value any) {
	c.Helper()
	content, err := json.Marshal(value)
	require.NoError(c, err)
	name = filepath.Join(c.store.Dir, "bridge", name)
	// The process of the network is not root.
	require.NoError(c, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(c, os.WriteFile(name+".new", content, 0o644))
	require.NoError(c, os.Rename(name+".new", name))
}

// join adds a container, and returns what Ensure says.
func (c *trial) join(e *network.Endpoint) error {
	c.Helper()
	c.write("endpoints/"+e.ID+".json", e)
	return Ensure(c.store, c.net, e.ID)
}

func (c *trial) leave(id string) {
	c.Helper()
	require.NoError(c, os.Remove(filepath.Join(c.store.Dir, "bridge/endpoints", id+".json")))
}

// pid is the process of the network, which has the lock.
func (c *trial) pid() int {
	c.Helper()
	var lock unix.Stat_t
	require.NoError(c, unix.Stat(filepath.Join(c.store.Dir, own, "bridge.lock"), &lock))
	table, err := os.ReadFile("/proc/locks")
	require.NoError(c, err)
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if strings.HasSuffix(fields[5], ":"+strconv.FormatUint(lock.Ino, 10)) {
			pid, err := strconv.Atoi(fields[4])
			require.NoError(c, err)
			return pid
		}
	}
	c.Fatal("nobody has the lock")
	return 0
}

// ends waits until the process is gone, with its files.
func (c *trial) ends() {
	c.Helper()
	require.Eventually(c, func() bool {
		left, err := filepath.Glob(filepath.Join(c.store.Dir, own, "bridge.*"))
		return err == nil && len(left) == 0
	}, time.Minute, time.Millisecond)
}

// lookup asks the DNS server.
func (c *trial) lookup(name string) ([]string, error) {
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, protocol, _ string) (net.Conn, error) {
		// The server answers those in its network.
		local := net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.net.Gateway().Next(), 0))
		d := net.Dialer{LocalAddr: local}
		if protocol == "udp" {
			d.LocalAddr = &net.UDPAddr{IP: local.IP}
		}
		return d.DialContext(ctx, protocol, netip.AddrPortFrom(c.net.Gateway(), 53).String())
	}}
	return r.LookupHost(c.Context(), name)
}

func container(id, ip string, ports ...network.Port) *network.Endpoint {
	return &network.Endpoint{ID: id, Root: "/run/x", Name: id, Aliases: []string{"all"}, IPv4: netip.MustParseAddr(ip), Ports: ports}
}

func TestTheProcessEndsWithTheLastContainer(t *testing.T) {
	c := newTrial(t, "127.88.0.0/24")
	require.NoError(t, c.join(container("web", "127.88.0.2")))
	first := c.pid()
	got, err := c.lookup("web")
	require.NoError(t, err)
	assert.Equal(t, []string{"127.88.0.2"}, got)

	require.NoError(t, c.join(container("db", "127.88.0.3")))
	assert.Equal(t, first, c.pid(), "one process for all containers")
	got, err = c.lookup("all")
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"127.88.0.2", "127.88.0.3"}, got)

	// The change of the file is enough.
	c.leave("web")
	require.Eventually(t, func() bool {
		got, err = c.lookup("all")
		return err == nil && len(got) == 1
	}, time.Minute, time.Millisecond)
	c.leave("db")
	c.ends()
	// The files go first, and the sockets when the process is gone.
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", "127.88.0.1:53")
		if err == nil {
			conn.Close()
		}
		return errors.Is(err, unix.ECONNREFUSED)
	}, time.Minute, time.Millisecond)
}

// The helper that has started the process may be killed, or may fail, and then the container goes before the process looks.
func TestAProcessThatComesTooLateEnds(t *testing.T) {
	c := newTrial(t, "127.88.6.0/24")
	require.NoError(t, os.Mkdir(filepath.Join(c.store.Dir, "bridge/endpoints"), 0o755))
	assert.ErrorContains(t, start(c.store.Dir, "bridge"), "network bridge has no container any more")
	c.ends()

	require.NoError(t, os.RemoveAll(filepath.Join(c.store.Dir, "bridge")))
	assert.ErrorContains(t, start(c.store.Dir, "bridge"), "network bridge has no container any more")
	c.ends()
}

func TestANextContainerStartsTheProcessAgain(t *testing.T) {
	c := newTrial(t, "127.88.1.0/24")
	require.NoError(t, c.join(container("web", "127.88.1.2")))
	// Whoever comes while the process ends gets the next one.
	for range 5 {
		c.leave("web")
		require.NoError(t, c.join(container("web", "127.88.1.2")))
		_, err := c.lookup("web")
		require.NoError(t, err)
	}
	killed := c.pid()
	require.NoError(t, unix.Kill(killed, unix.SIGKILL))
	require.NoError(t, c.join(container("db", "127.88.1.3")))
	assert.NotEqual(t, killed, c.pid())
	_, err := c.lookup("web")
	require.NoError(t, err, "the next process serves the containers of the killed one")
}

// The last container goes and the next one comes before the process of the network gets a turn.
func TestTheProcessEndsWithAContainerOfANewDirectory(t *testing.T) {
	c := newTrial(t, "127.88.5.0/24")
	require.NoError(t, c.join(container("web", "127.88.5.2")))
	pid := c.pid()
	require.NoError(t, unix.Kill(pid, unix.SIGSTOP))
	require.Eventually(t, func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		require.NoError(t, err)
		for _, thread := range threads {
			if status, err := os.ReadFile(thread); err != nil || !strings.Contains(string(status), "\nState:\tT") {
				return false
			}
		}
		return len(threads) > 0
	}, time.Minute, time.Millisecond)
	require.NoError(t, os.RemoveAll(filepath.Join(c.store.Dir, "bridge")))
	c.write("network.json", c.net)
	c.write("endpoints/db.json", container("db", "127.88.5.3"))
	require.NoError(t, unix.Kill(pid, unix.SIGCONT))
	require.NoError(t, Ensure(c.store, c.net, "db"))
	assert.Equal(t, pid, c.pid())
	c.leave("db")
	c.ends()
}

func TestPublishedPortsComeAndGoWithTheirContainer(t *testing.T) {
	c := newTrial(t, "127.88.2.0/24")
	inside, err := net.Listen("tcp4", "127.88.2.2:0")
	require.NoError(t, err)
	defer inside.Close()
	ports, err := network.Reserve([]network.Port{{Container: inside.Addr().(*net.TCPAddr).AddrPort().Port(), Protocol: "tcp"}}, nil)
	require.NoError(t, err)
	require.NoError(t, c.join(container("db", "127.88.2.3")))
	require.NoError(t, c.join(container("web", "127.88.2.2", ports...)))
	outside, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[0].Host))
	require.NoError(t, err)
	defer outside.Close()
	conn, err := inside.Accept()
	require.NoError(t, err)
	_, err = io.WriteString(conn, "hello")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	heard, err := io.ReadAll(outside)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(heard))

	// The container that wants a port in use is told so, and the other containers do not mind.
	err = c.join(container("other", "127.88.2.4", ports...))
	assert.ErrorContains(t, err, ports[0].String())
	require.NoError(t, Ensure(c.store, c.net, "web"))
	c.leave("other")
	c.leave("web")
	require.Eventually(t, func() bool {
		_, err = network.Reserve(ports, nil)
		return err == nil
	}, time.Minute, time.Millisecond)
}

func TestAPortThatAnotherDNSServerHas(t *testing.T) {
	c := newTrial(t, "127.88.3.0/24")
	other, err := net.ListenPacket("udp4", "127.88.3.1:53")
	require.NoError(t, err)
	defer other.Close()
	err = c.join(container("web", "127.88.3.2"))
	require.Error(t, err)
	assert.ErrorContains(t, err, "127.88.3.1:53")
	assert.ErrorContains(t, err, fmt.Sprintf("(PID %d)", os.Getpid()))
	_, err = os.Stat(filepath.Join(c.store.Dir, own, "bridge.socket"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// A process that was hacked could do little: see capabilities(7).
func TestTheProcessHasNoRights(t *testing.T) {
	c := newTrial(t, "127.88.4.0/24")
	require.NoError(t, c.join(container("web", "127.88.4.2")))
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", c.pid()))
	require.NoError(t, err)
	require.NotEmpty(t, threads)
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		require.NoError(t, err)
		for _, line := range []string{"CapEff:\t0000000000000400\n", "CapPrm:\t0000000000000400\n", "NoNewPrivs:\t1\n",
			"Uid:\t65533\t65533\t65533\t65533\n", "Gid:\t65533\t65533\t65533\t65533\n", "Groups:\t \n",
		} {
			assert.Contains(t, string(status), line)
		}
	}
	// It has nothing of its parent open: the lock of the store would stay locked.
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", c.pid()))
	require.NoError(t, err)
	for _, link := range links {
		to, err := os.Readlink(link)
		if errors.Is(err, os.ErrNotExist) {
			// The process had this file open only to read it.
			continue
		}
		require.NoError(t, err)
		assert.NotEqual(t, c.store.Lock.Name(), to)
	}
}

// The directory of the sockets belongs to the processes of networks, and hostile containers send packets to these.
func TestWhoIsAskedIsWhoHasBeenLookedAt(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, own), 0o700))
	listen := func(name string) *net.UnixListener {
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, own, name), Net: "unix"})
		require.NoError(t, err)
		t.Cleanup(func() { listener.Close() })
		return listener
	}
	listen("other")
	path := filepath.Join(dir, own, "bridge.socket")
	require.NoError(t, os.Symlink("other", path))
	_, err := tell(dir, "bridge", "web")
	require.ErrorContains(t, err, "bridge.socket is no socket")
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = tell(dir, "bridge", "web")
	require.ErrorContains(t, err, "bridge.socket is no socket")
	require.NoError(t, os.Remove(path))

	right := listen("bridge.socket")
	right.SetUnlinkOnClose(false)
	socket, err := openSocket(dir, "bridge")
	require.NoError(t, err)
	defer socket.Close()
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink("other", path))
	conn, err := dial(socket)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, right.SetDeadline(time.Now().Add(time.Minute)))
	accepted, err := right.Accept()
	require.NoError(t, err)
	accepted.Close()
}
