//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
