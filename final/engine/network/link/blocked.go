//go:build linux

package link

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
)

// Blocked says which rules of others would drop packets of a bridge, and how to allow these packets: packets that the host forwards, unless
// the network is internal, and questions about names, which the host answers. Our own rules cannot allow packets that others drop: a packet
// has to pass all tables. Nothing of others is changed.
func Blocked(bridge string, internal bool) (remarks []string) {
	// One socket for all questions: see hangUp.
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil
	}
	defer hangUp(c)
	chains, err := c.ListChains()
	if err != nil {
		return nil
	}
	for _, chain := range chains {
		if chain.Table.Name == Table || chain.Hooknum == nil || chain.Type != nftables.ChainTypeFilter {
			continue
		}
		input := *chain.Hooknum == *nftables.ChainHookInput
		if !input && (internal || *chain.Hooknum != *nftables.ChainHookForward) {
			continue
		}
		if !slices.Contains([]nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyIPv6, nftables.TableFamilyINet}, chain.Table.Family) {
			continue
		}
		if !drops(c, chain) || mentions(c, chain.Table, chains, comparesName(bridge)) || input && mentions(c, chain.Table, chains, comparesDNS) {
			continue
		}
		where := fmt.Sprintf("%s %s %s", families[chain.Table.Family], chain.Table.Name, chain.Name)
		if who, remedy := owner(chain, chains, bridge, where, input); input {
			remarks = append(remarks, dropsNames(who, where, bridge, remedy))
		} else {
			remarks = append(remarks, dropsForward(who, where, bridge, remedy))
		}
	}
	return append(remarks, blockedByLegacy(bridge, internal)...)
}

func dropsForward(who, where, bridge, remedy string) string {
	return fmt.Sprintf("%s drops what this host forwards, in chain %s, so containers reach no other hosts: allow %s (%s)", who, where, bridge, remedy)
}

func dropsNames(who, where, bridge, remedy string) string {
	return fmt.Sprintf("%s drops what containers ask this host, in chain %s, so containers find no names: allow port 53 from %s (%s)", who, where, bridge, remedy)
}

// allowForward lets packets of a bridge, and the answers, pass a chain.
func allowForward(iptables, chain, bridge string) string {
	return fmt.Sprintf("%s -I %s -i %s -j ACCEPT; %[1]s -I %[2]s -o %[3]s -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT", iptables, chain, bridge)
}

// allowNames lets questions about names pass.
func allowNames(iptables, bridge string) string {
	ask := func(protocol string) string {
		return fmt.Sprintf("%s -I INPUT -i %s -p %s --dport 53 -j ACCEPT", iptables, bridge, protocol)
	}
	return ask("udp") + "; " + ask("tcp")
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

// mentions reports whether any rule of a table has an expression, as a rule does that allows a bridge or a port.
func mentions(c *nftables.Conn, table *nftables.Table, chains []*nftables.Chain, is func(*nftables.Conn, *nftables.Table, expr.Any) bool) bool {
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
			if slices.ContainsFunc(rule.Exprs, func(e expr.Any) bool { return is(c, table, e) }) {
				return true
			}
		}
	}
	return false
}

// comparesName matches the comparison with the name of a bridge.
func comparesName(bridge string) func(*nftables.Conn, *nftables.Table, expr.Any) bool {
	return func(_ *nftables.Conn, _ *nftables.Table, e expr.Any) bool {
		compared, ok := e.(*expr.Cmp)
		return ok && bytes.HasPrefix(compared.Data, []byte(bridge))
	}
}

// comparesDNS matches the comparison with port 53, alone or among others.
func comparesDNS(c *nftables.Conn, table *nftables.Table, e expr.Any) bool {
	port := []byte{0, 53}
	switch e := e.(type) {
	case *expr.Cmp:
		return bytes.Equal(e.Data, port)
	case *expr.Lookup:
		set, err := c.GetSetByName(table, e.SetName)
		if err != nil {
			return true
		}
		elements, err := c.GetSetElements(set)
		return err != nil || slices.ContainsFunc(elements, func(e nftables.SetElement) bool { return bytes.HasPrefix(e.Key, port) })
	case *expr.Match:
		// iptables has its own form for the port of UDP, and for lists of ports.
		udp, ok := e.Info.(*xt.Udp)
		return e.Name == "multiport" || ok && udp.DstPorts == [2]uint16{53, 53}
	}
	return false
}

// owner says whose chain it is, and how to let packets of a bridge pass: for the host itself (input) only questions about names.
func owner(chain *nftables.Chain, chains []*nftables.Chain, bridge, where string, input bool) (who, remedy string) {
	has := func(prefix string) bool {
		return slices.ContainsFunc(chains, func(c *nftables.Chain) bool {
			return c.Table.Name == chain.Table.Name && c.Table.Family == chain.Table.Family && strings.HasPrefix(c.Name, prefix)
		})
	}
	iptables := "iptables"
	if chain.Table.Family == nftables.TableFamilyIPv6 {
		iptables = "ip6tables"
	}
	switch {
	case chain.Table.Name == "firewalld":
		return "firewalld", "firewall-cmd --zone=trusted --add-interface=" + bridge
	case input && has("ufw"):
		return "ufw", fmt.Sprintf("ufw allow in on %s to any port 53", bridge)
	case input && chain.Name == "INPUT":
		return "iptables", allowNames(iptables, bridge)
	case input:
		return "nftables", fmt.Sprintf("nft insert rule %s iifname %s meta l4proto '{ tcp, udp }' th dport 53 accept", where, bridge)
	case has("ufw"):
		return "ufw", "ufw route allow in on " + bridge
	case has("DOCKER-USER"):
		return "Docker", allowForward(iptables, "DOCKER-USER", bridge)
	case chain.Name == "FORWARD":
		return "iptables", allowForward(iptables, "FORWARD", bridge)
	}
	return "nftables", fmt.Sprintf("nft insert rule %s iifname %s accept; nft insert rule %[1]s oifname %[2]s ct state established,related accept", where, bridge)
}
