//go:build linux && engines

package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestDockerFiles(t *testing.T) {
	withDocker(t, []dockerTest{
		{"volumes", dockerVolumes},
		{"volumes that are read-only", dockerReadOnlyVolumes},
		{"a named volume", dockerNamedVolume},
		{"a volume below another", dockerNestedVolumes},
		{"propagation", dockerPropagation},
		{"read-only root", dockerReadOnly},
		{"tmpfs", dockerTmpfs},
		{"shared memory", dockerSharedMemory},
		{"copies", dockerCopy},
		{"names of hosts", dockerHosts},
	})
}

func dockerVolumes(t *testing.T, d *docker) {
	dir := folder(t)
	one := file(t, filepath.Join(folder(t), "one"), "of the host\n")
	file(t, filepath.Join(dir, "seen"), "seen\n")
	script := "cat /v/seen; cat /etc/one; echo changed >/etc/one; echo made >/v/made; exit 0"
	printed := d.prints(t, "--volume", dir+":/v", "--volume", one+":/etc/one", "small", "sh", "-c", script)
	assert.Equal(t, "seen\nof the host", printed)
	assert.Equal(t, "made", read(t, filepath.Join(dir, "made")))
	assert.Equal(t, "changed", read(t, one))
	d.fails(t, "Are you trying to mount a directory onto a file", "--volume", one+":/etc", "small", "true")
	d.fails(t, "Are you trying to mount a directory onto a file", "--volume", dir+":/etc/passwd", "small", "true")
}

func dockerReadOnlyVolumes(t *testing.T, d *docker) {
	dir := folder(t)
	one := file(t, filepath.Join(dir, "one"), "of the host\n")
	flags := []string{"--volume", dir + ":/v:ro", "--volume", one + ":/etc/one:ro"}
	r := d.run(t, append(flags, "small", "sh", "-c", "touch /v/made; echo >/v/one; echo >/etc/one; mount -o remount,rw /v")...)
	assert.Equal(t, 3, strings.Count(r.stderr, "Read-only file system"), r.stderr)
	assert.Equal(t, "of the host", read(t, one))
	assert.NoFileExists(t, filepath.Join(dir, "made"))
}

func dockerNamedVolume(t *testing.T, d *docker) {
	t.Cleanup(func() { d.ok(t, "volume", "rm", "--force", "named") })
	// A new volume gets a copy of the image's files in that place.
	first, second := "cd /etc && echo kept >kept && ls passwd", "cd /other && cat kept && ls passwd"
	assert.Equal(t, "passwd", d.prints(t, "--volume", "named:/etc", "small", "sh", "-c", first))
	assert.Equal(t, "kept\npasswd", d.prints(t, "--volume", "named:/other:ro", "small", "sh", "-c", second))
}

func dockerNestedVolumes(t *testing.T, d *docker) {
	outer, inner := folder(t), folder(t)
	require.NoError(t, os.Mkdir(filepath.Join(outer, "sub"), 0o755))
	script := "echo inner >/v/sub/made; touch /v/made || echo refused"
	printed := d.prints(t, "--volume", inner+":/v/sub", "--volume", outer+":/v:ro", "small", "sh", "-c", script)
	assert.Equal(t, "refused", printed)
	assert.Equal(t, "inner", read(t, filepath.Join(inner, "made")))
	assert.NoFileExists(t, filepath.Join(outer, "made"))
}

// dockerPropagation mounts something on the host while containers run. Mounts made inside never come out.
func dockerPropagation(t *testing.T, d *docker) {
	dir := folder(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	private := d.detached(t, "--volume", dir+":/v", "small", "sleep", "1000")
	slave := d.detached(t, "--volume", dir+":/v:rslave", "small", "sleep", "1000")
	sub := filepath.Join(dir, "sub")
	require.NoError(t, unix.Mount("tmpfs", sub, "tmpfs", 0, ""))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(sub, unix.MNT_DETACH)) })
	file(t, filepath.Join(sub, "later"), "")
	assert.Empty(t, d.exec(t, private, "ls", "/v/sub"))
	assert.Equal(t, "later", d.exec(t, slave, "ls", "/v/sub"))
}

func dockerReadOnly(t *testing.T, d *docker) {
	dir := folder(t)
	flags := []string{"--read-only", "--tmpfs", "/tmp", "--volume", dir + ":/v", "small"}
	script := "touch /made; touch /etc/made; touch /tmp/made /v/made /dev/shm/made && echo elsewhere"
	r := d.run(t, append(flags, "sh", "-c", script)...)
	assert.Equal(t, "elsewhere\n", r.stdout)
	assert.Equal(t, 2, strings.Count(r.stderr, "Read-only file system"), r.stderr)
	assert.FileExists(t, filepath.Join(dir, "made"))
}

func dockerTmpfs(t *testing.T, d *docker) {
	found := d.prints(t, "--tmpfs", "/one", "--tmpfs", "/new/two:size=1m,mode=1750,uid=5,exec,ro", "small",
		"grep", "^tmpfs /[on]", "/proc/mounts")
	lines := strings.Split(found, "\n")
	require.Len(t, lines, 2, found)
	for _, option := range []string{"rw", "nosuid", "nodev", "noexec"} {
		assert.Contains(t, strings.FieldsFunc(lines[0], isSeparator), option, found)
	}
	for _, option := range []string{"/new/two", "ro", "nosuid", "nodev", "size=1024k", "mode=1750", "uid=5"} {
		assert.Contains(t, strings.FieldsFunc(lines[1], isSeparator), option, found)
	}
	assert.NotContains(t, lines[1], "noexec", found)
	r := d.run(t, "--tmpfs", "/one:size=64k", "small", "dd", "if=/dev/zero", "of=/one/file", "bs=64k", "count=2")
	assert.Contains(t, r.stderr, "No space left on device")
}

func isSeparator(r rune) bool { return r == ' ' || r == ',' }

func dockerSharedMemory(t *testing.T, d *docker) {
	assert.Equal(t, "1777 16384", d.prints(t, "--shm-size", "16m", "small", "sh", "-c",
		"echo $(stat -c %a /dev/shm) $(df -k /dev/shm | awk 'END { print $2 }')"))
}

func dockerCopy(t *testing.T, d *docker) {
	dir := folder(t)
	file(t, filepath.Join(dir, "in"), "into it\n")
	id := d.detached(t, "--volume", dir+":/v:ro", "small", "sleep", "1000")
	d.ok(t, "cp", filepath.Join(dir, "in"), id+":/tmp/there")
	assert.Equal(t, "into it", d.exec(t, id, "cat", "/tmp/there"))
	d.exec(t, id, "sh", "-c", "mkdir /made && echo out of it >/made/file")
	d.ok(t, "cp", id+":/made", filepath.Join(dir, "out"))
	assert.Equal(t, "out of it", read(t, filepath.Join(dir, "out/file")))
	assert.Contains(t, d.try(t, "cp", filepath.Join(dir, "in"), id+":/v/there").stderr, "read-only")
	assert.Contains(t, d.ok(t, "diff", id), "A /made/file")
}

func dockerHosts(t *testing.T, d *docker) {
	id := d.detached(t, "--add-host", "elsewhere:192.0.2.1", "--dns", "192.0.2.2", "small", "sleep", "1000")
	assert.Contains(t, d.exec(t, id, "cat", "/etc/hosts"), "192.0.2.1\telsewhere")
	assert.Contains(t, d.exec(t, id, "cat", "/etc/resolv.conf"), "nameserver 192.0.2.2")
	// Each of these is a file of the daemon, mounted over the image's file.
	assert.Equal(t, "3", d.exec(t, id, "grep", "-c", "-E", " /etc/(hosts|hostname|resolv.conf) ", "/proc/mounts"))
}
