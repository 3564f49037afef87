//go:build linux

package engine

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/engine/flags"
	"container-workshop/final/engine/network"
)

// files returns the files in /etc of a run with flags.
func files(t *testing.T, args ...string) map[string]string {
	t.Helper()
	options, _, err := flags.ParseRun(append(args, "true"))
	require.NoError(t, err)
	return etc(options, nil)
}

func TestHostsHasTheHostnameAndWhatTheCallerAdds(t *testing.T) {
	assert.Equal(t, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tbox\n192.0.2.7\tdb\n2001:db8::7\tdb\n",
		files(t, "--hostname", "box", "--add-host", "db:192.0.2.7", "--add-host", "db=[2001:db8::7]")["hosts"])
	assert.Equal(t, "box\n", files(t, "--hostname", "box")["hostname"])
}

func TestResolvConfHasWhatTheCallerSays(t *testing.T) {
	assert.Equal(t, "nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch a.example b.example\n",
		files(t, "--dns", "192.0.2.53", "--dns", "2001:db8::53", "--dns-search", "a.example", "--dns-search", "b.example")["resolv.conf"])
	// A host without a resolver has no such file.
	host, _ := os.ReadFile("/etc/resolv.conf")
	assert.Equal(t, string(host), files(t, "--network", "host")["resolv.conf"])
	assert.NotContains(t, files(t)["resolv.conf"], "nameserver")

	changed := files(t, "--network", "host", "--dns", "192.0.2.53", "--dns-search", ".")["resolv.conf"]
	assert.Contains(t, changed, "nameserver 192.0.2.53\n")
	assert.NotContains(t, changed, "search")
	assert.Equal(t, 1, strings.Count(changed, "nameserver"), changed)
}

func TestAContainerInANetworkAsksItsDNSServer(t *testing.T) {
	options, _, err := flags.ParseRun([]string{"--name", "web", "--hostname", "box", "--network", "bridge", "--dns", "192.0.2.53", "--dns-search", "example.org", "--add-host", "me:host-gateway", "true"})
	require.NoError(t, err)
	c := connect("/run/x", options, &specs.Spec{Linux: &specs.Linux{}}, nil)
	assert.Equal(t, []netip.Addr{netip.MustParseAddr("192.0.2.53")}, c.Resolvers, "the DNS server of the network asks there")
	c.joined = &network.Network{IPv4: netip.MustParsePrefix("10.1.2.0/24"), IPv6: netip.MustParsePrefix("fd00::/64")}
	c.IPv4, c.IPv6 = netip.MustParseAddr("10.1.2.7"), netip.MustParseAddr("fd00::7")
	got := etc(options, c)
	assert.Equal(t, "nameserver 10.1.2.1\nnameserver fd00::1\nsearch example.org\n", got["resolv.conf"])
	assert.Equal(t, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.1.2.7\tbox web\nfd00::7\tbox web\n10.1.2.1\tme\nfd00::1\tme\n", got["hosts"])
}
