//go:build linux

package flags

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPortsAndNamesWantANetwork(t *testing.T) {
	for args, network := range map[string]string{
		"true":                          "none",
		"-p 8080:80 true":               "bridge",
		"--network-alias www true":      "bridge",
		"-p 80 --network shop true":     "shop",
		"--dns 127.0.0.1 true":          "none",
		"--dns 192.0.2.53 -p 80 true":   "bridge",
		"--network host --dns ::1 true": "host",
	} {
		o, _, err := ParseRun(strings.Fields(args))
		require.NoError(t, err, args)
		assert.Equal(t, network, o.Network, args)
	}
	o, _, err := ParseRun(strings.Fields("-p 8000-8001:80-81 -p 53/udp --network-alias a --network-alias b true"))
	require.NoError(t, err)
	assert.Len(t, o.Publish, 3)
	assert.Equal(t, []string{"a", "b"}, o.Aliases)

	for args, words := range map[string][]string{
		"-p 8080:80 -p 127.0.0.1:8080:81 true":                    {"--publish", "8080/tcp"},
		"-p 80 --network none true":                               {"--publish", "--network none"},
		"-p 80 --network host true":                               {"--publish", "--network host"},
		"--network-alias a --network host true":                   {"--network-alias", "--network host"},
		"--network bridge --dns 127.0.0.1 true":                   {"--dns 127.0.0.1", "loopback"},
		"--network container:web --add-host me:host-gateway true": {"--add-host me:host-gateway", "--network bridge"},
		"--add-host me:host-gateway true":                         {"--add-host me:host-gateway", "--network bridge"},
		"-p 80 --dns ::1 true":                                    {"--dns ::1", "loopback"},
		"-p 1-1000:1-1000 -p 2001-2999:1-999/udp true":            {"--publish", "at most 1024"},
	} {
		_, _, err := ParseRun(strings.Fields(args))
		require.Error(t, err, args)
		for _, word := range words {
			assert.ErrorContains(t, err, word, args)
		}
		assert.NotContains(t, err.Error(), "\n", args)
	}
}
