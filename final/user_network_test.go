//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// withNetwork gives the person a host with an address, at which a server says hello, and one of the programs that carry packets. It returns
// the address.
func (c *trial) withNetwork(carrier string) (address string) {
	c.Helper()
	c.needs(carrier)
	c.ownNetwork()
	c.ip(0, "link set lo up")
	if carrier == "slirp4netns" {
		// Without a way out of the host, final takes slirp4netns.
		c.ip(0, "addr add 192.0.2.1/24 dev lo")
	} else {
		require.NoError(c, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "up0"}, PeerName: "up1"}))
		for _, args := range []string{"addr add 192.0.2.1/24 dev up0", "link set up0 up", "link set up1 up", "route add default via 192.0.2.2"} {
			c.ip(0, args)
		}
	}
	return c.saysHello("192.0.2.1:0")
}

// saysHello starts a server that says hello, and returns its address.
func (c *trial) saysHello(address string) string {
	c.Helper()
	server, err := net.Listen("tcp", address)
	require.NoError(c, err)
	c.Cleanup(func() { server.Close() })
	go func() {
		for {
			connection, err := server.Accept()
			if err != nil {
				return
			}
			_, _ = connection.Write([]byte("hello\n"))
			connection.Close()
		}
	}()
	return server.Addr().String()
}

func TestAnOrdinaryUserHasANetwork(t *testing.T) {
	for _, carrier := range []string{"pasta", "slirp4netns"} {
		t.Run(carrier, func(t *testing.T) {
			c := asPerson(t, ranges)
			_, port, err := net.SplitHostPort(c.withNetwork(carrier))
			require.NoError(t, err)
			script := "cat </dev/tcp/192.0.2.1/" + port + " && cat /etc/resolv.conf"
			for _, flags := range [][]string{nil, {"--userns", "keep-id"}} {
				r := c.final(c.runArgs(append(flags, "--network", "bridge"), "/bin/bash", "-c", script)...)
				assert.Equal(t, "hello\nnameserver 10.0.2.3\n", r.stdout, r.stderr)
				c.nothingLeft()
			}
			// Without the flag there is no way out.
			assert.NotEqual(t, 0, c.final(c.runArgs(nil, "/bin/bash", "-c", script)...).status)
			c.detached(kept, "--network", "bridge")
			assert.Equal(t, "hello\n", c.final("exec", c.id, "/bin/bash", "-c", "cat </dev/tcp/192.0.2.1/"+port).stdout)
			assert.Equal(t, carrier, c.carrier())
			require.Equal(t, result{}, c.final("delete", "--force", c.id))
			c.nothingLeft()
			refused(t, c.final(c.runArgs([]string{"--network", "bridge", "--add-host", "h:host-gateway"}, "true")...), 125, "--add-host h", "cannot reach the host")
			s := c.speak(c.runArgs([]string{"--network", "bridge"}, "/bin/sh", "-c", kept)...)
			s.says("ready")
			s.signal(unix.SIGKILL)
			s.ends(-1)
			c.nothingLeft()
			refused(t, c.final("network", "create", "mine"), 1, "needs root")
			refused(t, c.final(c.runArgs([]string{"--network", "mine"}, "true")...), 125, "--network mine", "needs root")
		})
	}
}

// carrier is the name with which the program runs that carries the packets of a detached container.
func (c *trial) carrier() string {
	c.Helper()
	note, err := os.ReadFile(filepath.Join(c.storage(), c.id, "network"))
	require.NoError(c, err)
	pid, _, _ := strings.Cut(string(note), " ")
	words, err := os.ReadFile("/proc/" + pid + "/cmdline")
	require.NoError(c, err)
	name, _, _ := strings.Cut(string(words), "\x00")
	return filepath.Base(name)
}

func TestAnOrdinaryUserPublishesAPort(t *testing.T) {
	for _, carrier := range []string{"pasta", "slirp4netns"} {
		t.Run(carrier, func(t *testing.T) {
			c := asPerson(t, ranges)
			c.withNetwork(carrier)
			if carrier == "pasta" {
				// final publishes no ports with an old pasta. This pasta may be old, so it says that it is new.
				c.instead(carrier, newPasta)
			}
			server := c.speak(c.runArgs([]string{"--publish", "192.0.2.1:45678:80"}, "/usr/bin/perl", "-e", `
				use Socket; socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(80, INADDR_ANY)) or die; listen(S, 1); $| = 1; print "ready\n";
				accept(C, S); sysread(C, $question, 100); syswrite(C, "$question, from inside\n"); shutdown(C, 1); <C>`)...)
			server.says("ready")
			assert.Equal(t, result{"80/tcp -> 192.0.2.1:45678\n", "", 0}, c.final("port", c.id))
			for _, other := range []string{"192.0.2.1:80", "127.0.0.1:45678"} {
				_, err := net.Dial("tcp", other)
				assert.ErrorIs(t, err, unix.ECONNREFUSED, other)
			}
			connection, err := net.Dial("tcp", "192.0.2.1:45678")
			require.NoError(t, err)
			_, err = connection.Write([]byte("hello"))
			require.NoError(t, err)
			answer, err := io.ReadAll(connection)
			require.NoError(t, err)
			assert.Equal(t, "hello, from inside\n", string(answer))
			connection.Close()
			server.ends(0)
			c.nothingLeft()
		})
	}
}

// Somebody kills final while it starts slirp4netns, which must not outlive the container.
func TestAKilledFinalLeavesNoNetworkOfAnOrdinaryUser(t *testing.T) {
	c := asPerson(t, ranges)
	c.withNetwork("slirp4netns")
	flags := []string{"--network", "bridge"}
	for index, found := 0, 0; found < 3; index++ {
		p := place{side: "state", index: index}
		r := outcome(t, c.interrupted(p, "fail", flags, "true"))
		require.Contains(t, r.stderr, errInterrupted.Error(), "there are no more stages")
		c.nothingLeft()
		if found == 0 && !strings.Contains(r.stderr, "clone(slirp4netns)") {
			continue
		}
		found++
		cmd := c.interrupted(p, filepath.Join(c.person.home, "never"), flags, "true")
		require.NoError(t, cmd.Start())
		c.atStage()
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		c.nothingLeft()
	}
}

// The container is not made if nobody can publish its port.
func TestPortsThatAnOrdinaryUserCannotPublish(t *testing.T) {
	c := asPerson(t, ranges)
	_, taken, err := net.SplitHostPort(c.withNetwork("slirp4netns"))
	require.NoError(t, err)
	for _, wrong := range []struct {
		publish string
		words   []string
	}{
		{"80:80", []string{"--publish 0.0.0.0:80:80/tcp", "only root can use a port below 1024", "choose a higher port, or use sudo"}},
		{taken + ":80", []string{"port " + taken + "/tcp of the host is in use by", "choose another port, or end that program"}},
		{"[::1]:8080:80", []string{"--publish [::1]:8080:80/tcp", "IPv4"}},
		{"198.51.100.1:8080:80", []string{"198.51.100.1 is no address of this host"}},
	} {
		for _, flags := range [][]string{nil, {"--detach"}} {
			refused(t, c.final(c.runArgs(append(flags, "--publish", wrong.publish), "true")...), 125, wrong.words...)
			c.nothingLeft()
		}
	}
	// Without a port of the host, the port is any free one.
	c.detached(kept, "-p", "192.0.2.1:0:80", "-p", "53/udp")
	r := c.final("port", c.id, "80")
	var port int
	_, err = fmt.Sscanf(r.stdout, "192.0.2.1:%d\n", &port)
	require.NoError(t, err, r.stdout+r.stderr)
	assert.GreaterOrEqual(t, port, 1024)
	other := c.final("run", "--rootfs", needRootfs(t), "--publish", fmt.Sprintf("%d:80", port), "true")
	refused(t, other, 125, fmt.Sprintf("port %d/tcp of the host belongs to container %s", port, c.id), "choose another port, or end that container")
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}
