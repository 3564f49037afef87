//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"container-workshop/final/engine"
	"container-workshop/final/engine/network"
)

// start starts another container of the trial, which waits.
func (c *netTrial) start(id string, flags ...string) *machine {
	c.Helper()
	id += "-" + c.id
	args := append([]string{"run", "--detach", "--rootfs", needRootfs(c.T), "--name", id, "--env", c.mark}, flags...)
	r := c.final(append(args, "/bin/sleep", "1000")...)
	require.Equal(c, 0, r.status, r.stderr)
	c.Cleanup(func() { _ = c.call("delete", "--force", id).Run() })
	return c.join(id)
}

// endpoint returns what the engine has written down of a container of start.
func (c *netTrial) endpoint(id string) (*network.Network, *network.Endpoint) {
	c.Helper()
	n, e, err := network.Inherit(network.In(engine.Home()), nil).Find(c.root, id+"-"+c.id)
	require.NoError(c, err)
	require.NotNil(c, e)
	return n, e
}

// in runs a function in the network of a machine. A nil machine is the host.
func (m *machine) in(f func() error) error {
	if m == nil {
		return f()
	}
	done := make(chan error)
	m.do <- func() { done <- f() }
	return <-done
}

// reaches reports whether a packet of UDP from one machine reaches an address of another. The marker is a packet from a third machine, which
// comes after the packet, and always arrives.
func reaches(t *testing.T, from, to, marker *machine, ip netip.Addr) (arrived bool) {
	t.Helper()
	var listener *net.UDPConn
	require.NoError(t, to.in(func() (err error) {
		listener, err = net.ListenUDP("udp", &net.UDPAddr{IP: ip.AsSlice()})
		return err
	}))
	defer listener.Close()
	send := func(m *machine, text string) error {
		return m.in(func() error {
			conn, err := net.Dial("udp", listener.LocalAddr().String())
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = conn.Write([]byte(text))
			return err
		})
	}
	// Without a route, the packet does not even leave the machine.
	_ = send(from, "packet")
	require.NoError(t, send(marker, "marker"))
	require.NoError(t, listener.SetReadDeadline(time.Now().Add(patience)))
	buffer := make([]byte, 100)
	for {
		n, err := listener.Read(buffer)
		require.NoError(t, err)
		if string(buffer[:n]) == "marker" {
			return arrived
		}
		arrived = true
	}
}

func TestNetworksAreIsolatedFromEachOther(t *testing.T) {
	c := newNetTrial(t)
	require.Equal(t, result{"shop\n", "", 0}, c.final("network", "create", "shop"))
	first, second := c.start("first", "--network", "bridge"), c.start("second", "--network", "shop")
	friend := c.start("friend", "--network", "shop")
	_, a := c.endpoint("first")
	_, b := c.endpoint("second")
	for _, ip := range []netip.Addr{b.IPv4, b.IPv6} {
		assert.True(t, reaches(t, friend, second, nil, ip), "the same network: %s", ip)
		assert.False(t, reaches(t, first, second, nil, ip), "another network: %s", ip)
	}
	assert.False(t, reaches(t, second, first, nil, a.IPv4))

	// Another machine knows the way to the container, but the host lets nobody in.
	require.NoError(t, c.server.in(func() error {
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		subnet, _ := netlink.ParseIPNet(a.IPv4.String() + "/32")
		return netlink.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Dst: subnet, Gw: net.ParseIP(hostIP)})
	}))
	assert.False(t, reaches(t, c.server, first, nil, a.IPv4))
	assert.True(t, reaches(t, first, c.server, nil, netip.MustParseAddr(serverIP)))
	r := c.final("network", "remove", "shop")
	refused(t, r, 1, "network shop has containers", "friend-"+c.id, "second-"+c.id)
}

func TestAnInternalNetworkLeadsNowhere(t *testing.T) {
	c := newNetTrial(t)
	require.Equal(t, result{"vault\n", "", 0}, c.final("network", "create", "--internal", "--subnet", "10.20.30.0/28", "vault"))
	locked, friend := c.start("locked", "--network", "vault"), c.start("friend", "--network", "vault")
	free := c.start("free", "--network", "bridge")
	n, its := c.endpoint("locked")
	_, other := c.endpoint("friend")
	assert.Equal(t, "10.20.30.2", its.IPv4.String())
	// Whoever is root in the container may make a route.
	require.NoError(t, locked.in(func() error {
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: n.Gateway().AsSlice()})
	}))
	assert.True(t, reaches(t, locked, friend, nil, other.IPv4))
	assert.True(t, reaches(t, locked, friend, nil, other.IPv6))
	for where, ip := range map[string]netip.Addr{"the host by the bridge": n.Gateway(), "the host": netip.MustParseAddr(hostIP)} {
		assert.False(t, reaches(t, locked, nil, nil, ip), where)
	}
	assert.True(t, reaches(t, free, nil, nil, netip.MustParseAddr(hostIP)), "a network that is not internal reaches the host")
	_, elsewhere := c.endpoint("free")
	assert.False(t, reaches(t, locked, free, nil, elsewhere.IPv4))
	assert.False(t, reaches(t, locked, c.server, nil, netip.MustParseAddr(serverIP)))
	assert.True(t, reaches(t, free, c.server, nil, netip.MustParseAddr(serverIP)))
}

func TestNetworkVerbs(t *testing.T) {
	c := newNetTrial(t)
	require.Equal(t, result{"shop\n", "", 0}, c.final("network", "create", "--subnet", "10.20.30.0/24", "shop"))
	refused(t, c.final("network", "create", "shop"), 1, "already exists")
	refused(t, c.final("network", "create", "--subnet", "198.51.100.0/28", "other"), 1, "collides with 198.51.100.0/24")
	refused(t, c.final("network", "create", "--subnet", "10.20.0.0/16", "other"), 1, "collides with 10.20.30.0/24")
	refused(t, c.final("network", "create", "../x"), 1, "is no name for a network")
	refused(t, c.final("network", "create", "bridge"), 1, "comes with its first container")
	refused(t, c.final("network", "nonsense"), 1, "must be create, list, inspect or remove")
	refused(t, c.final(c.runArgs([]string{"--network", "nowhere"}, "true")...), 125, `there is no network "nowhere"`, "network create nowhere")
	c.start("first", "--network", "shop")
	list := c.final("network", "list").stdout
	assert.Equal(t, "shop workshop0 10.20.30.0/24 false 1", func() string {
		fields := strings.Fields(strings.Split(list, "\n")[1])
		return strings.Join(append(fields[:3], fields[4:]...), " ")
	}())
	var inspected struct {
		Gateway    string
		Containers []network.Endpoint
	}
	require.NoError(t, json.Unmarshal([]byte(c.final("network", "inspect", "shop").stdout), &inspected))
	assert.Equal(t, "10.20.30.1", inspected.Gateway)
	require.Len(t, inspected.Containers, 1)
	assert.Equal(t, "10.20.30.2", inspected.Containers[0].IPv4.String())
	assert.Equal(t, list, c.final("network", "ls").stdout)
	require.Equal(t, result{"inner\n", "", 0}, c.final("network", "create", "--internal", "inner"))
	require.Equal(t, 0, c.final("delete", "--force", "first-"+c.id).status)
	refused(t, c.final("network", "rm"), 1, "network remove")
	refused(t, c.final("network", "ls", "shop"), 1, "network list")
	require.Equal(t, result{}, c.final("network", "rm", "inner"))
	require.Equal(t, result{}, c.final("network", "remove", "shop"))
	refused(t, c.final("network", "inspect", "shop"), 1, `there is no network "shop"`)
	c.nothingLeft()
}

func TestAContainerInTheNetworkOfAnother(t *testing.T) {
	c := newNetTrial(t)
	c.start("first", "--network", "bridge")
	_, e := c.endpoint("first")
	r := c.final(c.runArgs([]string{"--network", "container:first-" + c.id}, "hostname", "-I")...)
	assert.Equal(t, result{fmt.Sprintf("%s %s \n", e.IPv4, e.IPv6), "", 0}, r)
	_, _, err := net.ParseCIDR(e.IPv4.String() + "/24")
	require.NoError(t, err)
	refused(t, c.final(c.runArgs([]string{"--network", "container:nobody"}, "true")...), 125, "--network container:nobody")
	refused(t, c.final(c.runArgs([]string{"--network", "container:x", "-p", "80"}, "true")...), 125, "belong to container x")
}

func TestTheEnvironmentNamesTheNetwork(t *testing.T) {
	c := newNetTrial(t)
	c.sysctl("net/ipv4/ip_forward", "1")
	c.sysctl("net/ipv6/conf/all/forwarding", "1")
	c.before = c.network()
	for text, want := range map[string]string{"bridge": "eth0", "none": "none"} {
		cmd := c.call(c.runArgs(nil, "/bin/sh", "-c", "ls /sys/class/net | grep eth0 || echo none")...)
		cmd.Env = append(cmd.Env, "WORKSHOP_NETWORK="+text)
		assert.Equal(t, result{want + "\n", "", 0}, outcome(t, cmd))
	}
	cmd := c.call(c.runArgs(nil, "true")...)
	cmd.Env = append(cmd.Env, "WORKSHOP_NETWORK=a/b")
	refused(t, outcome(t, cmd), 125, "WORKSHOP_NETWORK=a/b")
	c.nothingLeft()
}

// Docker, ufw and firewalld drop what they do not know. final says so with the command that helps, and changes nothing of theirs.
func TestFirewallsThatDropOurPacketsAreNamed(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs nft: apt-get install nftables")
	}
	c := newNetTrial(t)
	c.sysctl("net/ipv4/ip_forward", "1")
	c.sysctl("net/ipv6/conf/all/forwarding", "1")
	nft := func(script string) string {
		t.Helper()
		output, err := exec.Command("nft", script).CombinedOutput()
		require.NoError(t, err, string(output))
		return string(output)
	}
	const base = "add chain %s { type filter hook forward priority 10; policy %s; }\n"
	forward := "add table ip filter\n" + fmt.Sprintf(base, "ip filter FORWARD", "drop")
	mine := func(policy string) string {
		return "add table inet mine\n" + fmt.Sprintf(base, "inet mine wall", policy)
	}
	for name, trial := range map[string]struct{ rules, words, remedy string }{
		"Docker": {
			forward + "add chain ip filter DOCKER-USER", "Docker drops what this host forwards, in chain ip filter FORWARD",
			"insert rule ip filter FORWARD iifname workshop0 accept\ninsert rule ip filter FORWARD oifname workshop0 ct state established accept",
		},
		"ufw": {forward + "add chain ip filter ufw-user-forward", "(ufw route allow in on workshop0)", ""},
		"firewalld": {
			"add table inet firewalld\n" + fmt.Sprintf(base, "inet firewalld filter_FORWARD", "accept") + "add rule inet firewalld filter_FORWARD counter reject",
			"firewall-cmd --zone=trusted --add-interface=workshop0", "",
		},
		"somebody": {
			mine("drop"), "nft insert rule inet mine wall iifname workshop0 accept",
			"insert rule inet mine wall iifname workshop0 accept; insert rule inet mine wall oifname workshop0 ct state established,related accept",
		},
		"nobody": {mine("accept") + "add rule inet mine wall tcp dport 25 drop", "", ""},
	} {
		nft("flush ruleset\n" + trial.rules)
		before := nft("list ruleset")
		r := c.shell("exit 0")
		require.Equal(t, 0, r.status, r.stderr)
		if trial.words == "" {
			assert.Empty(t, r.stderr, name)
		} else {
			assert.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
			assert.Contains(t, r.stderr, trial.words, name)
		}
		assert.Equal(t, before, nft("list ruleset"), "nothing of theirs is changed")
		if trial.remedy == "" {
			continue
		}
		port := c.server.listen(serverIP)
		nft(trial.remedy)
		assert.Equal(t, result{hostIP + "\n", "", 0}, c.shell(dial(serverIP, port)), "the remedy helps")
	}
}

// many is how many containers run at once. Half of them run one after the other before.
const many = 20

func TestManyContainersLeaveTheNetworkAsItWas(t *testing.T) {
	c := newNetTrial(t)
	port := c.server.listen(serverIP)
	one := func(id string) *exec.Cmd {
		args := append([]string{"run", "--rootfs", needRootfs(t), "--name", c.id + id, "--env", c.mark, "--network", "bridge"}, "/bin/bash", "-c", dial(serverIP, port))
		return c.call(args...)
	}
	for i := range many / 2 {
		r := outcome(t, one(fmt.Sprint("-", i)))
		require.Equal(t, result{hostIP + "\n", remarks(), 0}, r)
	}
	c.nothingLeft()
	var running []*exec.Cmd
	var outputs [many]bytes.Buffer
	for i := range many {
		cmd := one(fmt.Sprint("-at-once-", i))
		cmd.Stdout, cmd.Stderr = &outputs[i], &outputs[i]
		require.NoError(t, cmd.Start())
		running = append(running, cmd)
	}
	for i, cmd := range running {
		require.NoError(t, cmd.Wait(), outputs[i].String())
		require.Contains(t, outputs[i].String(), hostIP+"\n")
	}
	c.nothingLeft()
}
