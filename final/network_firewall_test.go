//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
)

// The server of names answers at the host itself, so it needs the host's input.
func TestFirewallsThatDropQuestionsAboutNamesAreNamed(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs nft: apt-get install nftables")
	}
	c := newNetTrial(t)
	nft := func(script string) {
		t.Helper()
		output, err := exec.Command("nft", script).CombinedOutput()
		require.NoError(t, err, string(output))
	}
	const wall = "add table %[1]s\nadd chain %[1]s %[2]s { type filter hook input priority 10; policy drop; }\nadd rule %[1]s %[2]s iifname lo accept\n"
	mine, iptables := fmt.Sprintf(wall, "inet mine", "wall"), fmt.Sprintf(wall, "ip filter", "INPUT")
	for name, trial := range map[string]struct{ rules, words, remedy string }{
		"somebody": {
			mine, "nft insert rule inet mine wall iifname workshop0 meta l4proto '{ tcp, udp }' th dport 53 accept",
			"insert rule inet mine wall iifname workshop0 meta l4proto { tcp, udp } th dport 53 accept",
		},
		"iptables": {
			iptables, "(iptables -I INPUT -i workshop0 -p udp --dport 53 -j ACCEPT; iptables -I INPUT -i workshop0 -p tcp --dport 53 -j ACCEPT)",
			"insert rule ip filter INPUT iifname workshop0 udp dport 53 accept",
		},
		"ufw":                  {iptables + "add chain ip filter ufw-user-input", "(ufw allow in on workshop0 to any port 53)", ""},
		"a port":               {mine + "add rule inet mine wall udp dport 53 accept", "", ""},
		"a port among others":  {mine + "add rule inet mine wall udp dport { 53, 67 } accept", "", ""},
		"some ports, and ours": {mine + "add rule inet mine wall tcp dport { 22, 80 } accept", "so containers find no names", ""},
	} {
		nft("flush ruleset\n" + trial.rules)
		r := c.shell("exit 0")
		require.Equal(t, 0, r.status, r.stderr)
		if trial.words == "" {
			assert.NotContains(t, r.stderr, "names", name)
		} else {
			assert.Equal(t, 1, strings.Count(r.stderr, "find no names"), r.stderr)
			assert.Contains(t, r.stderr, trial.words, name)
		}
		if trial.remedy != "" {
			nft(trial.remedy)
			assert.Equal(t, 0, c.shell("getent ahostsv4 "+c.id+".").status, "the remedy helps")
		}
	}
}

// The tables of iptables-legacy are not in nftables. Docker uses them on some hosts.
func TestLegacyFirewallsAreNamed(t *testing.T) {
	if _, err := exec.LookPath("iptables-legacy"); err != nil {
		t.Skip("needs iptables-legacy: apt-get install iptables")
	}
	c := newNetTrial(t)
	c.sysctl("net/ipv4/ip_forward", "1")
	c.sysctl("net/ipv6/conf/all/forwarding", "1")
	c.before = c.network()
	sh := func(script string) {
		t.Helper()
		output, err := exec.Command("sh", "-ec", script).CombinedOutput()
		require.NoError(t, err, string(output))
	}
	port := c.server.listen(serverIP)
	require.Equal(t, result{hostIP + "\n", "", 0}, c.shell(dial(serverIP, port)))
	for _, wall := range []struct{ script, who, script2 string }{
		{"iptables-legacy -P FORWARD DROP", "iptables drops what this host forwards, in chain FORWARD of iptables-legacy", dial(serverIP, port)},
		{"iptables-legacy -P FORWARD DROP; iptables-legacy -N DOCKER-USER; iptables-legacy -A FORWARD -j DOCKER-USER", "Docker drops what this host forwards", dial(serverIP, port)},
		{"ip6tables-legacy -P FORWARD DROP", "in chain FORWARD of ip6tables-legacy", dial(serverIP6, c.server.listen(serverIP6))},
		{"iptables-legacy -P INPUT DROP; iptables-legacy -A INPUT -i lo -j ACCEPT", "in chain INPUT of iptables-legacy, so containers find no names", "getent ahostsv4 " + c.id + "."},
	} {
		sh(wall.script)
		r := c.shell("exit 0")
		require.Equal(t, 0, r.status, r.stderr)
		require.Equal(t, 1, strings.Count(r.stderr, "warning"), r.stderr)
		require.Contains(t, r.stderr, wall.who)
		// The remedy helps, and then there is nothing to say.
		remedy := regexp.MustCompile(`\(((?:iptables|ip6tables)-legacy -I .*)\)`).FindStringSubmatch(r.stderr)
		require.Len(t, remedy, 2, r.stderr)
		sh(remedy[1])
		r = c.shell(wall.script2)
		require.Equal(t, 0, r.status, r.stderr)
		require.Empty(t, r.stderr)
		sh("for t in iptables-legacy ip6tables-legacy; do $t -F; $t -X; $t -P FORWARD ACCEPT; $t -P INPUT ACCEPT; done")
	}
	c.nothingLeft()
}

// Docker may come while a container of final runs, and relies on forwarding, which is on already.
func TestForwardingStaysOnForOthers(t *testing.T) {
	c := newNetTrial(t)
	for _, docker := range []bool{true, false} {
		require.Equal(t, 0, c.final(c.runArgs([]string{"--detach", "--network", "bridge"}, "/bin/sleep", "1000")...).status)
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "docker0"
		if docker {
			require.NoError(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}))
		}
		r := c.final("delete", "--force", c.id)
		require.Equal(t, 0, r.status)
		now, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
		require.NoError(t, err)
		if !docker {
			require.Empty(t, r.stderr)
			require.Equal(t, "0\n", string(now))
			continue
		}
		require.Equal(t, "1\n", string(now))
		require.Contains(t, r.stderr, "warning: this host goes on to forward packets, though the last container has ended: bridge docker0 came meanwhile")
		require.NoError(t, netlink.LinkDel(&netlink.Bridge{LinkAttrs: attrs}))
		c.sysctl("net/ipv4/ip_forward", "0")
		c.sysctl("net/ipv6/conf/all/forwarding", "0")
	}
	c.nothingLeft()
}
