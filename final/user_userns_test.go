//go:build linux

package main

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestKeepIDShowsYourFilesAsYours(t *testing.T) {
	c := asPerson(t, ranges)
	dir := c.person.home
	script := "id -u; id -g; stat -c %u /data; touch /data/new; stat -c %u /; touch /no 2>/dev/null || echo refused"
	r := c.final(c.runArgs([]string{"--userns", "keep-id", "--volume", dir + ":/data"}, "/bin/sh", "-c", script)...)
	assert.Equal(t, "4321\n4321\n4321\n0\nrefused\n", r.stdout, r.stderr)
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(filepath.Join(dir, "new"), &stat))
	assert.Equal(t, uint32(4321), stat.Uid)
	r = c.final(c.runArgs([]string{"--userns", "keep-id", "--user", "root"}, "/bin/sh", "-c", "id -u; touch /etc/new && stat -c %u /etc/new")...)
	assert.Equal(t, "0\n0\n", r.stdout, r.stderr)
	c.detached(kept, "--userns", "keep-id")
	assert.Equal(t, result{"4321\n", "", 0}, c.final("exec", c.id, "id", "-u"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	refused(t, c.final(c.runArgs([]string{"--userns", "auto"}, "true")...), 125, "--userns auto", "root")
	c.nothingLeft()
	c.person = nil
	refused(t, c.final(c.runArgs([]string{"--userns", "keep-id"}, "true")...), 125, "--userns keep-id", "without root")
}

// The error of each value that makes no container, or else the map of its IDs.
func TestUsernsForAnOrdinaryUser(t *testing.T) {
	asPerson(t, ranges).hasUserns(map[string]string{
		"host": "0 4321 1 1 500000 65536", "keep-id": "0 1 4321 4321 0 1 4322 4322 61215", "auto": "without root, every container has a user namespace",
	})
}

func TestUsernsForRoot(t *testing.T) {
	ours, err := os.ReadFile("/proc/self/uid_map")
	require.NoError(t, err)
	want := map[string]string{"host": strings.Join(strings.Fields(string(ours)), " "), "keep-id": "root keeps its ID in every container"}
	if mapsLayers(t) {
		want["auto"] = " 65536"
	}
	newTrial(t).hasUserns(want)
}

// hasUserns makes a container for each value of --userns.
func (c *trial) hasUserns(want map[string]string) {
	c.Helper()
	for value, words := range want {
		r := c.final(c.runArgs([]string{"--userns", value}, "cat", "/proc/self/uid_map")...)
		if r.status != 0 {
			refused(c.T, r, 125, "--userns "+value, words)
		} else {
			assert.Contains(c, strings.Join(strings.Fields(r.stdout), " "), words, value)
		}
		c.nothingLeft()
	}
}

// bundled writes a bundle for an ordinary user, whose command is true, with a change.
func (c *trial) bundled(from, to string) {
	c.Helper()
	require.Equal(c, result{}, c.final("spec", "--rootless", "--bundle", c.person.home))
	file := filepath.Join(c.person.home, "config.json")
	content, err := os.ReadFile(file)
	require.NoError(c, err)
	config := strings.NewReplacer(`"path": "rootfs"`, `"path": "`+needRootfs(c.T)+`"`, `"terminal": true`, `"terminal": false`,
		`"sh"`, `"true"`, from, to).Replace(string(content))
	require.NoError(c, os.WriteFile(file, []byte(config), 0o600))
}

// Until newuidmap has written the maps, final has ambient capabilities, and a variable of its own. The programs that final executes later have
// neither. capabilities(7)
func TestHooksOfAnOrdinaryUserInheritNothingOfTheStart(t *testing.T) {
	c := asPerson(t, ranges)
	seen := filepath.Join(c.person.home, "seen")
	c.bundled(`"linux": {`, `"hooks": {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "grep Cap /proc/self/status >`+seen+`; echo $GOMAXPROCS >>`+seen+`"]}]}, "linux": {`)
	r := c.final("run", "--bundle", c.person.home, c.id)
	require.Equal(t, 0, r.status, r.stderr)
	content, err := os.ReadFile(seen)
	require.NoError(t, err)
	for _, set := range []string{"CapInh", "CapAmb"} {
		assert.Regexp(t, `(?m)^`+set+`:\t0+$`, string(content))
	}
	assert.Regexp(t, `(?m)^CapEff:\t0*[1-9a-f]`, string(content))
	assert.Regexp(t, `\n\n$`, string(content))
	c.person.env = append(c.person.env, "GOMAXPROCS=1")
	require.Equal(t, 0, c.final("run", "--bundle", c.person.home, c.id).status)
	content, err = os.ReadFile(seen)
	require.NoError(t, err)
	assert.Regexp(t, `\n1\n$`, string(content))
	c.nothingLeft()
}

// Only root can write the ID maps of a process whose program the user may not read. Where newuidmap has a capability instead of the setuid bit,
// as in Fedora, newuidmap is not root.
func TestAnOrdinaryUserMayNotReadFinal(t *testing.T) {
	c := asPerson(t, ranges)
	dir := filepath.Dir(c.person.home)
	c.withCapability("newuidmap", unix.CAP_SETUID)
	c.withCapability("newgidmap", unix.CAP_SETGID)
	c.mounts = c.mountTable()
	content, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unreadable"), content, 0o711))
	c.person.program.Close()
	c.person.program, err = os.Open(filepath.Join(dir, "unreadable"))
	require.NoError(t, err)
	r := c.final(c.runArgs(nil, "cat", "/proc/self/uid_map")...)
	assert.Equal(t, "0 4321 1 1 500000 65536", strings.Join(strings.Fields(r.stdout), " "), r.stderr)
	c.nothingLeft()
}

// withCapability gives a setuid program a capability in place of the setuid bit. capabilities(7), "File capabilities"
func (c *trial) withCapability(name string, capability int) {
	c.Helper()
	place, err := exec.LookPath(name)
	require.NoError(c, err)
	content, err := os.ReadFile(place)
	require.NoError(c, err)
	file := filepath.Join(filepath.Dir(c.person.home), name)
	require.NoError(c, os.WriteFile(file, content, 0o755))
	// struct vfs_cap_data of the kernel: version 2, and the effective bit.
	var data []byte
	for _, word := range []uint32{0x02000001, 1 << capability, 0, 0, 0} {
		data = binary.LittleEndian.AppendUint32(data, word)
	}
	require.NoError(c, unix.Setxattr(file, "security.capability", data, 0))
	require.NoError(c, unix.Mount(file, place, "", unix.MS_BIND, ""))
	c.Cleanup(func() { assert.NoError(c, unix.Unmount(place, unix.MNT_DETACH)) })
}
