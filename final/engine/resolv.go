//go:build linux

package engine

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"container-workshop/final/engine/flags"
)

// resolv returns /etc/resolv.conf. A container in a network asks the DNS server of the network, which knows what --dns says. With the host's
// network, the container gets the lines of the host that no flag replaces. resolv.conf(5)
func resolv(options *flags.Options, c *connection) string {
	if id := options.Joins(); id != "" && len(options.DNS) == 0 {
		return readEtc(id, "resolv.conf")
	}
	content, _ := os.ReadFile("/etc/resolv.conf")
	var text strings.Builder
	search := options.Search
	for line := range strings.Lines(string(content)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		isSearch := word == "search" || word == "domain"
		switch {
		case isSearch && len(search) > 0, word == "nameserver" && len(options.DNS) > 0:
			// A flag replaces the line.
		case options.Network == "host", c != nil && isSearch:
			text.WriteString(strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	servers := options.DNS
	if c != nil {
		servers = nil
		for _, gateway := range c.joined.Gateways() {
			servers = append(servers, gateway.Addr())
		}
	}
	for _, server := range servers {
		fmt.Fprintf(&text, "nameserver %s\n", server)
	}
	if len(search) > 0 && !slices.Contains(search, ".") {
		text.WriteString("search " + strings.Join(search, " ") + "\n")
	}
	if text.Len() == 0 && options.Network == "none" {
		text.WriteString("# There is no network here but the loopback interface.\n")
	}
	return text.String()
}
