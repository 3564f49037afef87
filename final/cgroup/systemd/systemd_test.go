//go:build linux

package systemd

import (
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestParseScope(t *testing.T) {
	for given, want := range map[string]string{
		"":                             "system.slice/container-workshop-web1.scope",
		":docker:1":                    "system.slice/docker-1.scope",
		"machine.slice:libpod:abc":     "machine.slice/libpod-abc.scope",
		"a-b-c.slice:cri-containerd:x": "a.slice/a-b.slice/a-b-c.slice/cri-containerd-x.scope",
		"-.slice:p:n":                  "p-n.scope",
		"a.slice::n":                   "a.slice/n.scope",
		"a.slice:p:n+m":                `a.slice/p-n\x2bm.scope`,
	} {
		s, err := ParseScope(given, "web1")
		require.NoError(t, err, given)
		assert.Equal(t, want, s.Dir)
		assert.Equal(t, path.Base(want), s.Name)
	}
	for _, bad := range []string{
		"/a/b", "a", "a.slice:b", "a.slice:b:", "a:b:c", "a--b.slice:b:c", "-a.slice:b:c", "a/b.slice:b:c", ".slice:b:c", "a.slice:b:c:d",
		"a b.slice:c:d",
	} {
		_, err := ParseScope(bad, "web1")
		assert.ErrorContains(t, err, "linux.cgroupsPath: ", bad)
	}
	_, err := ParseScope("", strings.Repeat("x", 300))
	assert.ErrorContains(t, err, "must be at most 255")
}

func TestNoSystemd(t *testing.T) {
	if _, err := os.Stat(booted); err != nil {
		assert.EqualError(t, CheckRunning(), "systemd is not running, because /run/systemd/system is not a directory: leave out --systemd-cgroup")
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
	_, err := Root()
	assert.ErrorIs(t, err, unix.ENOENT)
	assert.ErrorContains(t, err, "connect to systemd by D-Bus: ")
	assert.ErrorContains(t, err, "install and start dbus, or leave out --systemd-cgroup")
}

func TestBits(t *testing.T) {
	for list, want := range map[string][]byte{
		"0": {1}, "0-3,7": {0x8f}, "8": {0, 1}, "7-8": {0x80, 1}, "3-1": nil, "x": nil, "": nil, "0-99999": nil,
	} {
		assert.Equal(t, want, bitsOf(list), list)
	}
}

func TestTheBusKnowsTheUserByTheIDOnTheHost(t *testing.T) {
	for maps, want := range map[string]string{
		"         0       5000          1\n         1     100000      65536\n": "5000",
		"         1     100000      65536\n         0       7          1\n":    "7",
		"         0          0 4294967295\n":                                   "0",
	} {
		assert.Equal(t, want, hostUser(maps))
	}
}
