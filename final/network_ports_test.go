//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"container-workshop/final/container"
)

// join makes a machine of a running container: functions run on a thread in its network namespace.
func (c *netTrial) join(id string) *machine {
	c.Helper()
	var state container.Public
	require.NoError(c, json.Unmarshal([]byte(c.final("state", id).stdout), &state))
	m := &machine{t: c.T, do: make(chan func())}
	opened := make(chan error)
	go func() {
		runtime.LockOSThread()
		var err error
		if m.ns, err = unix.Open(fmt.Sprintf("/proc/%d/ns/net", state.Pid), unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			err = unix.Setns(m.ns, unix.CLONE_NEWNET)
		}
		opened <- err
		for f := range m.do {
			f()
		}
	}()
	require.NoError(c, <-opened)
	c.Cleanup(func() {
		close(m.do)
		unix.Close(m.ns)
	})
	return m
}

// background starts a container of the trial that waits.
func (c *netTrial) background(flags ...string) *machine {
	c.Helper()
	r := c.final(c.runArgs(append([]string{"--detach"}, flags...), "/bin/sleep", "1000")...)
	require.Equal(c, result{c.id + "\n", remarks(), 0}, r)
	return c.join(c.id)
}

// connect connects from a machine, and returns the address that the other end sees. A nil machine is the host.
func connect(t *testing.T, m *machine, protocol, host string, port int) (from string, err error) {
	t.Helper()
	ask := func() {
		var conn net.Conn
		if conn, err = net.DialTimeout(protocol, net.JoinHostPort(host, fmt.Sprint(port)), time.Minute); err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		if protocol == "udp" {
			if _, err = io.WriteString(conn, "who am I?"); err != nil {
				return
			}
			answer := make([]byte, 100)
			var n int
			n, err = conn.Read(answer)
			from = strings.TrimSpace(string(answer[:n]))
			return
		}
		var answer []byte
		answer, err = io.ReadAll(conn)
		from = strings.TrimSpace(string(answer))
	}
	if m == nil {
		ask()
		return from, err
	}
	done := make(chan bool)
	m.do <- func() { ask(); close(done) }
	<-done
	return from, err
}

// answer serves UDP at a port of the machine, as listen serves TCP.
func (m *machine) answer(port int) {
	m.t.Helper()
	var conn net.PacketConn
	done := make(chan error)
	m.do <- func() {
		var err error
		conn, err = net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		done <- err
	}
	require.NoError(m.t, <-done)
	m.t.Cleanup(func() { conn.Close() })
	go func() {
		packet := make([]byte, 100)
		for {
			_, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(from.String())
			_, _ = conn.WriteTo([]byte(host), from)
		}
	}()
}

// gateway is the address of the host in the network of the trial's container.
func (c *netTrial) gateway() string {
	c.Helper()
	r := c.final("exec", c.id, "/bin/sh", "-c", "sed -n 's/^nameserver //p' /etc/resolv.conf | head -n 1")
	require.Equal(c, 0, r.status, r.stderr)
	return strings.TrimSpace(r.stdout)
}

func TestPublishedPorts(t *testing.T) {
	c := newNetTrial(t)
	m := c.background("-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "8080:53/udp")
	m.listenAt("", 80)
	m.answer(53)
	gateway := c.gateway()
	for _, protocol := range []string{"tcp", "udp"} {
		// Programs of the host come through the relay.
		for _, host := range []string{"127.0.0.1", "::1", hostIP, hostIP6} {
			from, err := connect(t, nil, protocol, host, 8080)
			require.NoError(t, err, "%s %s", protocol, host)
			require.Equal(t, gateway, from, "%s %s", protocol, host)
		}
		// The container sees other machines as they are.
		for host, itself := range map[string]string{hostIP: serverIP, hostIP6: serverIP6} {
			from, err := connect(t, c.server, protocol, host, 8080)
			require.NoError(t, err, "%s %s", protocol, host)
			require.Equal(t, itself, from)
		}
	}
	from, err := connect(t, nil, "tcp", "127.0.0.1", 8081)
	require.NoError(t, err)
	require.Equal(t, gateway, from)
	_, err = connect(t, c.server, "tcp", hostIP, 8081)
	require.ErrorIs(t, err, unix.ECONNREFUSED, "the port is for the loopback interface alone")

	// Other containers, and the container itself, come by an address of the host.
	for _, host := range []string{hostIP, gateway} {
		script := dial(host, 8080)
		r := c.final("exec", c.id, "/bin/bash", "-c", script)
		require.Equal(t, result{gateway + "\n", "", 0}, r, host)
		other := c.final("--root", t.TempDir(), "run", "--rootfs", needRootfs(t), "--env", c.mark, "--network", "bridge", "/bin/bash", "-c", script)
		require.Equal(t, result{gateway + "\n", "", 0}, other, host)
	}

	// The list and the verb port know the ports.
	r := c.final("port", c.id)
	require.Equal(t, result{"53/udp -> 0.0.0.0:8080\n53/udp -> [::]:8080\n80/tcp -> 0.0.0.0:8080\n80/tcp -> 127.0.0.1:8081\n80/tcp -> [::]:8080\n", "", 0}, r)
	require.Equal(t, result{"0.0.0.0:8080\n[::]:8080\n", "", 0}, c.final("port", c.id, "53/udp"))
	require.Contains(t, c.final("list").stdout, "*:8080->53/udp, *:8080->80/tcp, 127.0.0.1:8081->80/tcp")
	require.Contains(t, c.final("list", "--format", "json").stdout, `"ports":[{"host":8080,"container":80,"protocol":"tcp"},`+
		`{"ip":"127.0.0.1","host":8081,"container":80,"protocol":"tcp"},{"host":8080,"container":53,"protocol":"udp"}]`)

	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	c.nothingLeft()
	_, err = connect(t, nil, "tcp", "127.0.0.1", 8080)
	require.ErrorIs(t, err, unix.ECONNREFUSED)
}

// Neighbours on the cable could send packets to 127.0.0.1, or to the addresses of containers.
func TestNeighboursReachOnlyPublishedPorts(t *testing.T) {
	c := newNetTrial(t)
	m := c.background("-p", "127.0.0.1:8081:80")
	m.listenAt("", 80)
	for _, name := range []string{"all", "up0", "workshop0"} {
		value, err := os.ReadFile("/proc/sys/net/ipv4/conf/" + name + "/route_localnet")
		require.NoError(t, err)
		require.Equal(t, "0\n", string(value), name)
	}
	// The neighbour knows the way to the container, and guesses its address.
	gateway := net.ParseIP(c.gateway()).To4()
	subnet := &net.IPNet{IP: gateway.Mask(net.CIDRMask(24, 32)), Mask: net.CIDRMask(24, 32)}
	h, err := netlink.NewHandleAt(netns.NsHandle(c.server.ns), unix.NETLINK_ROUTE)
	require.NoError(t, err)
	defer h.Close()
	require.NoError(t, h.RouteAdd(&netlink.Route{Dst: subnet, Gw: net.ParseIP(hostIP)}))
	itself := net.IPv4(gateway[0], gateway[1], gateway[2], 2)
	var reached error
	done := make(chan bool)
	c.server.do <- func() {
		// The rules drop the packet, so nothing comes back.
		_, reached = net.DialTimeout("tcp", net.JoinHostPort(itself.String(), "80"), 300*time.Millisecond)
		close(done)
	}
	<-done
	require.ErrorContains(t, reached, "timeout")
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	c.nothingLeft()
}

func TestAnyFreePort(t *testing.T) {
	c := newNetTrial(t)
	m := c.background("-p", "80")
	m.listenAt("", 80)
	r := c.final("port", c.id, "80")
	require.Equal(t, 0, r.status, r.stderr)
	var port int
	_, err := fmt.Sscanf(r.stdout, "0.0.0.0:%d\n", &port)
	require.NoError(t, err, r.stdout)
	from, err := connect(t, nil, "tcp", "127.0.0.1", port)
	require.NoError(t, err)
	require.Equal(t, c.gateway(), from)
	refused(t, c.final("port", c.id, "81"), 1, "port 81/tcp", c.id)
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	c.nothingLeft()
	refused(t, c.final("port", c.id), 1, c.id, "does not exist")
}

func TestAPortInUseIsRefused(t *testing.T) {
	c := newNetTrial(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	taken := listener.Addr().(*net.TCPAddr).Port
	refused(t, c.shell("true", "-p", fmt.Sprintf("%d:80", taken)), 125, fmt.Sprintf("port %d/tcp", taken), fmt.Sprintf("PID %d", unix.Getpid()))
	c.nothingLeft()

	c.background("-p", "8080:80")
	r := c.final("--root", t.TempDir(), "run", "--rootfs", needRootfs(t), "--env", c.mark, "-p", "8080:81", "true")
	refused(t, r, 125, "port 8080/tcp", "container "+c.id)
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	c.nothingLeft()
	refused(t, c.final(c.runArgs([]string{"-p", "80", "--network", "none"}, "true")...), 125, "--publish", "--network none")
	refused(t, c.final(c.runArgs([]string{"-p", "80", "--network", "host"}, "true")...), 125, "--publish", "--network host")
}

func TestWithoutTheHelperNothingOfANetworkIsMade(t *testing.T) {
	c := newNetTrial(t)
	for _, flags := range [][]string{nil, {"--detach"}} {
		cmd := c.call(c.runArgs(append(flags, "-p", "8080:80"), "true")...)
		cmd.Env = append(cmd.Env, "WORKSHOP_NO_HELPER=1")
		r := outcome(t, cmd)
		refused(t, r, 125, "final-helper is missing", "make build/final-helper")
		require.Equal(t, 1, strings.Count(r.stderr, "is missing"))
		c.nothingLeft()
	}
}

// Whoever is killed, nothing of a port stays.
func TestPublishedPortsGoWhenRunIsKilled(t *testing.T) {
	c := newNetTrial(t)
	cmd := c.call(c.runArgs([]string{"-p", "8080:80", "-p", "8080:80/udp"}, "/bin/sh", "-c", "echo ready; exec sleep 1000")...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(out, make([]byte, len("ready\n")))
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	var killed *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &killed)
	c.nothingLeft()
	// The network's process learns from the files of the network that the container is gone, a moment later.
	require.Eventually(t, func() bool {
		_, err := connect(t, nil, "tcp", "127.0.0.1", 8080)
		return errors.Is(err, unix.ECONNREFUSED)
	}, patience, time.Millisecond)
}

// The kernel remembers senders of UDP packets. A sender that never stops, and keeps its port, still reaches the next container.
func TestASenderReachesTheNextContainer(t *testing.T) {
	c := newNetTrial(t)
	var conn net.Conn
	var err error
	dialed := make(chan bool)
	c.server.do <- func() {
		conn, err = net.Dial("udp", net.JoinHostPort(hostIP, "8080"))
		close(dialed)
	}
	<-dialed
	require.NoError(t, err)
	defer conn.Close()
	hears := func(wait time.Duration) bool {
		_ = conn.SetReadDeadline(time.Now().Add(wait))
		n, err := conn.Read(make([]byte, 100))
		return err == nil && n > 0
	}
	ask := func() bool {
		// On a busy host, the answer to an earlier question may come late.
		for hears(10 * time.Millisecond) {
		}
		_, _ = io.WriteString(conn, "who am I?")
		return hears(100 * time.Millisecond)
	}
	c.background("-p", "8080:53/udp").answer(53)
	require.Eventually(t, ask, patience, time.Millisecond)
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	// Somebody else gets the address of the first container.
	root, id := t.TempDir(), c.id+"-b"
	other := func(args ...string) result { return c.final(append([]string{"--root", root}, args...)...) }
	r := other("run", "--detach", "--rootfs", needRootfs(t), "--name", id, "--env", c.mark, "--network", "bridge", "/bin/sleep", "1000")
	require.Equal(t, result{id + "\n", remarks(), 0}, r)
	require.False(t, ask(), "nobody listens")
	r = c.final(c.runArgs([]string{"--detach", "-p", "8080:53/udp"}, "/bin/sleep", "1000")...)
	require.Equal(t, result{c.id + "\n", "", 0}, r)
	c.join(c.id).answer(53)
	require.Eventually(t, ask, patience, time.Millisecond)
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	require.Equal(t, 0, other("delete", "--force", id).status)
	c.nothingLeft()
}
