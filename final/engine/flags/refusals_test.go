//go:build linux

package flags

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refused holds the values that a flag refuses, and words of the message.
var refused = []struct {
	flag   string
	words  string
	values []string
}{
	{"--name", "letters, digits", []string{"", ".x", "-x", "a/b", "../x", "a b", "ä", "a\n", strings.Repeat("x", 256)}},
	{"--hostname", "64 bytes", []string{"", strings.Repeat("x", 65), "a b", "a\tb"}},
	{"--hostname", "control", []string{"a\nb", "\x1b[m"}},
	{"--rootfs", "make rootfs", []string{""}},
	{"--detach", "true or false", []string{"x", ""}},
	{"--rm", "true or false", []string{"x"}},
	{"--init", "true or false", []string{"x"}},
	{"--interactive", "true or false", []string{"x"}},
	{"--tty", "true or false", []string{"auto"}},
	{"--read-only", "true or false", []string{"x"}},
	{"--privileged", "true or false", []string{"x"}},
	{"--explain", "true or false", []string{"x"}},

	{"--env", "KEY=VALUE", []string{"", "=", "=x", "A=\x00"}},
	{"--env-file", "name of a file", []string{""}},
	{"--env-file", "no such file", []string{"missing"}},
	{"--env-file", "line 2: must be KEY=VALUE", []string{"bad"}},
	{"--env-file", "line 1: must be KEY=VALUE", []string{"noname", "nul"}},
	{"--env-file", "UTF-8", []string{"binary"}},
	{"--env-file", "1 MiB", []string{"huge"}},
	{"--workdir", "absolute path", []string{"", "x", "./x"}},

	{"--user", "USER:GROUP", []string{"", ":", ":1", "1:", "app:", "1:2:3", "app:app:", "-1", "+1", "-1:5", "app:-1", "app:+0"}},
	{"--user", "number from 0", []string{"4294967295", "4294967296", "1:4294967295", "1:4294967296", "99999999999999999999", "00", "01", "1:01"}},
	{"--user", "no user", []string{"1.0", "0x0", " 0", "0 ", "nobody", "empty", "letters", "hex", "negative", "last", "large", "badgroup", "short", "app2:0"}},
	{"--user", "no group", []string{"1:brief", "app:nobody", "1:bad", "1: 0"}},

	{"--volume", "SRC:DST", []string{"", ":", "/srv/data", ":/d", "/srv/data:", "/srv/data:/d:ro:x"}},
	{"--volume", "named volumes", []string{"data:/d", "data/x:/d", ".x:/d"}},
	{"--volume", "absolute path", []string{"/srv/data:d", "/srv/data:./d"}},
	{"--volume", "/ in the container", []string{"/srv/data:/", "/srv/data:/..", "/srv/data://"}},
	{"--volume", "/proc", []string{"/srv/data:/proc", "/srv/data:/proc/", "/srv/data:/proc/self", "/srv/data:/x/../proc", "/srv/data://proc//x"}},
	{"--volume", "/sys", []string{"/srv/data:/sys", "/srv/data:/sys/fs/cgroup"}},
	{"--volume", "--device", []string{"/srv/data:/dev", "/srv/data:/dev/"}},
	{"--volume", "/dev/pts", []string{"/srv/data:/dev/pts", "/srv/data:/dev/pts/0"}},
	{"--volume", `option "z"`, []string{"/srv/data:/d:z", "/srv/data:/d:ro,z"}},
	{"--volume", `option ""`, []string{"/srv/data:/d:", "/srv/data:/d:ro,"}},
	{"--volume", "mkdir -p /no", []string{"/no:/d", "/no:/d:ro"}},
	{"--volume", "mkdir -p /home/me/no", []string{"./no:/d"}},
	{"--volume", "control", []string{"/srv/data:/d\nx", "/srv\n/data:/d"}},

	{"--tmpfs", "absolute path", []string{"", "mytemp", "./mytemp", ":size=1m"}},
	{"--tmpfs", "below /", []string{"/", "/..", "//"}},
	{"--tmpfs", "/proc", []string{"/proc", "/proc/x", "/proc:ro"}},
	{"--tmpfs", "option size=", []string{"/t:size=", "/t:size=0", "/t:size=x", "/t:size=50%", "/t:size", "/t:size=-1", "/t:size=1m:ro"}},
	{"--tmpfs", "option mode=", []string{"/t:mode=", "/t:mode=9", "/t:mode=10000", "/t:mode=-1", "/t:mode=rwx"}},
	{"--tmpfs", "option uid=", []string{"/t:uid=", "/t:uid=-1", "/t:uid=4294967295", "/t:uid=root"}},
	{"--tmpfs", "option gid=", []string{"/t:gid=", "/t:gid=-1"}},
	{"--tmpfs", "option nr_inodes=", []string{"/t:nr_inodes=0", "/t:nr_inodes=-1", "/t:nr_inodes=1k"}},
	{"--tmpfs", "size=, mode=", []string{"/t:", "/t:x", "/t:ro,", "/t:RO", "/t:mpol=default"}},

	{"--device", "SRC:DST:rwm", []string{"", "fuse", "./fuse:/dev/x", "/dev/fuse:/a:r:w"}},
	{"--device", "access", []string{"/dev/fuse:/dev/x:", "/dev/fuse:/dev/x:rr", "/dev/fuse:/dev/x:wrw", "/dev/fuse:/dev/x:mm", "/dev/fuse:/dev/x:x", "/dev/fuse:", "/dev/fuse:dev"}},
	{"--device", "no such device", []string{"/dev/no", "/dev/no:/dev/fuse"}},
	{"--device", "--volume", []string{"/srv/data:/dev/x", "/srv/file:/dev/x"}},
	{"--device", "/proc", []string{"/dev/fuse:/proc/x", "/proc/kcore"}},

	{"--memory", "size above 0", []string{"", "x", "64x", "-1", "0", "0m", "max", "k", "64mm", "64 m", "+64m", "0x10", "1e3", "1.5", "1.", ".5m", "1.x", "64mi", "64kbb", "1..5m", "1.5.5m", "inf", "nan"}},
	{"--memory", "too large", []string{"99999999999999999999g", "8388608t", "9223372036854775807", "9999999999999999999"}},
	{"--memory", "one page", []string{"1", "4095", "3k", "0.001k"}},
	{"--memory-swap", "size above 0", []string{"", "0", "-2", "x", "--1"}},
	{"--memory-swap", "must be at least --memory", []string{"1", "63m"}},
	{"--memory-reservation", "size above 0", []string{"", "0", "-1"}},
	{"--memory-reservation", "must be at most --memory", []string{"65m"}},
	{"--pids", "1 to 4194304", []string{"", "x", "-1", "0", "max", "1.5", "99999999", "4194305", "0x1", "1_0"}},
	{"--pids-limit", "1 to 4194304", []string{"-1", "0"}},
	{"--cpus", "number of processors", []string{"", "x", "-1", "0", "nan", "inf", "max", "0.001", "1e2", "0x1", "1_0", "1000001", ".", "1.2.3", "+1"}},
	{"--cpu-shares", "2 to 262144", []string{"", "0", "1", "262145", "-2", "x"}},
	{"--cpuset-cpus", "ranges", []string{"", ",", "1,", "x", "-1", "1-", "3-1", "1-2-3", "0 1", "1\n", "0-70000"}},
	{"--cpuset-mems", "ranges", []string{"", "x"}},
	{"--ulimit", "NAME=SOFT", []string{"", "nofile", "nofile:5"}},
	{"--ulimit", "must be one of as core", []string{"x=1", "=1", "NOFILE=1", "RLIMIT_NOFILE=1"}},
	{"--ulimit", "numbers from 0", []string{"nofile=", "nofile=x", "nofile=-2", "nofile=1:", "nofile=1:2:3", "nofile=:1"}},
	{"--ulimit", "not be above the hard", []string{"nofile=2:1", "nofile=-1:1", "nofile=unlimited:1"}},
	{"--oom-score-adj", "-1000 to 1000", []string{"", "x", "-1001", "1001"}},

	{"--userns", "host, auto or keep-id", []string{"", "AUTO", "none", "auto:size=1"}},
	{"--dns", "IP address of a DNS server", []string{"", "x", "example.org", "0.0.0.0", "::", "224.0.0.1", "192.0.2.1:53", "192.0.2.1 "}},
	{"--dns-search", "must be a domain", []string{"", "..", "a..b", ".a", "a b", "a\nnameserver 192.0.2.1", "ä", "-a", strings.Repeat("x", 64), strings.Repeat("x.", 127)}},
	{"--add-host", "NAME:IP", []string{"", "db", "192.0.2.7"}},
	{"--add-host", "must be a name", []string{":192.0.2.7", "a b:192.0.2.7", "a\n:192.0.2.7"}},
	{"--add-host", "must be an IP address", []string{"db:", "db:x", "db:1.2.3", "db:[::1", "db:fe80::1%eth0", "db:192.0.2.7\n127.0.0.1 x"}},
	{"--publish", "port", []string{"", "x", "8080:", "8080:0", "70000:80", "8000-8001:80"}},
	{"--publish", "must be", []string{"1.2.3:8080:80", "8080:80/sctp", "x:8080:80", "::1:8080:80", "[::1:8080:80"}},
	{"--network-alias", "must be a name", []string{"", ".", "a b", "a..b", "a\n"}},
	{"--network", "must be none, bridge, host", []string{"", "NONE", "a.b"}},
	{"--network", "container ID", []string{"container:", "container:a/b"}},
	{"--cap-add", `unknown capability "NET_RAWW"`, []string{"NET_RAWW"}},
	{"--cap-add", "unknown capability", []string{"", "xyzzy"}},
	{"--cap-drop", "unknown capability", []string{"", "ALLL"}},
	{"--security-opt", "seccomp=FILE", []string{"", "seccomp", "seccomp=", "seccomp:", "x", "x=y", "apparmor=unconfined", "label=disable", "=x"}},
	{"--security-opt", "true or false", []string{"no-new-privileges=x", "no-new-privileges="}},
	{"--security-opt", "control", []string{"seccomp=a\nb"}},

	{"--sysctl", "KEY=VALUE", []string{"", "x", "=1", "net.ipv4.ip_forward"}},
	{"--sysctl", "all containers", []string{"kernel.core_pattern=x", "vm.swappiness=1", "kernel.msgmaxx=1", "net=1", "fs.mqueue=1", "network.x=1", "kernel/core_pattern=x", "user.max_user_namespaces=1"}},
	{"--sysctl", "--hostname", []string{"kernel.hostname=x", "kernel/hostname=x"}},
	{"--sysctl", "separated by dots", []string{"net..x=1", "net/../kernel/core_pattern=x", "net.ipv4.=1", ".net=1", "net./kernel=1", "net.x y=1"}},
	{"--sysctl", "control", []string{"net.x=a\nb", "net.\nx=a"}},
}

// Each is refused with one line, which names the flag and has the words.
func TestRefusals(t *testing.T) {
	for _, group := range refused {
		for _, value := range group.values {
			flag := group.flag + "=" + value
			t.Run(flag, func(t *testing.T) {
				_, err := configure(testHost(), flag)
				require.Error(t, err)
				assert.Contains(t, err.Error(), group.words)
				assert.Contains(t, err.Error(), group.flag)
				assert.NotContains(t, err.Error(), "\n")
			})
		}
	}
}

// These are refused for what other flags say.
func TestRefusalsOfCombinations(t *testing.T) {
	for flags, words := range map[string][]string{
		"--sysctl net.x=1 --network host":         {"--sysctl net.x", "network namespace"},
		"--tmpfs /a --tmpfs /a":                   {"--tmpfs", "/a"},
		"--tmpfs /a --tmpfs /a/../a/":             {"--tmpfs", "/a"},
		"-v /srv/data:/a -v /srv/file:/a":         {"--volume", "/a"},
		"-v /srv/data:/a --tmpfs /a":              {"--volume", "--tmpfs", "/a"},
		"-v /srv/data:/mytemp --tmpfs /mytemp":    {"--volume", "--tmpfs", "/mytemp"},
		"-m 1g --memory-swap 64m":                 {"--memory-swap", "1073741824"},
		"--user app:nogroup":                      {"--user", `"nogroup"`, "/etc/group"},
		"--user nobody":                           {"--user", `"nobody"`, "/etc/passwd"},
		"--no-such-flag":                          {"unknown flag", "--no-such-flag"},
		"--memory 1m --memory-reservation 1025k":  {"--memory-reservation", "1048576"},
		"--privileged --device /dev/no":           {"--device /dev/no", "no such device"},
		"--privileged --volume /srv/data:/proc/x": {"volume", "/proc"},
	} {
		_, err := configure(testHost(), strings.Fields(flags)...)
		require.Error(t, err, flags)
		for _, word := range words {
			assert.Contains(t, err.Error(), word, flags)
		}
		assert.NotContains(t, err.Error(), "\n", flags)
	}
}

func TestNewWithoutCommandOrID(t *testing.T) {
	_, err := MakeSpec(Defaults(), nil, testHost())
	assert.ErrorContains(t, err, "run [flags] COMMAND")
	_, err = MakeSpec(Defaults(), []string{"true"}, testHost())
	assert.ErrorContains(t, err, "--name")
}
