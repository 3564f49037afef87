//go:build linux && engines

package engine

import (
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var small, whole struct {
	once sync.Once
	path string
}

// smallImage returns a tar file of a root file system with busybox. It is made once.
func smallImage(t testing.TB) string {
	t.Helper()
	small.once.Do(func() { small.path = makeSmallImage(t) })
	require.NotEmpty(t, small.path, "the image of busybox could not be made")
	return small.path
}

// wholeImage returns a tar file of the workshop's root file system, about 160 MB. It is made once.
func wholeImage(t testing.TB) string {
	t.Helper()
	rootfs := os.Getenv("ROOTFS")
	if rootfs == "" {
		rootfs = "/var/lib/container-workshop/rootfs"
	}
	if _, err := os.Stat(filepath.Join(rootfs, "bin/sh")); err != nil {
		t.Skipf("needs a root file system in %s: make rootfs", rootfs)
	}
	whole.once.Do(func() {
		path := filepath.Join(state, "whole.tar")
		ok(t, "tar", "--create", "--file", path, "--directory", rootfs, "--one-file-system", "--numeric-owner", ".")
		whole.path = path
	})
	require.NotEmpty(t, whole.path, "the image of %s could not be made", rootfs)
	return whole.path
}

// These are the users and groups of the small image.
const (
	users = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/:/bin/false
user:x:1000:1000:user:/home/user:/bin/sh
`
	groups = `root:x:0:
daemon:x:1:
user:x:1000:
more:x:2000:user
`
)

func makeSmallImage(t testing.TB) string {
	busybox := need(t, "busybox", "busybox-static")
	program, err := elf.Open(busybox)
	require.NoError(t, err)
	defer program.Close()
	for _, header := range program.Progs {
		if header.Type == elf.PT_INTERP {
			t.Skip("needs a static busybox: apt-get install busybox-static")
		}
	}
	dir := folder(t)
	for _, d := range []string{"bin", "dev", "etc", "home/user", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "var/lib"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	require.NoError(t, os.Chmod(filepath.Join(dir, "tmp"), 0o1777))
	require.NoError(t, os.Chown(filepath.Join(dir, "home/user"), 1000, 1000))
	content, err := os.ReadFile(busybox)
	require.NoError(t, err)
	file(t, filepath.Join(dir, "bin/busybox"), string(content))
	for _, name := range strings.Fields(ok(t, busybox, "--list")) {
		if name != "busybox" {
			require.NoError(t, os.Symlink("busybox", filepath.Join(dir, "bin", name)))
		}
	}
	for name, content := range map[string]string{
		"passwd": users, "group": groups, "hostname": "image\n", "not-executable": "text\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "etc", name), []byte(content), 0o644))
	}
	path := filepath.Join(state, "small.tar")
	ok(t, "tar", "--create", "--file", path, "--directory", dir, "--numeric-owner", ".")
	require.NoError(t, os.RemoveAll(dir))
	return path
}
