//go:build linux && engines

package engine

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestPodmanFiles(t *testing.T) {
	subtests(t, map[string]func(p *podman){
		"volume": func(p *podman) {
			dir := folder(p)
			file(p, dir+"/given", "from outside\n")
			assert.Equal(p, "from outside", p.sh("cat /v/given; echo from inside >/v/made", "--volume", dir+":/v"))
			assert.Equal(p, "from inside", read(p, dir+"/made"))
		},
		"volume at a place that the image does not have": func(p *podman) {
			dir := folder(p)
			file(p, dir+"/given", "there\n")
			assert.Equal(p, "there", p.sh("cat /new/deep/place/given", "--volume", dir+":/new/deep/place"))
		},
		"read-only volume": func(p *podman) {
			dir := folder(p)
			p.refused(p.try(shell("echo x >/v/made", "--volume", dir+":/v:ro")...), 1, "read-only file system")
			assert.NoFileExists(p, dir+"/made")
		},
		"a single file as a volume": func(p *podman) {
			path := file(p, filepath.Join(folder(p), "file"), "given\n")
			assert.Equal(p, "given", p.sh("cat /etc/passwd; echo changed >/etc/passwd", "--volume", path+":/etc/passwd"))
			assert.Equal(p, "changed", read(p, path))
			assert.Equal(p, "changed", p.sh("cat /new/place", "--volume", path+":/new/place:ro"))
		},
		"volume of podman's own, with what the image has there": func(p *podman) {
			p.Cleanup(func() { p.ok("volume", "rm", "--force", "own") })
			assert.Equal(p, "text", p.sh("cat /etc/not-executable; echo kept >/etc/kept", "--volume", "own:/etc"))
			assert.Equal(p, "kept\ntext", p.sh("cat /v/kept /v/not-executable", "--volume", "own:/v"))
		},
		"options of a volume": func(p *podman) {
			dir := folder(p)
			line := p.sh("grep ' /v ' /proc/self/mountinfo", "--volume", dir+":/v:ro,noexec,nosuid,nodev")
			for _, word := range []string{"ro", "noexec", "nosuid", "nodev"} {
				assert.Regexp(p, ` /v \S*\b`+word+`\b`, line)
			}
			file(p, dir+"/program", "#!/bin/sh\n")
			p.refused(p.try(shell("/v/program", "--volume", dir+":/v:noexec")...), 126, "permission denied")
		},
		"propagation": func(p *podman) {
			for option, words := range map[string][2]string{
				"":          {" - ", "shared:|master:"},
				":rprivate": {" - ", "shared:|master:"},
				":rshared":  {"shared:", "master:"},
				":rslave":   {"master:", "shared:"},
			} {
				line := p.sh("grep ' /v ' /proc/self/mountinfo", "--volume", folder(p)+":/v"+option)
				assert.Contains(p, line, words[0], option)
				assert.NotRegexp(p, words[1], line, option)
			}
		},
		"a mount that comes later":             podmanLateMounts,
		"a mount below the source of a volume": podmanMountsBelow,
		"read-only": func(p *podman) {
			for place, flags := range map[string][]string{"/": {}, "/etc/": {}, "/tmp/": {"--read-only-tmpfs=false"}} {
				p.refused(p.try(shell("echo x >"+place+"made", append(flags, "--read-only")...)...), 1, "read-only file system")
			}
			write := "for d in /tmp /run /var/tmp /dev/shm; do echo x >$d/made || exit; done; echo done"
			assert.Equal(p, "done", p.sh(write, "--read-only"))
		},
		"tmpfs": func(p *podman) {
			out := p.sh("stat -c '%a %u' /t; df -k /t | tail -1 | tr -s ' ' | cut -d ' ' -f 1,2; grep ' /t ' /proc/self/mountinfo",
				"--tmpfs", "/t:size=4m,mode=1750,noexec")
			assert.Regexp(p, `^1750 0\ntmpfs 4096\n.* /t \S*noexec`, out)
		},
		"tmpfs with what the image has there": func(p *podman) {
			out := p.sh("cat /etc/not-executable; touch /etc/made; stat -f -c %T /etc; stat -c %u /home/user",
				"--tmpfs", "/etc", "--tmpfs", "/home")
			assert.Equal(p, "text\ntmpfs\n1000", out)
			p.refused(p.try(shell("cat /etc/not-executable", "--tmpfs", "/etc:notmpcopyup")...), 1, "no such file")
		},
		"size of /dev/shm": func(p *podman) {
			assert.Equal(p, "8192", p.sh("df -k /dev/shm | tail -1 | tr -s ' ' | cut -d ' ' -f 2", "--shm-size", "8m"))
		},
		"device": podmanDevices,
		"the usual devices": func(p *podman) {
			out := p.sh("for d in null zero full random urandom tty; do test -c /dev/$d && echo $d; done; echo x >/dev/null; " +
				"readlink /dev/fd; readlink /dev/ptmx")
			assert.Equal(p, "null\nzero\nfull\nrandom\nurandom\ntty\n/proc/self/fd\npts/ptmx", out)
		},
	})
}

// podmanLateMounts mounts something on the host while the container runs.
func podmanLateMounts(p *podman) {
	for option, seen := range map[string]bool{"rslave": true, "rprivate": false} {
		dir := folder(p)
		require.NoError(p, os.Mkdir(dir+"/later", 0o755))
		id := p.detached(idle, "--volume", dir+":/v:"+option)
		require.NoError(p, unix.Mount("tmpfs", dir+"/later", "tmpfs", 0, ""))
		p.Cleanup(func() { assert.NoError(p, unix.Unmount(dir+"/later", 0)) })
		file(p, dir+"/later/file", "here\n")
		r := p.try("exec", id, "cat", "/v/later/file")
		assert.Equal(p, seen, r == result{"here\n", "", 0}, "%s: %s%s", option, r.stdout, r.stderr)
	}
}

// podmanMountsBelow binds a folder that has another mount below, which must come with it.
func podmanMountsBelow(p *podman) {
	dir := folder(p)
	require.NoError(p, os.Mkdir(dir+"/below", 0o755))
	require.NoError(p, unix.Mount("tmpfs", dir+"/below", "tmpfs", 0, ""))
	defer func() { assert.NoError(p, unix.Unmount(dir+"/below", unix.MNT_DETACH)) }()
	file(p, dir+"/below/file", "here\n")
	assert.Equal(p, "here", p.sh("cat /v/below/file", "--volume", dir+":/v"))
	p.refused(p.try(shell("cat /v/below/file", "--volume", dir+":/v:bind")...), 1, "no such file")
}

// podmanDevices uses a device that containers do not get by default: the first of a list that this host has.
func podmanDevices(p *podman) {
	device := ""
	for _, path := range []string{"/dev/fuse", "/dev/net/tun", "/dev/hwrng", "/dev/tty1"} {
		if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
			f.Close()
			device = path
			break
		}
	}
	if device == "" {
		p.Skip("needs a character device that root can open, as /dev/fuse")
	}
	open := "test -c /dev/thing && exec 3</dev/thing && echo read; exec 3>>/dev/thing && echo written"
	assert.Equal(p, "read\nwritten", p.sh(open, "--device", device+":/dev/thing"))
	r := p.try(shell(open, "--device", device+":/dev/thing:r")...)
	assert.Equal(p, "read\n", r.stdout)
	assert.Contains(p, r.stderr, "Operation not permitted")
	// The container may not use a device that it makes itself.
	numbers := ok(p, "stat", "-c", "0x%t 0x%T", device)
	r = p.try(shell("set -- "+numbers+"; mknod /dev/own c $(($1)) $(($2)) && : </dev/own", "--cap-add", "mknod")...)
	assert.NotEqual(p, 0, r.status)
	assert.Regexp(p, regexp.MustCompile("Operation not permitted"), r.stderr)
}
