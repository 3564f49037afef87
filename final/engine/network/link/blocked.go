//go:build linux

package link

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Blocked says which rules of others would drop packets of a bridge that the host forwards, and how to allow these packets. Our own rules
// cannot: a packet has to pass all tables. Nothing of others is changed.
func Blocked(bridge string) (remarks []string) {
	c := new(nftables.Conn)
	chains, err := c.ListChains()
	if err != nil {
		return nil
	}
	for _, chain := range chains {
		if chain.Table.Name == Table || chain.Hooknum == nil || *chain.Hooknum != *nftables.ChainHookForward || chain.Type != nftables.ChainTypeFilter {
			continue
		}
		if !slices.Contains([]nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyIPv6, nftables.TableFamilyINet}, chain.Table.Family) {
			continue
		}
		if !drops(c, chain) || mentions(c, chain.Table, chains, bridge) {
			continue
		}
		where := fmt.Sprintf("%s %s %s", families[chain.Table.Family], chain.Table.Name, chain.Name)
		who, remedy := owner(chain, chains, bridge, where)
		remarks = append(remarks, fmt.Sprintf("%s drops what this host forwards, in chain %s, so containers reach no other hosts: allow %s (%s)", who, where, bridge, remedy))
	}
	return remarks
}

var families = map[nftables.TableFamily]string{nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6", nftables.TableFamilyINet: "inet"}

// drops reports whether a chain drops packets that no rule knows: by its policy, or by a last rule without conditions.
func drops(c *nftables.Conn, chain *nftables.Chain) bool {
	if chain.Policy != nil && *chain.Policy == nftables.ChainPolicyDrop {
		return true
	}
	rules, err := c.GetRules(chain.Table, chain)
	if err != nil || len(rules) == 0 {
		return false
	}
	for _, e := range rules[len(rules)-1].Exprs {
		switch e := e.(type) {
		case *expr.Counter:
		case *expr.Reject:
			return true
		case *expr.Verdict:
			return e.Kind == expr.VerdictDrop
		default:
			return false
		}
	}
	return false
}

// mentions reports whether any rule of a table compares something with the name of a bridge, as a rule does that allows the bridge.
func mentions(c *nftables.Conn, table *nftables.Table, chains []*nftables.Chain, bridge string) bool {
	for _, chain := range chains {
		if chain.Table.Name != table.Name || chain.Table.Family != table.Family {
			continue
		}
		rules, err := c.GetRules(table, chain)
		if err != nil {
			// The library does not know all rules. Better no remark than a wrong one.
			return true
		}
		for _, rule := range rules {
			for _, e := range rule.Exprs {
				if compared, ok := e.(*expr.Cmp); ok && bytes.HasPrefix(compared.Data, []byte(bridge)) {
					return true
				}
			}
		}
	}
	return false
}

// owner says whose chain it is, and how to let packets of a bridge pass.
func owner(chain *nftables.Chain, chains []*nftables.Chain, bridge, where string) (who, remedy string) {
	has := func(prefix string) bool {
		return slices.ContainsFunc(chains, func(c *nftables.Chain) bool {
			return c.Table.Name == chain.Table.Name && c.Table.Family == chain.Table.Family && strings.HasPrefix(c.Name, prefix)
		})
	}
	iptables := "iptables"
	if chain.Table.Family == nftables.TableFamilyIPv6 {
		iptables = "ip6tables"
	}
	both := func(chain string) string {
		return fmt.Sprintf("%s -I %s -i %s -j ACCEPT; %[1]s -I %[2]s -o %[3]s -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT", iptables, chain, bridge)
	}
	switch {
	case chain.Table.Name == "firewalld":
		return "firewalld", "firewall-cmd --zone=trusted --add-interface=" + bridge
	case has("ufw"):
		return "ufw", "ufw route allow in on " + bridge
	case has("DOCKER-USER"):
		return "Docker", both("DOCKER-USER")
	case chain.Name == "FORWARD":
		return "iptables", both("FORWARD")
	}
	return "nftables", fmt.Sprintf("nft insert rule %s iifname %s accept; nft insert rule %[1]s oifname %[2]s ct state established,related accept", where, bridge)
}
