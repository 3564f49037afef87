//go:build linux

package network

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPublishIsRead(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	for text, want := range map[string][]Port{
		"8080:80":              {{Host: 8080, Container: 80, Protocol: "tcp"}},
		"8080:80/tcp":          {{Host: 8080, Container: 80, Protocol: "tcp"}},
		"53:53/udp":            {{Host: 53, Container: 53, Protocol: "udp"}},
		"80":                   {{Container: 80, Protocol: "tcp"}},
		"0:80":                 {{Container: 80, Protocol: "tcp"}},
		"127.0.0.1::80":        {{IP: loopback, Container: 80, Protocol: "tcp"}},
		"127.0.0.1:8080:80":    {{IP: loopback, Host: 8080, Container: 80, Protocol: "tcp"}},
		"0.0.0.0:1:65535":      {{IP: netip.IPv4Unspecified(), Host: 1, Container: 65535, Protocol: "tcp"}},
		"[::1]:8080:80":        {{IP: netip.IPv6Loopback(), Host: 8080, Container: 80, Protocol: "tcp"}},
		"[::]:0:80/udp":        {{IP: netip.IPv6Unspecified(), Container: 80, Protocol: "udp"}},
		"8000-8001:80-81":      {{Host: 8000, Container: 80, Protocol: "tcp"}, {Host: 8001, Container: 81, Protocol: "tcp"}},
		"0:80-81":              {{Container: 80, Protocol: "tcp"}, {Container: 81, Protocol: "tcp"}},
		"127.0.0.1:7-7:9-9":    {{IP: loopback, Host: 7, Container: 9, Protocol: "tcp"}},
		"65535-65535:1-1/udp":  {{Host: 65535, Container: 1, Protocol: "udp"}},
		"127.0.0.1:0:80-80":    {{IP: loopback, Container: 80, Protocol: "tcp"}},
		"192.0.2.7:8080:8080":  {{IP: netip.MustParseAddr("192.0.2.7"), Host: 8080, Container: 8080, Protocol: "tcp"}},
		"[2001:db8::7]:80:080": {{IP: netip.MustParseAddr("2001:db8::7"), Host: 80, Container: 80, Protocol: "tcp"}},
	} {
		ports, err := ParsePublish(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, ports, text)
		for _, p := range ports {
			again, err := ParsePublish(p.String())
			require.NoError(t, err)
			assert.Equal(t, []Port{p}, again, text)
		}
	}
}

func TestPublishIsRefused(t *testing.T) {
	for words, texts := range map[string][]string{
		`of the container: must be a number from 1 to 65535`: {"", ":", "8080:", "8080:0", "8080:65536", "8080:x", "x", "8080:-1", "8080:80-", "8080:+1", "8080: 1"},
		`of the host: must be a number from 0 to 65535`:      {"x:80", "65536:80", "-1:80", "0-1:80-81", "8000-:80"},
		"must be tcp or udp":                                 {"8080:80/", "8080:80/sctp", "8080:80/TCP", "80/tcp/udp"},
		"must be an IP address of this host":                 {"localhost:8080:80", ":8080:80", "[]:8080:80", "[fe80::1%eth0]:8080:80", "1.2.3:1:1", "[::ffff:127.0.0.1]:1:1"},
		"in brackets":                                        {"::1:8080:80", "1:2:3:4"},
		"[::1]:8080:80":                                      {"[::1:8080:80", "[::1]"},
		"not of many":                                        {"224.0.0.1:1:1", "[ff02::1]:1:1", "255.255.255.255:1:1"},
		"same length":                                        {"8000-8001:80", "8000:80-81", "8000-8002:80-81"},
		"must not be above the last":                         {"8001-8000:80-81", "8000-8001:81-80"},
		"at most 1024":                                       {"0:1-1025", "1-65535:1-65535"},
	} {
		for _, text := range texts {
			_, err := ParsePublish(text)
			require.Error(t, err, text)
			assert.ErrorContains(t, err, words, text)
			assert.NotContains(t, err.Error(), "\n")
		}
	}
}

func FuzzPublish(f *testing.F) {
	for _, text := range []string{"8080:80", "127.0.0.1::80/udp", "[::1]:1-2:3-4", "0:80", "1-65535:1-65535/tcp", "[::]:", "/"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ports, err := ParsePublish(text)
		if err != nil {
			assert.Empty(t, ports)
			return
		}
		require.NotEmpty(t, ports)
		require.LessOrEqual(t, len(ports), MaxPorts)
		for _, p := range ports {
			require.NotZero(t, p.Container)
			again, err := ParsePublish(p.String())
			require.NoError(t, err)
			require.Equal(t, []Port{p}, again)
		}
	})
}

func port(t *testing.T, text string) Port {
	t.Helper()
	ports, err := ParsePublish(text)
	require.NoError(t, err)
	require.Len(t, ports, 1)
	return ports[0]
}

func TestPortsThatOverlap(t *testing.T) {
	for _, pair := range []struct {
		one, other string
		overlap    bool
	}{
		{"8080:80", "8080:81", true},
		{"8080:80", "8081:80", false},
		{"8080:80", "8080:80/udp", false},
		{"80", "80", false},
		{"8080:80", "127.0.0.1:8080:80", true},
		{"8080:80", "[::1]:8080:80", true},
		{"0.0.0.0:8080:80", "127.0.0.1:8080:80", true},
		{"0.0.0.0:8080:80", "[::1]:8080:80", false},
		{"0.0.0.0:8080:80", "[::]:8080:80", false},
		{"[::]:8080:80", "[::1]:8080:80", true},
		{"127.0.0.1:8080:80", "127.0.0.2:8080:80", false},
	} {
		one, other := port(t, pair.one), port(t, pair.other)
		assert.Equal(t, pair.overlap, one.Overlaps(other), "%s, %s", one, other)
		assert.Equal(t, pair.overlap, other.Overlaps(one), "%s, %s", other, one)
		err := CheckPorts([]Port{one, other})
		if !pair.overlap {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, one.String())
		assert.ErrorContains(t, err, other.String())
	}
	many := make([]Port, MaxPorts+1)
	assert.ErrorContains(t, CheckPorts(many), "at most 1024")
	assert.Equal(t, "*:8080", port(t, "8080:80").Outside())
	assert.Equal(t, "[::1]:8080", port(t, "[::1]:8080:80").Outside())
	assert.True(t, strings.HasPrefix(port(t, "127.0.0.1:8080:80").Outside(), "127.0.0.1:"))
}
