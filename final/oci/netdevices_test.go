//go:build linux

package oci

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
		`{"": {}}`: `linux.netDevices[""]: want the name of a network device, of 1 to 15 bytes`,
		`{"` + strings.Repeat("x", 16) + `": {}}`: `linux.netDevices["xxxxxxxxxxxxxxxx"]: want`,
		`{".": {}}`:              `linux.netDevices["."]: want`,
		`{"..": {}}`:             `linux.netDevices[".."]: want`,
		`{"a/b": {}}`:            `linux.netDevices["a/b"]: want`,
		`{"a:1": {}}`:            `linux.netDevices["a:1"]: want`,
		`{"a b": {}}`:            `linux.netDevices["a b"]: want`,
		`{"a\nb": {}}`:           `linux.netDevices["a\nb"]: want`,
		`{"a\u0000": {}}`:        `linux.netDevices["a\x00"]: want`,
		`{"eth%d": {}}`:          `linux.netDevices["eth%d"]: want`,
		`{"a": {"name": "b/c"}}`: `linux.netDevices["a"].name: "b/c": want`,
		`{"a": {"name": "` + strings.Repeat("x", 16) + `"}}`: `linux.netDevices["a"].name: "xxxxxxxxxxxxxxxx": want`,
		`{"a": {"name": ".."}}`:                              `linux.netDevices["a"].name: "..": want`,
		`{"a": {"name": "x%d%d"}}`:                           `linux.netDevices["a"].name: "x%d%d": want`,
		`{"a": {"name": "x%dy"}}`:                            `linux.netDevices["a"].name: "x%dy": want`,
		`{"a": {"name": "x%s"}}`:                             `linux.netDevices["a"].name: "x%s": want`,
		`{"a": {"name": "b"}, "b": {}}`:                      `linux.netDevices["b"].name: "b" is the name of "a" already`,
		`{"a": {"name": "x"}, "b": {"name": "x"}}`:           `linux.netDevices["b"].name: "x" is the name of "a" already`,
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
