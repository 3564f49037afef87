//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// CVE-2024-40635, CVE-2026-30892
func TestAUserIsWhoWasNamedOrNobody(t *testing.T) {
	passwd := strings.Join([]string{
		"root:x:0:0::/root:/bin/sh", "1:x:0:0::/:/bin/sh", "1000:x:0:0::/:/bin/sh", "4294967296:x:0:0::/:/bin/sh", "honest:x:1234:567::/:/bin/sh",
		"wraps:x:4294967296:0::/:/bin/sh", "all:x:4294967295:0::/:/bin/sh", "negative:x:-1:-1::/:/bin/sh", "empty:x:::::", "words:x:root:root::/:/bin/sh",
		"octal:x:00:00::/:/bin/sh", "hex:x:0x0:0x0::/:/bin/sh", "space:x: 0: 0::/:/bin/sh", "short:x:0", ":x:0:0::/:/bin/sh", "group:x:77:4294967296::/:/bin/sh",
	}, "\n") + "\n"
	group := "root:x:0:honest\n5:x:0:\nwraps:x:4294967296:\nnegative:x:-1:\nstaff:x:50:\n"
	dir := rootfsOf(t, map[string]string{"etc/passwd": passwd, "etc/group": group})
	id := detached(t, "exec sleep 1000", "--rootfs", dir)
	show := []string{"/bin/busybox", "sh", "-c", "grep -E '^(Uid|Gid):' /proc/self/status"}
	for user, want := range map[string]string{
		"1": "1 1", "1:2": "1 2", "1000": "1000 1000", "1:5": "1 5", "honest": "1234 567", "honest:staff": "1234 50", "1234": "1234 567", "4294967294": "4294967294 4294967294",
		// The control: root can be named.
		"0": "0 0", "root": "0 0", "0:0": "0 0", "0:1": "0 1",
	} {
		uid, gid, _ := strings.Cut(want, " ")
		expected := "Uid:" + strings.Repeat("\t"+uid, 4) + "\nGid:" + strings.Repeat("\t"+gid, 4) + "\n"
		assert.Equal(t, expected, final(t, append([]string{"run", "--rootfs", dir, "--user", user}, show...)...).stdout, user)
		assert.Equal(t, expected, final(t, append([]string{"exec", "--user", user, id}, show...)...).stdout, "%s, exec", user)
	}
	for _, user := range []string{
		"-1", "+0", "00", "0x0", "4294967295", "4294967296", "18446744073709551616", "99999999999999999999", "1:4294967295", "1:4294967296", "1:-1", "-1:-1",
		":", ":0", "0:", "1:", "1:2:3", "1,0", " 0", "0 ", "0\n", "1.0", "wraps", "all", "negative", "empty", "words", "octal", "hex", "space", "short", "group",
		"nobody-here", "1:nobody-here", "1:wraps", "1:negative", "honest:-0", "root:x", "/", "1e0",
	} {
		refused(t, final(t, "run", "--rootfs", dir, "--user", user, "/bin/id"), 125, "--user")
		refused(t, final(t, "exec", "--user", user, id, "/bin/id"), 255, "--user")
	}
}

// named lists all directories of cgroups, and of what containers write, that have a word in their names.
func named(t *testing.T, word string) (all []string) {
	t.Helper()
	for _, root := range []string{"/var/lib/container-workshop/containers", "/sys/fs/cgroup"} {
		_ = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && strings.Contains(name, word) {
				all = append(all, name)
			}
			return nil
		})
	}
	return all
}

// path_resolution(7)
func TestAnIDIsTheNameOfOneDirectory(t *testing.T) {
	needRootfs(t)
	root, outside := filepath.Join(t.TempDir(), "state"), t.TempDir()
	word := fmt.Sprintf("escaped%d", os.Getpid())
	for _, id := range []string{
		"../../" + word, "..", ".", "", "/", "a/" + word, "a/../" + word, outside, "../../../../../.." + outside, "." + word, "-" + word, "--force", "a " + word, "a\n" + word,
		word + "\x01", word + "é", word + "*", "$(" + word + ")", "%s", word + strings.Repeat("a", 256), word + strings.Repeat("a", 300), strings.Repeat("../", 80) + word,
	} {
		for _, flags := range [][]string{{"--name=" + id}, {"--detach", "--name=" + id}} {
			refused(t, final(t, append(append([]string{"--root", root, "run", "--rootfs", needRootfs(t)}, flags...), "/bin/true")...), 125, "--name")
		}
		for _, verb := range [][]string{{"state"}, {"kill"}, {"delete", "--force"}, {"ps"}, {"logs"}, {"exec"}} {
			args := append(append([]string{"--root", root}, verb...), "--", id)
			if verb[0] == "exec" {
				args = append(args, "/bin/true")
			}
			refused(t, final(t, args...), failure(verb[0]), "container ID")
		}
	}
	assert.NoDirExists(t, root)
	assert.Empty(t, named(t, word))
	empty(t, outside)
	// The control: these are names, and seen as long as they are in use.
	for _, id := range []string{"_" + word, "+", "0", "A.b-c_d+e.." + word, word + strings.Repeat("a", 200)} {
		args := []string{"--root", root, "run", "--detach", "--rm", "--rootfs", needRootfs(t), "--name", id, "/bin/sleep", "1000"}
		require.Equal(t, id, printed(t, command(t, args...)))
		assert.DirExists(t, filepath.Join(root, id))
		if strings.Contains(id, word) {
			assert.NotEmpty(t, named(t, id))
		}
		assert.Equal(t, 0, final(t, "--root", root, "delete", "--force", id).status)
	}
	empty(t, root)
	assert.Empty(t, named(t, word))
}

// A name that is a link leads nowhere, as one in /run that somebody else has made. path_resolution(7)
func TestTheStateOfAContainerIsNoLink(t *testing.T) {
	needRootfs(t)
	root, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "state.json"), []byte(`{"ociVersion":"1.0.0","id":"link","pid":1,"status":"running"}`), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "link")))
	for _, args := range [][]string{{"state", "link"}, {"delete", "--force", "link"}, {"kill", "link", "CONT"}, {"exec", "link", "true"}} {
		refused(t, final(t, append([]string{"--root", root}, args...)...), failure(args[0]), "link")
	}
	assert.FileExists(t, filepath.Join(outside, "state.json"))
}
