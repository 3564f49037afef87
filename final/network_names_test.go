//go:build linux

package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// neighbour runs a script in another container of the trial's network.
func (c *netTrial) neighbour(script string, flags ...string) result {
	c.Helper()
	args := append([]string{"--root", c.TempDir(), "run", "--rootfs", needRootfs(c.T), "--env", c.mark, "--network", "bridge"}, flags...)
	return c.final(append(args, "/bin/bash", "-c", script)...)
}

func TestContainersFindEachOtherByName(t *testing.T) {
	c := newNetTrial(t)
	m := c.background("--network", "bridge", "--network-alias", "www", "--hostname", "box")
	port := m.listen("")
	r := c.neighbour(dial("www", port)+"; getent hosts "+c.id+" | wc -w; getent ahostsv4 WWW | head -n 1; hostname -i | wc -w; sed -n 's/^nameserver //p' /etc/resolv.conf", "--name", c.id+"-b")
	require.Equal(t, 0, r.status, r.stderr)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	require.Len(t, lines, 6, r.stdout)
	require.Equal(t, "2", lines[1])
	subnet := strings.TrimSuffix(lines[4], ".1")
	from, err := netip.ParseAddr(lines[0])
	require.NoError(t, err)
	want := netip.MustParseAddr(subnet + ".3").AsSlice()
	require.Equal(t, want, from.AsSlice()[from.BitLen()/8-4:], "%s: the connection comes from the other container itself", from)
	require.Equal(t, subnet+".2", strings.Fields(lines[2])[0])

	// A container finds itself by its hostname, without DNS.
	r = c.final("exec", c.id, "/bin/sh", "-c", "getent ahostsv4 box | head -n 1; grep -c box /etc/hosts")
	require.Equal(t, 0, r.status, r.stderr)
	require.Contains(t, r.stdout, subnet+".2")
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	c.nothingLeft()
}

// resolve makes the host ask a resolver at its own loopback interface, as with systemd-resolved. The resolver knows one name.
func (c *netTrial) resolve(address, known string, ip [4]byte) {
	c.Helper()
	conn, err := net.ListenPacket("udp", address+":53")
	require.NoError(c, err)
	c.Cleanup(func() { conn.Close() })
	go func() {
		packet := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(packet[:n]) != nil {
				continue
			}
			m.Response, m.RCode = true, dnsmessage.RCodeNameError
			if q := m.Questions[0]; q.Name.String() == known {
				m.RCode = dnsmessage.RCodeSuccess
				if q.Type == dnsmessage.TypeA {
					m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: ip}}}
				}
			}
			reply, _ := m.Pack()
			_, _ = conn.WriteTo(reply, from)
		}
	}()
	file := filepath.Join(c.TempDir(), "resolv.conf")
	require.NoError(c, os.WriteFile(file, []byte(fmt.Sprintf("nameserver %s\nsearch corp.example\n", address)), 0o644))
	require.NoError(c, unix.Mount(file, "/etc/resolv.conf", "", unix.MS_BIND, ""))
	c.mounts = c.mountTable()
}

// ping without CAP_NET_RAW. icmp(7)
func TestContainersPingEachOtherByName(t *testing.T) {
	c := newNetTrial(t)
	c.background("--network", "bridge", "--network-alias", "www")
	const ping = `alarm 60; socket(my $s, AF_INET, SOCK_DGRAM, 1) or die "socket: $!"; ` +
		`send($s, pack("CCnnna*", 8, 0, 0, 0, 7, "hello"), 0, pack_sockaddr_in(0, inet_aton("www"))) or die "send: $!"; ` +
		`recv($s, my $answer, 100, 0); print ord($answer), substr($answer, 8)`
	perl := "perl -MSocket -e '" + ping + "'"
	require.Equal(t, result{"0hello", "", 0}, c.neighbour(perl, "--name", c.id+"-b"))
	r := c.neighbour(perl, "--name", c.id+"-b", "--sysctl", "net.ipv4.ping_group_range=1 0")
	require.Contains(t, r.stderr, "socket: Permission denied", "you decide")
}

// A container has its own loopback interface, so it cannot ask there itself.
func TestOtherNamesComeFromTheResolverOfTheHost(t *testing.T) {
	c := newNetTrial(t)
	c.resolve("127.0.0.53", "host.corp.example.", [4]byte{192, 0, 2, 7})
	r := c.shell("getent ahostsv4 host | head -n 1; getent ahosts nosuch.corp.example; echo $?")
	require.Equal(t, 0, r.status, r.stderr)
	require.Contains(t, r.stdout, "192.0.2.7 ")
	require.True(t, strings.HasSuffix(r.stdout, "\n2\n"), r.stdout)
	c.nothingLeft()
}

// The process of the network is gone, but not the network: the next container brings the process back.
func TestTheNextContainerRestoresTheNames(t *testing.T) {
	c := newNetTrial(t)
	m := c.background("-p", "8080:80")
	m.listenAt("", 80)
	for _, pid := range serversOf(t) {
		require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	}
	require.Equal(t, 0, c.neighbour("getent hosts "+c.id).status)
	from, err := connect(t, nil, "tcp", "127.0.0.1", 8080)
	require.NoError(t, err)
	require.Equal(t, c.gateway(), from)
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	c.nothingLeft()
	require.Eventually(t, func() bool { return len(serversOf(t)) == 0 }, patience, 10*1e6)
}

// Somebody who looks at the networks gets their processes back, too.
func TestNetworkVerbsRestoreTheNames(t *testing.T) {
	c := newNetTrial(t)
	m := c.background("-p", "8080:80")
	m.listenAt("", 80)
	require.Equal(t, "", c.final("network", "ls").stderr)
	for _, pid := range serversOf(t) {
		require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	}
	// The kernel may still be closing the files of the process.
	var r result
	c.until(func() bool {
		r = c.final("network", "list")
		return strings.Contains(r.stderr, "somebody had ended the process of network bridge: names and ports at 127.0.0.1 are back")
	}, func() string { return fmt.Sprint(r) })
	require.Equal(t, 0, r.status)
	require.Len(t, serversOf(t), 1)
	from, err := connect(t, nil, "tcp", "127.0.0.1", 8080)
	require.NoError(t, err)
	require.Equal(t, c.gateway(), from)
	require.Equal(t, "", c.final("network", "inspect", "bridge").stderr)
}

// A process that was killed leaves no files after its last container.
func TestNothingIsLeftOfAKilledServer(t *testing.T) {
	c := newNetTrial(t)
	c.background("--network", "bridge")
	servers := serversOf(t)
	require.Len(t, servers, 1)
	require.NoError(t, unix.Kill(servers[0], unix.SIGKILL))
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	c.nothingLeft()
}

// The DNS server is for its network alone: not for other machines, even if they know the way to it, and not for other networks.
func TestStrangersGetNoNames(t *testing.T) {
	c := newNetTrial(t)
	c.resolve("127.0.0.53", "host.corp.example.", [4]byte{192, 0, 2, 7})
	r := c.final(c.runArgs([]string{"--detach", "--network", "bridge"}, "/bin/sleep", "1000")...)
	require.Equal(t, 0, r.status, r.stderr)
	gateway := c.gateway()
	query, err := (&dnsmessage.Message{Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("host.corp.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
	}}}).Pack()
	require.NoError(t, err)
	h, err := netlink.NewHandleAt(netns.NsHandle(c.server.ns), unix.NETLINK_ROUTE)
	require.NoError(t, err)
	defer h.Close()
	require.NoError(t, h.RouteAdd(&netlink.Route{Dst: &net.IPNet{IP: net.ParseIP(gateway).To4(), Mask: net.CIDRMask(32, 32)}, Gw: net.ParseIP(hostIP)}))
	ask := func(to string) (err error) {
		var conn net.Conn
		if conn, err = net.Dial("udp", net.JoinHostPort(to, "53")); err != nil {
			return err
		}
		defer conn.Close()
		_, _ = conn.Write(query)
		_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		_, err = conn.Read(make([]byte, 512))
		return err
	}
	// The same question from the network has an answer.
	inside := c.join(c.id)
	for _, try := range []struct {
		from   *machine
		to     string
		answer bool
	}{{inside, gateway, true}, {c.server, gateway, false}, {c.server, hostIP, false}} {
		got := make(chan error)
		for asked := 0; ; asked++ {
			try.from.do <- func() { got <- ask(try.to) }
			err := <-got
			if try.answer && err != nil && asked < 100 {
				continue
			}
			require.Equal(t, try.answer, err == nil, "%s: %v", try.to, err)
			break
		}
	}
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	c.nothingLeft()
}

// serversOf are the processes of networks in our network namespace.
func serversOf(t *testing.T) (pids []int) {
	t.Helper()
	ours, err := os.Readlink("/proc/thread-self/ns/net")
	require.NoError(t, err)
	entries, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, dir := range entries {
		net, _ := os.Readlink(dir + "/ns/net")
		line, _ := os.ReadFile(dir + "/cmdline")
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(dir), "%d", &pid); err == nil && net == ours && strings.Contains(string(line), "serve-network") {
			pids = append(pids, pid)
		}
	}
	return pids
}
