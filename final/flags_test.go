//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A flagCase shows what flags do: a script prints something with them, and something else without them.
type flagCase struct {
	name    string
	flags   []string
	script  string
	with    string
	without string
}

// either reads a file of a controller on version 1 or on version 2.
func either(v1, v2 string) string {
	return fmt.Sprintf("{ cat /sys/fs/cgroup/%s || cat /sys/fs/cgroup/%s; } 2>/dev/null", v1, v2)
}

// answer prints yes if a command succeeds, or else no.
func answer(command string) string {
	return "if { " + command + "; } >/dev/null 2>&1; then echo yes; else echo no; fi"
}

// rights prints lines of /proc/self/status, which are of the shell itself.
func rights(names string) string {
	return `while read -r key value; do case $key in ` + names + `) echo $key $value;; esac; done </proc/self/status`
}

var flagCases = []flagCase{
	{"--env", []string{"-e", "A=1", "--env", "B=x y", "-e", "PATH=/bin"}, `echo "$A $B $PATH"`, "1 x y /bin\n", "  /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"},
	{"--workdir", []string{"-w", "/usr/bin"}, "pwd", "/usr/bin\n", "/\n"},
	{"--workdir that is missing is made", []string{"--workdir", "/new/a b"}, "pwd", "/new/a b\n", "/\n"},
	{"--user with a number", []string{"-u", "4321"}, "echo $(id -u) $(id -G) $HOME", "4321 4321 /\n", "0 0 /root\n"},
	{"--user with a number and a group", []string{"-u", "1:4321"}, "echo $(id -u) $(id -G) $HOME", "1 4321 /usr/sbin\n", "0 0 /root\n"},
	{"--user with a name", []string{"-u", "daemon"}, "echo $(id -un) $(id -gn) $HOME", "daemon daemon /usr/sbin\n", "root root /root\n"},
	{"--user with names", []string{"-u", "daemon:mail"}, "echo $(id -un) $(id -Gn)", "daemon mail\n", "root root\n"},
	{"--user takes the capabilities away", []string{"-u", "1"}, rights("CapEff:"), "CapEff: 0000000000000000\n", "CapEff: 00000000800405fb\n"},
	{"--read-only", []string{"--read-only"}, answer("touch /file") + "; " + answer("touch /mytemp/file"), "no\nyes\n", "yes\nyes\n"},
	{"--tmpfs", []string{"--tmpfs", "/one:size=1m,mode=750,uid=1,gid=2,noexec", "--tmpfs", "/mytemp/two:ro"}, "sed -nE 's/,inode64//; /^tmpfs .(one|mytemp.two) /p' /proc/mounts", "tmpfs /one tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k,mode=750,uid=1,gid=2 0 0\ntmpfs /mytemp/two tmpfs ro,nosuid,nodev,relatime,size=16384k 0 0\n", ""},
	{"--cap-drop", []string{"--cap-drop", "CHOWN", "--cap-drop", "cap_kill"}, rights("Cap*"), "CapInh: 0000000000000000\nCapPrm: 00000000800405da\nCapEff: 00000000800405da\nCapBnd: 00000000800405da\nCapAmb: 0000000000000000\n", "CapInh: 0000000000000000\nCapPrm: 00000000800405fb\nCapEff: 00000000800405fb\nCapBnd: 00000000800405fb\nCapAmb: 0000000000000000\n"},
	{"--cap-drop ALL", []string{"--cap-drop", "ALL"}, rights("Cap[EB]*"), "CapEff: 0000000000000000\nCapBnd: 0000000000000000\n", "CapEff: 00000000800405fb\nCapBnd: 00000000800405fb\n"},
	{"--cap-drop ALL with --cap-add", []string{"--cap-drop", "ALL", "--cap-add", "NET_ADMIN"}, rights("CapEff:") + ";" + answer("ip link set lo down"), "CapEff: 0000000000001000\nyes\n", "CapEff: 00000000800405fb\nno\n"},
	{"--cap-add", []string{"--cap-add", "sys_time"}, rights("CapEff:"), "CapEff: 00000000820405fb\n", "CapEff: 00000000800405fb\n"},
	{"--security-opt seccomp=unconfined", []string{"--security-opt", "seccomp=unconfined"}, rights("Seccomp:") + "; " + answer("unshare -r true"), "Seccomp: 0\nyes\n", "Seccomp: 2\nno\n"},
	{"--security-opt no-new-privileges=false", []string{"--security-opt", "no-new-privileges=false"}, rights("NoNewPrivs:|Seccomp:"), "NoNewPrivs: 0\nSeccomp: 2\n", "NoNewPrivs: 1\nSeccomp: 2\n"},
	{"--network none", []string{"--network", "none"}, "ls /sys/class/net; cat /sys/class/net/lo/flags", "lo\n0x9\n", "lo\n0x9\n"},
	{"--init", []string{"--init"}, answer("[ $$ = 1 ]"), "no\n", "yes\n"},
	{"--ulimit", []string{"--ulimit", "nofile=100:200", "--ulimit", "core=0"}, "echo $(ulimit -Sn) $(ulimit -Hn) $(ulimit -c)", "100 200 0\n", ""},
	{"--sysctl", []string{"--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.msgmax=1234"}, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax", "1\n1234\n", ""},
	{"--oom-score-adj", []string{"--oom-score-adj", "321"}, "cat /proc/self/oom_score_adj", "321\n", ""},
	{"--cpus", []string{"--cpus", "0.25"}, either("cpu/cpu.cfs_quota_us", "cpu.max"), "25000", "100000"},
	{"--cpu-shares", []string{"--cpu-shares", "2"}, either("cpu/cpu.shares", "cpu.weight"), "", ""},
	{"--cpuset-cpus and --cpuset-mems", []string{"--cpuset-cpus", "0", "--cpuset-mems", "0"}, "grep ^Cpus_allowed_list /proc/self/status", "Cpus_allowed_list:\t0\n", ""},
	{"--memory-reservation", []string{"--memory-reservation", "8m"}, either("memory/memory.soft_limit_in_bytes", "memory.low"), "8388608\n", ""},
	{"--pids-limit", []string{"--pids-limit", "7"}, either("pids/pids.max", "pids.max"), "7\n", "64\n"},
	{"--hostname", []string{"--hostname", "web"}, "hostname; cat /etc/hostname; grep web /etc/hosts; echo $HOSTNAME", "web\nweb\n127.0.1.1\tweb\nweb\n", "container\ncontainer\ncontainer\n"},
	{"--tty", []string{"--tty"}, "tty; ls /dev/console; echo $TERM", "/dev/pts/0\n/dev/console\nxterm\n", "not a tty\n\n"},
	{"--tty=false", []string{"--tty=false"}, "tty", "not a tty\n", "not a tty\n"},
	{"--rm", []string{"--rm"}, "echo here", "here\n", "here\n"},
}

func TestEveryFlagHasItsEffect(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for _, f := range flagCases {
		t.Run(f.name, func(t *testing.T) {
			if f.flags[0] == "--cpuset-cpus" && runtime.NumCPU() == 1 {
				t.Skip("needs two processors")
			}
			r := run(t, f.script, f.flags...)
			require.Empty(t, r.stderr)
			require.Contains(t, r.stdout, f.with)
			plain := run(t, f.script)
			require.Contains(t, plain.stdout, f.without)
			if f.with != f.without {
				require.NotEqual(t, r.stdout, plain.stdout)
			}
		})
	}
}

func TestEnvTakesVariablesFromTheCallerAndFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "variables")
	require.NoError(t, os.WriteFile(file, []byte("# a comment\nA=file\nB=with = and \"quotes\"\n\nCALLER\nNOWHERE\n"), 0o600))
	t.Setenv("CALLER", "called")
	t.Setenv("SECRET", "unseen")
	r := run(t, "env", "--env-file", file, "-e", "A=flag", "-e", "SECRET2")
	for _, line := range []string{"A=flag", `B=with = and "quotes"`, "CALLER=called"} {
		require.Contains(t, r.stdout, line+"\n")
	}
	require.NotContains(t, r.stdout, "unseen")
	require.NotContains(t, r.stdout, "NOWHERE")
	require.Equal(t, result{"called\n", "", 0}, run(t, "echo $CALLER", "-e", "CALLER"))
}

func TestVolumesShowFilesOfTheHost(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("of the host\n"), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "below"), 0o755))
	inner := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(inner, "deep"), []byte("nested\n"), 0o644))

	require.Equal(t, result{"of the host\n", "", 0}, run(t, "cat /data/file; echo new >/data/written", "-v", dir+":/data"))
	written, err := os.ReadFile(filepath.Join(dir, "written"))
	require.NoError(t, err)
	require.Equal(t, "new\n", string(written))

	r := run(t, answer("touch /data/no")+"; "+answer("echo no >/data/file")+"; cat /data/file", "--volume", dir+":/data:ro")
	require.Equal(t, result{"no\nno\nof the host\n", "", 0}, r)
	require.NoFileExists(t, filepath.Join(dir, "no"))

	// A file, at a place that is there and at one that is not.
	r = run(t, "cat /etc/issue /made/for/it; "+answer("echo x >/etc/issue"), "-v", dir+"/file:/etc/issue:ro", "-v", dir+"/file:/made/for/it")
	require.Equal(t, result{"of the host\nof the host\nno\n", "", 0}, r)

	// One in another, whatever their order.
	require.Equal(t, result{"nested\nof the host\n", "", 0}, run(t, "cat /data/below/deep /data/file", "-v", dir+":/data", "-v", inner+":/data/below"))
	require.Equal(t, result{"nested\nof the host\n", "", 0}, run(t, "cat /data/below/deep /data/file", "-v", inner+":/data/below", "-v", dir+":/data"))

	// A relative source is the caller's.
	cmd := command(t, "run", "--rootfs", needRootfs(t), "-v", "./file:/data", "cat", "/data")
	cmd.Dir = dir
	require.Equal(t, result{"of the host\n", "", 0}, outcome(t, cmd))
}

func TestSeccompProfileOfOnesOwn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "profile.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}`), 0o600))
	script := answer("mkdir /new") + "; " + answer("touch /file") + "; " + rights("Seccomp:")
	require.Equal(t, result{"no\nyes\nSeccomp: 2\n", "", 0}, run(t, script, "--security-opt", "seccomp="+file))
	require.Equal(t, result{"yes\nyes\nSeccomp: 2\n", "", 0}, run(t, script))
}

func TestPrivilegedHasAllRights(t *testing.T) {
	content, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, own, _ := strings.Cut(string(content), "CapPrm:\t")
	own, _, _ = strings.Cut(own, "\n")
	script := rights("CapEff:|Seccomp:|NoNewPrivs:") + "; mount -t tmpfs none /mnt && echo mounted; " + answer("[ -w /proc/sys/kernel/hostname ] && echo x >/proc/sys/kernel/hostname")
	r := run(t, script, "--privileged")
	require.Equal(t, result{"CapEff: " + own + "\nNoNewPrivs: 0\nSeccomp: 0\nmounted\nyes\n", "", 0}, r)
	if _, err := os.Stat("/dev/kmsg"); err == nil {
		require.Equal(t, "yes\n", run(t, answer("dd if=/dev/kmsg of=/dev/null bs=8k count=1 iflag=nonblock"), "--privileged").stdout)
	}
}

func TestNetworkHostIsTheHosts(t *testing.T) {
	host, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	resolv, _ := os.ReadFile("/etc/resolv.conf")
	require.Equal(t, result{host + "\n" + string(resolv), "", 0}, run(t, "readlink /proc/self/ns/net; cat /etc/resolv.conf", "--network", "host"))
	require.NotEqual(t, host+"\n", run(t, "readlink /proc/self/ns/net").stdout)
}

func TestDeviceOfTheHost(t *testing.T) {
	device := ""
	for _, name := range []string{"/dev/fuse", "/dev/net/tun"} {
		if fd, err := unix.Open(name, unix.O_RDWR, 0); err == nil {
			unix.Close(fd)
			device = name
		}
	}
	if device == "" {
		t.Skip("needs a device that can be opened: /dev/fuse or /dev/net/tun")
	}
	script := answer("(: </dev/mine)") + "; " + answer("(: >>/dev/mine)")
	require.Equal(t, "yes\nyes\n", run(t, script, "--device", device+":/dev/mine").stdout)
	require.Equal(t, "yes\nno\n", run(t, script, "--device", device+":/dev/mine:r").stdout)
	require.Equal(t, "yes\nno\n", run(t, script, "--device", device+":/dev/mine:mr").stdout)
	require.Equal(t, "yes\nyes\n", run(t, script, "--device", device+":/dev/mine:wmr").stdout)
	// Without the flag it can be made, and not be opened.
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(device, &stat))
	node := fmt.Sprintf("mknod /dev/mine c %d %d; ls /dev/mine; ", unix.Major(stat.Rdev), unix.Minor(stat.Rdev))
	require.Equal(t, "/dev/mine\nno\nno\n", run(t, node+script, "--cap-add", "MKNOD").stdout)
}
