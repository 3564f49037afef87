//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// account is a line of /etc/passwd, for a user that no other file has.
const account = "intruder:x:4321:4321::/:/bin/sh\n"

// A trap is something that a file of an image can be instead of a file.
type trap struct {
	name string
	// set makes one at a place. Host is a file of the host.
	set func(place, host string) error
}

var traps = []trap{
	{"link", func(place, host string) error { return os.Symlink(host, place) }},
	{"link up", func(place, host string) error { return os.Symlink("../../../../../../../.."+host, place) }},
	{"link to a process", func(place, host string) error { return os.Symlink("/proc/1/root"+host, place) }},
	{"loop", func(place, _ string) error { return os.Symlink(filepath.Base(place), place) }},
	{"FIFO", func(place, _ string) error { return unix.Mkfifo(place, 0o777) }},
	{"directory", func(place, _ string) error { return os.Mkdir(place, 0o755) }},
	{"socket", func(place, _ string) error { return unix.Mknod(place, unix.S_IFSOCK|0o777, 0) }},
	// There is no such device: to open it would be ENXIO.
	{"device", func(place, _ string) error { return unix.Mknod(place, unix.S_IFCHR|0o777, int(unix.Mkdev(4000, 1))) }},
	{"zero", func(place, _ string) error { return unix.Mknod(place, unix.S_IFCHR|0o777, int(unix.Mkdev(1, 5))) }},
	{"huge", func(place, _ string) error {
		if err := os.WriteFile(place, []byte(account), 0o644); err != nil {
			return err
		}
		return os.Truncate(place, 1<<40)
	}},
}

// trapped makes a root file system with a trap in it.
func trapped(t *testing.T, trap trap, name, host string) string {
	t.Helper()
	dir := rootfsOf(t, nil)
	require.NoError(t, trap.set(filepath.Join(dir, name), host))
	return dir
}

// CVE-2019-14271
func TestTheUsersOfAnImageAreAFileOfTheImage(t *testing.T) {
	for _, name := range []string{"passwd", "group"} {
		line, user := account, "intruder"
		if name == "group" {
			line, user = "intruder:x:4321:\n", "1:intruder"
		}
		host := file(t, name, line)
		for _, trap := range traps {
			dir := trapped(t, trap, "etc/"+name, host)
			refused(t, inTime(t, command(t, "run", "--rootfs", dir, "--user", user, "/bin/id")), 125, "/etc/"+name)
			if trap.name == "device" {
				// It is refused without being opened, which can do something already: a watchdog restarts the host.
				refused(t, final(t, "run", "--rootfs", dir, "--user", user, "/bin/id"), 125, "must be a regular file")
			}
		}
		unchanged(t, host, line)
		// The control: a file, and a link that stays in the image.
		for _, files := range []map[string]string{{"etc/" + name: line}, {"etc/" + name: "-> ../users", "users": line}, {"etc/" + name: "-> /users", "users": line}} {
			r := final(t, "run", "--rootfs", rootfsOf(t, files), "--user", user, "/bin/id")
			assert.Contains(t, r.stdout, "gid=4321", r.stderr)
		}
	}
}

// CVE-2019-14271
func TestTheUsersOfAHostileContainerAreAFileOfTheContainer(t *testing.T) {
	host := file(t, "passwd", account)
	id := detached(t, "exec sleep 1000", "--rootfs", rootfsOf(t, map[string]string{"etc/passwd": account, "inside": "the container"}))
	assert.Contains(t, final(t, "exec", "--user", "intruder", id, "/bin/id").stdout, "uid=4321")
	for _, change := range []string{
		"ln -s " + host, "ln -s /proc/1/root" + host, "ln -s /proc/self/fd/0", "mkfifo", "mkdir", "truncate -s 100000000000", "ln -s /dev/zero", "ln -s /dev/tty",
	} {
		// Should exec ever miss its container, this is not to happen to the host.
		script := "[ -e /inside ] && rm -r /etc/passwd && busybox " + change + " /etc/passwd"
		r := final(t, "exec", id, "/bin/sh", "-c", script)
		require.Equal(t, 0, r.status, "%s: %s", change, r.stderr)
		refused(t, inTime(t, command(t, "exec", "--user", "intruder", id, "/bin/id")), 255, "intruder", "/etc/passwd")
	}
	unchanged(t, host, account)
}

// runc issue 2128
func TestTheFilesOfTheContainerAreNotWrittenThroughLinks(t *testing.T) {
	const content = "as it was\n"
	for _, name := range []string{"resolv.conf", "hosts", "hostname"} {
		host := file(t, name, content)
		for _, trap := range traps {
			dir := trapped(t, trap, "etc/"+name, host)
			r := inTime(t, command(t, "run", "--rootfs", dir, "/bin/cat", "/etc/"+name))
			if assert.Contains(t, []int{0, 125}, r.status, "%s %s: %s", name, trap.name, r.stderr) && r.status == 0 {
				assert.NotEmpty(t, r.stdout, "%s %s", name, trap.name)
				assert.NotContains(t, r.stdout, content, "%s %s", name, trap.name)
			}
			// What the container writes stays in it, too.
			inTime(t, command(t, "run", "--rootfs", dir, "/bin/sh", "-c", "echo written >/etc/"+name+"; echo written >"+host))
			unchanged(t, host, content)
		}
		// A directory on the way can be a link as well.
		dir := rootfsOf(t, map[string]string{"etc": "-> " + filepath.Dir(host)})
		r := inTime(t, command(t, "run", "--rootfs", dir, "/bin/cat", "/etc/"+name))
		assert.Equal(t, 0, r.status, r.stderr)
		assert.NotContains(t, r.stdout, content)
		unchanged(t, host, content)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "etc", name), []byte("a path without a root"), 0o644))
		unchanged(t, host, "a path without a root")
	}
}

// A command is looked at before it is executed, with the rights of the host. To open a device or a terminal would be enough
// to do something with it.
func TestACommandOfAnImageIsAFile(t *testing.T) {
	host := file(t, "script", "#!/bin/sh\necho of the host\n")
	require.NoError(t, os.Chmod(host, 0o755))
	for _, trap := range traps {
		dir := trapped(t, trap, "bin/trap", host)
		if trap.name == "huge" {
			require.NoError(t, os.Chmod(filepath.Join(dir, "bin/trap"), 0o755))
		}
		for _, name := range []string{"trap", "/bin/trap"} {
			r := inTime(t, command(t, "run", "--rootfs", dir, name))
			assert.Contains(t, []int{126, 127}, r.status, "%s: %s", trap.name, r.stderr)
			assert.Empty(t, r.stdout, trap.name)
			if trap.name == "device" && name == "/bin/trap" {
				assert.Contains(t, r.stderr, "permission denied", "it was opened")
			}
		}
	}
	assert.Equal(t, "of the image\n", final(t, "run", "--rootfs", rootfsOf(t, map[string]string{"bin/trap": "#!/bin/sh\necho of the image"}), "trap").stdout)
}
