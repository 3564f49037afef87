//go:build linux && engines

package engine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestContainerdRun(t *testing.T) {
	c := newContainerd(t)
	require.Equal(t, result{"out\n", "err\n", 0}, c.run("echo out; echo err >&2"))
	require.Equal(t, 3, c.run("exit 3").status)
	require.Equal(t, 0, c.run("true", "--no-pivot").status)

	cmd := c.client(c.scriptArgs(c.newID(), []string{"--rm"}, "read line; echo got $line")...)
	cmd.Stdin = strings.NewReader("this\n")
	require.Equal(t, result{"got this\n", "", 0}, outcome(t, cmd))
}

func TestContainerdCommandThatCannotRun(t *testing.T) {
	c := newContainerd(t)
	for command, words := range map[string]string{
		"no-such-command":     `no-such-command.* not found in \$PATH`,
		"/no/such/command":    `(?i)no such file or directory`,
		"/etc/not-executable": `(?i)permission denied`,
	} {
		r := c.try(c.runArgs("same", []string{"--rm"}, command)...)
		require.Equal(t, 1, r.status)
		require.Contains(t, r.stderr, "OCI runtime create failed: ")
		require.NotContains(t, r.stderr, "unable to retrieve OCI runtime error")
		require.Regexp(t, words, r.stderr)
		require.Empty(t, r.stdout)
	}
	// The failed calls have left nothing that could be in the way.
	require.Equal(t, 4, c.try(c.scriptArgs("same", []string{"--rm"}, "exit 4")...).status)
}

func TestContainerdEnvironment(t *testing.T) {
	c := newContainerd(t)
	require.Equal(t, "/bin b /tmp", c.prints(`echo $PATH $A $PWD`, "--env", "A=b", "--cwd", "/tmp"))
	require.Equal(t, "/new/folder", c.prints("pwd", "--cwd", "/new/folder"))
}

func TestContainerdMounts(t *testing.T) {
	c := newContainerd(t)
	volume := folder(t)
	flags := []string{
		"--mount", "type=bind,src=" + volume + ",dst=/rw,options=rbind:rw",
		"--mount", "type=bind,src=" + volume + ",dst=/new/ro,options=rbind:ro",
		"--mount", "type=bind,src=" + file(t, c.path("one"), "of a file\n") + ",dst=/etc/one,options=bind:ro",
		"--mount", "type=tmpfs,src=tmpfs,dst=/scratch,options=size=64k:noexec",
	}
	r := c.run(`echo written >/rw/file; cat /new/ro/file /etc/one
grep -o ' /scratch tmpfs .*noexec.*size=64k' /proc/mounts; echo no >/new/ro/other`, flags...)
	require.Equal(t, 1, r.status, r.stderr)
	require.Contains(t, r.stdout, "written\nof a file\n /scratch tmpfs ")
	require.Contains(t, r.stderr, "Read-only file system")
	require.Equal(t, "written", read(t, volume+"/file"))
	require.NoFileExists(t, volume+"/other")
}

func TestContainerdMountsOfTheHostAppear(t *testing.T) {
	c := newContainerd(t)
	volume := folder(t)
	// containerd's plugin for Kubernetes asks for this.
	flags := []string{"--rootfs-propagation", "rslave", "--mount", "type=bind,src=" + volume + ",dst=/volume,options=rbind:rslave"}
	id := c.detached("sleep 1000", flags...)
	require.NoError(t, os.Mkdir(volume+"/later", 0o755))
	require.NoError(t, unix.Mount("tmpfs", volume+"/later", "tmpfs", 0, ""))
	defer func() { require.NoError(t, unix.Unmount(volume+"/later", 0)) }()
	file(t, volume+"/later/file", "seen\n")
	require.Equal(t, result{"seen\n", "", 0}, c.exec(id, "cat /volume/later/file"))
	// The host sees no mount that was made inside.
	c.prints("mount -t tmpfs none /volume", append(flags, "--privileged")...)
	require.FileExists(t, volume+"/later/file")
}

func TestContainerdReadOnly(t *testing.T) {
	c := newContainerd(t)
	r := c.run("echo yes >/dev/shm/file && cat /dev/shm/file; echo no >/file", "--read-only")
	require.Equal(t, 1, r.status)
	require.Equal(t, "yes\n", r.stdout)
	require.Contains(t, r.stderr, "Read-only file system")
}

func TestContainerdRootfs(t *testing.T) {
	c := newContainerd(t)
	r := c.try(c.scriptArgs("other", []string{"--rm", "--rootfs"}, "echo written >/file; cat /etc/hostname")...)
	require.Equal(t, result{"image\n", "", 0}, r)
	require.Equal(t, "written", read(t, c.path("rootfs/file")))
}

func TestContainerdCapabilities(t *testing.T) {
	c := newContainerd(t)
	effective := func(flags ...string) uint64 {
		t.Helper()
		lines := strings.Fields(c.prints("grep -e CapPrm -e CapEff -e CapBnd -e CapInh -e CapAmb /proc/self/status", flags...))
		none, all := strings.Repeat("0", 16), lines[3]
		require.Equal(t, []string{"CapInh:", none, "CapPrm:", all, "CapEff:", all, "CapBnd:", all, "CapAmb:", none}, lines)
		set, err := strconv.ParseUint(lines[3], 16, 64)
		require.NoError(t, err)
		return set
	}
	usual := effective()
	require.NotZero(t, usual&(1<<unix.CAP_CHOWN))
	require.Zero(t, usual&(1<<unix.CAP_NET_ADMIN))
	changed := effective("--cap-add", "CAP_NET_ADMIN", "--cap-drop", "CAP_CHOWN")
	require.Equal(t, usual&^(1<<unix.CAP_CHOWN)|1<<unix.CAP_NET_ADMIN, changed)

	r := c.run("chown 1 /tmp", "--cap-drop", "CAP_CHOWN")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.stderr, "Operation not permitted")
}

func TestContainerdPrivileged(t *testing.T) {
	c := newContainerd(t)
	ordinary := c.run("mount -t tmpfs none /tmp; echo 1 >/proc/sys/vm/swappiness; cat /proc/timer_list | wc -c")
	require.Equal(t, "0\n", ordinary.stdout)
	require.Equal(t, 2, strings.Count(ordinary.stderr, "\n"), ordinary.stderr)
	all := c.prints("cd /proc/sys/vm; mount -t tmpfs none /tmp && cat swappiness >swappiness && ls /dev | wc -l", "--privileged")
	require.Greater(t, number(t, all), number(t, c.prints("ls /dev | wc -l")))
}

func TestContainerdDevice(t *testing.T) {
	c := newContainerd(t)
	device := "/dev/loop-control"
	var status unix.Stat_t
	for _, path := range []string{"/dev/loop-control", "/dev/fuse", "/dev/tty1"} {
		if unix.Stat(path, &status) == nil {
			device = path
			break
		}
	}
	numbers := fmt.Sprintf("%x %x", unix.Major(uint64(status.Rdev)), unix.Minor(uint64(status.Rdev)))
	require.Equal(t, numbers, c.prints("stat -c '%t %T' "+device+" && : <"+device, "--device", device))
	r := c.run(fmt.Sprintf("mknod /file c %d %d && : </file", unix.Major(uint64(status.Rdev)), unix.Minor(uint64(status.Rdev))))
	require.NotEqual(t, 0, r.status)
	require.Contains(t, r.stderr, "can't open /file: Operation not permitted")
}

func TestContainerdNoNewPrivileges(t *testing.T) {
	c := newContainerd(t)
	script := "grep NoNewPrivs /proc/self/status"
	require.Equal(t, "NoNewPrivs:\t1", c.prints(script))
	require.Equal(t, "NoNewPrivs:\t0", c.prints(script, "--allow-new-privs"))
}

func TestContainerdSeccomp(t *testing.T) {
	c := newContainerd(t)
	require.Equal(t, "Seccomp:\t0", c.prints("grep Seccomp: /proc/self/status"))
	r := c.run("grep Seccomp: /proc/self/status; unshare --user true", "--seccomp")
	require.Equal(t, result{"Seccomp:\t2\n", "unshare: unshare(0x10000000): Operation not permitted\n", 1}, r)

	profile := file(t, c.path("profile.json"), `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["mkdir", "mkdirat", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99},
		{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]}]}`)
	r = c.run("kill -USR2 1; kill -USR1 1; mkdir /tmp/x", "--seccomp", "--seccomp-profile", profile)
	require.Equal(t, 1, r.status)
	require.Equal(t, "sh: can't kill pid 1: Operation not permitted\n"+
		"mkdir: can't create directory '/tmp/x': Cannot assign requested address\n", r.stderr)
	require.Equal(t, 2, c.exec(c.detached("sleep 1000", "--seccomp", "--seccomp-profile", profile), "mkdir /tmp/x || exit 2").status)
}
