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

	"github.com/stretchr/testify/require"
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
