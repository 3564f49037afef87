//go:build linux

package spec

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNetDevices(t *testing.T) {
	devices := func(text string) error {
		return validated(t, with(t, "linux", `{"namespaces": [{"type": "mount"}, {"type": "network"}], "netDevices": `+text+`}`))
	}
	for _, text := range []string{
		`{}`, `{"eth0": {}}`, `{"eth0": {"name": "eth1"}, "eth1": {"name": "eth0"}}`, `{"eth0": {"name": "eth%d"}, "eth1": {"name": "eth%d"}}`,
		`{"` + strings.Repeat("x", 15) + `": {"name": "%d"}}`, `{"wlan.1": {"name": "ä@1"}}`,
	} {
		assert.NoError(t, devices(text), text)
	}
	for text, words := range map[string]string{
		`{"": {}}`: `linux.netDevices[""]: must be the name of a network device: 1 to 15 bytes`,
		`{"` + strings.Repeat("x", 16) + `": {}}`: `linux.netDevices["xxxxxxxxxxxxxxxx"]: must be`,
		`{".": {}}`:              `linux.netDevices["."]: must be`,
		`{"..": {}}`:             `linux.netDevices[".."]: must be`,
		`{"a/b": {}}`:            `linux.netDevices["a/b"]: must be`,
		`{"a:1": {}}`:            `linux.netDevices["a:1"]: must be`,
		`{"a b": {}}`:            `linux.netDevices["a b"]: must be`,
		`{"a\nb": {}}`:           `linux.netDevices["a\nb"]: must be`,
		`{"a\u0000": {}}`:        `linux.netDevices["a\x00"]: must be`,
		`{"eth%d": {}}`:          `linux.netDevices["eth%d"]: must be`,
		`{"a": {"name": "b/c"}}`: `linux.netDevices["a"].name: "b/c": must be`,
		`{"a": {"name": "` + strings.Repeat("x", 16) + `"}}`: `linux.netDevices["a"].name: "xxxxxxxxxxxxxxxx": must be`,
		`{"a": {"name": ".."}}`:                              `linux.netDevices["a"].name: "..": must be`,
		`{"a": {"name": "x%d%d"}}`:                           `linux.netDevices["a"].name: "x%d%d": must be`,
		`{"a": {"name": "x%dy"}}`:                            `linux.netDevices["a"].name: "x%dy": must be`,
		`{"a": {"name": "x%s"}}`:                             `linux.netDevices["a"].name: "x%s": must be`,
		`{"a": {"name": "b"}, "b": {}}`:                      `linux.netDevices["b"].name: "b" is already the name of "a"`,
		`{"a": {"name": "x"}, "b": {"name": "x"}}`:           `linux.netDevices["b"].name: "x" is already the name of "a"`,
	} {
		err := devices(text)
		if assert.Error(t, err, text) {
			assert.True(t, strings.HasPrefix(err.Error(), words), "%s: %v", text, err)
			assert.NotContains(t, err.Error(), "\n")
		}
	}
	joined := `{"namespaces": [{"type": "mount"}, {"type": "network", "path": "/run/netns/x"}], "netDevices": {"eth0": {}}}`
	assert.NoError(t, validated(t, with(t, "linux", joined)))
}
