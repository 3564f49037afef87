//go:build linux && engines

package engine

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// capSets prints the five sets of capabilities, without leading zeros. capabilities(7)
const capSets = "sed -n 's/^Cap...:\\t0*//p' /proc/self/status | tr '\\n' ' '"

func TestPodmanSecurity(t *testing.T) {
	subtests(t, map[string]func(p *podman){
		"capabilities": func(p *podman) {
			// The sets are inheritable, permitted, effective, bounding, ambient. 13 is CAP_NET_RAW, 21 is CAP_SYS_ADMIN.
			assert.Equal(p, " 2000 2000 2000  ", p.sh(capSets, "--cap-drop", "all", "--cap-add", "net_raw"))
			assert.Equal(p, "    ", p.sh(capSets, "--cap-drop", "all")[1:])
			normal := p.effective()
			assert.Equal(p, normal|1<<unix.CAP_SYS_ADMIN, p.effective("--cap-add", "sys_admin"))
			assert.Equal(p, normal&^(1<<unix.CAP_CHOWN), p.effective("--cap-drop", "chown"))
			assert.Equal(p, uint64(0), p.effective("--user", "1000"))
			p.refused(p.try(shell("chown 1:1 /etc/passwd", "--cap-drop", "chown")...), 1, "operation not permitted")
		},
		"seccomp": func(p *podman) {
			dir := folder(p)
			profile := func(errno int) string {
				rule := map[string]any{"names": []string{"mkdir", "mkdirat", "no_such_call"}, "action": "SCMP_ACT_ERRNO"}
				if errno != 0 {
					rule["errnoRet"] = errno
				}
				all := map[string]any{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []any{rule}}
				return asJSON(p, fmt.Sprintf("%s/%d.json", dir, errno), all)
			}
			p.refused(p.try(shell("mkdir /made", "--security-opt", "seccomp="+profile(0))...), 1, "operation not permitted")
			p.refused(p.try(shell("mkdir /made", "--security-opt", "seccomp="+profile(38))...), 1, "function not implemented")
			assert.Equal(p, "2", p.sh("sed -n 's/^Seccomp:.//p' /proc/self/status", "--security-opt", "seccomp="+profile(0)))
			// First podman's own profile, then no profile.
			assert.Equal(p, "2", p.sh("sed -n 's/^Seccomp:.//p' /proc/self/status"))
			assert.Equal(p, "0", p.sh("sed -n 's/^Seccomp:.//p' /proc/self/status", "--security-opt", "seccomp=unconfined"))
		},
		"no new privileges": func(p *podman) {
			flag := "sed -n 's/^NoNewPrivs:.//p' /proc/self/status"
			assert.Equal(p, "0", p.sh(flag))
			assert.Equal(p, "1", p.sh(flag, "--security-opt", "no-new-privileges"))
		},
		"masked and read-only paths": func(p *podman) {
			size := "cat /proc/timer_list | wc -c; cd /proc/sys/net/ipv4; (echo 33 >ip_default_ttl) 2>/dev/null; cat ip_default_ttl; " +
				"wc -c </proc/version"
			assert.Regexp(p, "^0\n64\n[1-9]", p.sh(size))
			assert.Regexp(p, "^[1-9][0-9]*\n33\n[1-9]", p.sh(size, "--security-opt", "unmask=ALL"))
			assert.Regexp(p, "^0\n33\n[1-9]", p.sh(size, "--security-opt", "unmask=/proc/sys"))
			assert.Regexp(p, "^0\n64\n0", p.sh(size, "--security-opt", "mask=/proc/version:/etc"))
			assert.Empty(p, p.sh("ls /etc", "--security-opt", "mask=/proc/version:/etc"))
		},
		"privileged": func(p *podman) {
			bounding, err := strconv.ParseUint(statusField(p, os.Getpid(), "CapBnd"), 16, 64)
			require.NoError(p, err)
			assert.Equal(p, bounding, p.effective("--privileged"))
			assert.Equal(p, "0", p.sh("sed -n 's/^Seccomp:.//p' /proc/self/status", "--privileged"))
			out := p.sh("mkdir /m; mount -t tmpfs tmpfs /m && touch /m/made && ls /m; cat /proc/timer_list | wc -l; "+
				"grep -c ' /sys rw' /proc/self/mountinfo", "--privileged")
			assert.Regexp(p, "^made\n[1-9][0-9]*\n1$", out)
			// A privileged container has all devices of the host, and may use them.
			count := "find /dev -maxdepth 1 -type c -name 'tty?' | wc -l"
			assert.Equal(p, ok(p, "sh", "-c", count), p.sh(count, "--privileged"))
			p.refused(p.try(shell("mkdir /m; mount -t tmpfs tmpfs /m")...), 1, "permission denied")
		},
		"user namespace":                podmanUsers,
		"user namespace, in other ways": podmanUsersMore,
		"namespaces of the host":        podmanHostNamespaces,
	})
}

// effective returns the effective capabilities of a process in a container with flags.
func (p *podman) effective(flags ...string) uint64 {
	p.Helper()
	set, err := strconv.ParseUint(p.sh("sed -n 's/^CapEff:.//p' /proc/self/status", flags...), 16, 64)
	require.NoError(p, err)
	return set
}

// podmanUsers uses user namespaces, where the container's IDs are other IDs on the host.
func podmanUsers(p *podman) {
	dir := folder(p)
	require.NoError(p, os.Chmod(dir, 0o777))
	maps := []string{"--uidmap", "0:100000:65536", "--gidmap", "0:200000:65536"}
	id := p.detached("id -u; touch /v/made; "+idle, append(maps, "--volume", dir+":/v")...)
	for name, first := range map[string]string{"Uid": "100000", "Gid": "200000"} {
		assert.Equal(p, fmt.Sprintf("%[1]s\t%[1]s\t%[1]s\t%[1]s", first), statusField(p, p.pid(id), name))
	}
	assert.Equal(p, "0\nready", p.ok("logs", id))
	assert.Equal(p, "100000 200000", ok(p, "stat", "-c", "%u %g", dir+"/made"))
	assert.Equal(p, "0 100000 65536", p.ok("exec", id, "sh", "-c", "echo $(cat /proc/self/uid_map)"))
	assert.Equal(p, "0 200000 65536", p.ok("exec", id, "sh", "-c", "echo $(cat /proc/self/gid_map)"))
	// Try a user of the container, with run and with exec, and files of the image.
	assert.Equal(p, "1000", p.ok("exec", "--user", "user", id, "id", "-u"))
	out := p.sh("id -u; stat -c %u /etc/passwd /home/user; cat /proc/self/setgroups", append(maps, "--user", "user")...)
	assert.Equal(p, "1000\n0\n1000\nallow", out)
	// The container's root has rights over its own namespaces, and over nothing of the host.
	assert.Equal(p, "own", p.sh("hostname own && hostname", append(maps, "--cap-add", "sys_admin")...))
	secret := file(p, folder(p)+"/secret", "x")
	require.NoError(p, os.Chmod(secret, 0o600))
	p.refused(p.try(shell("cat /secret", append(maps, "--volume", secret+":/secret")...)...), 1, "permission denied")
}

func podmanUsersMore(p *podman) {
	x := p.terminal("tty; stat -c %u $(tty); exit 6", "--uidmap", "0:100000:65536")
	x.shows("/dev/pts/0\r\n0\r\n")
	assert.Equal(p, 6, x.status())
	out := p.sh("cat /proc/sys/net/ipv4/ip_default_ttl; echo x >/dev/null; stat -c %u /t; mount | grep -c ' /sys '",
		"--uidmap", "0:100000:65536", "--sysctl", "net.ipv4.ip_default_ttl=33", "--tmpfs", "/t",
		"--read-only", "--init", "--memory", "64m")
	assert.Equal(p, "33\n0\n1", out)
	assert.NotEqual(p, p.sh("readlink /proc/self/ns/user", "--uidmap", "0:100000:65536"), ok(p, "readlink", "/proc/self/ns/user"))
	assert.Equal(p, ok(p, "readlink", "/proc/self/ns/user"), p.sh("readlink /proc/self/ns/user"))
}

// podmanHostNamespaces has containers that share namespaces with the host. Here the host is the session.
func podmanHostNamespaces(p *podman) {
	for name, flag := range map[string]string{"net": "network", "pid": "pid", "ipc": "ipc", "uts": "uts", "cgroup": "cgroupns"} {
		link := "/proc/self/ns/" + name
		assert.Equal(p, ok(p, "readlink", link), p.sh("readlink "+link, "--"+flag, "host"), name)
		private := "private"
		if name == "net" {
			private = "none"
		}
		assert.NotEqual(p, ok(p, "readlink", link), p.sh("readlink "+link, "--"+flag, private), name)
	}
}
