//go:build linux && engines

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// rootless runs tests of an ordinary user that are independent of each other.
func rootless(t *testing.T, tests map[string]func(p *podman)) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(newRootless(t)) })
	}
}

func TestRootlessRun(t *testing.T) {
	rootless(t, map[string]func(p *podman){
		"run": func(p *podman) {
			assert.Equal(p, result{"out\n", "err\n", 0}, p.try(shell("echo out; echo err >&2")...))
			cmd := p.command("run", "--rm", "-i", "small", "cat")
			cmd.Stdin = strings.NewReader("what is piped\n")
			assert.Equal(p, result{"what is piped\n", "", 0}, outcome(p, cmd))
			assert.Equal(p, "named 1", p.sh("echo $(hostname) $$", "--hostname", "named"))
		},
		"status": func(p *podman) {
			p.refused(p.try(shell("exit 3")...), 3)
			p.refused(p.try(shell("kill -KILL $$; sleep 1000 & kill -KILL $!; wait $!")...), 137)
			p.refused(p.try("run", "--rm", "small", "/etc/not-executable"), 126, "permission denied")
			p.refused(p.try("run", "--rm", "small", "/no/such/command"), 127, "no such file or directory")
			p.refused(p.try("run", "--rm", "small", "no-such-command"), 127, "no-such-command", "not found in $path")
		},
		"IDs": func(p *podman) {
			want := fmt.Sprintf("0 %d 1 1 %d %d", userID, firstSubID, subIDs)
			assert.Equal(p, want+"\n"+want, p.sh("echo $(cat /proc/self/uid_map); echo $(cat /proc/self/gid_map)"))
			assert.Equal(p, "0 0 0", p.sh("echo $(id -u) $(id -g) $(id -G)"))
		},
		"IDs of the caller": func(p *podman) {
			assert.Equal(p, fmt.Sprintf("%[1]d %[1]d", userID), p.sh("echo $(id -u) $(id -g)", "--userns", "keep-id"))
			id := p.detached(idle, "--userns", "keep-id")
			assert.Equal(p, fmt.Sprintf("%[1]d\t%[1]d\t%[1]d\t%[1]d", userID), statusField(p, p.pid(id), "Uid"))
			assert.Equal(p, fmt.Sprint(userID), p.ok("exec", id, "id", "-u"))
			assert.Equal(p, "1000", p.ok("exec", "--user", "1000", id, "id", "-u"))
		},
		"user": func(p *podman) {
			ids := "echo $(id -u) $(id -g) $(id -G | tr ' ' '\\n' | sort)"
			assert.Equal(p, "1000 1000 1000 2000", p.sh(ids, "--user", "user"))
			assert.Equal(p, "1234 5678 5678", p.sh(ids, "--user", "1234:5678"))
			id := p.detached(idle, "--user", "user")
			assert.Equal(p, fmt.Sprintf("%[1]d\t%[1]d\t%[1]d\t%[1]d", firstSubID+999), statusField(p, p.pid(id), "Uid"))
		},
		"limits": func(p *podman) {
			assert.Equal(p, "512 1024", p.sh("echo $(ulimit -Sn) $(ulimit -Hn)", "--ulimit", "nofile=512:1024"))
			// Podman gives the caller's score, as nobody may lower the score in a user namespace.
			assert.Equal(p, "123", p.sh("cat /proc/self/oom_score_adj", "--oom-score-adj", "123"))
		},
		"init": func(p *podman) { assert.Equal(p, "podman-init", p.sh("cat /proc/1/comm", "--init")) },
	})
}

func TestRootlessTerminal(t *testing.T) {
	rootless(t, map[string]func(p *podman){
		"run": func(p *podman) {
			x := atTerminal(p, p.command("run", "--rm", "-it", "small", "sh"))
			x.shows("/ # ")
			x.types("tty; stty size; stat -c 'owner %u' $(tty); ls -l /dev/console\n")
			x.shows("/dev/pts/0\r\n31 87\r\nowner 0\r\n")
			x.shows("136, ")
			x.types("exit 5\n")
			assert.Equal(p, 5, x.status())
		},
		"of a user": func(p *podman) {
			x := p.terminal("echo x >$(tty) && stat -c '%U' $(tty)", "--user", "user")
			x.shows("x\r\n")
			assert.Equal(p, 0, x.status())
			assert.Contains(p, x.screen(), "user\r\n")
		},
		"exec": func(p *podman) {
			id := p.detached(idle)
			x := atTerminal(p, p.command("exec", "-it", id, "sh"))
			x.shows("/ # ")
			x.types("tty; echo pid-$$; exit 6\n")
			x.shows("/dev/pts/0\r\npid-")
			assert.Equal(p, 6, x.status())
		},
	})
}

func TestRootlessLife(t *testing.T) {
	rootless(t, map[string]func(p *podman){
		"exec": func(p *podman) {
			id := p.detached(idle, "--env", "A=of the container")
			assert.Equal(p, result{"of the container\n", "e\n", 3}, p.try("exec", id, "sh", "-c", "echo $A; echo e >&2; exit 3"))
			assert.Equal(p, "1000 1000 1000 2000", p.ok("exec", "--user", "user", id, "sh", "-c", "echo $(id -u) $(id -g) $(id -G)"))
			p.refused(p.try("exec", id, "no-such-command"), 127, "no-such-command", "not found in $path")
			for _, name := range []string{"ipc", "mnt", "net", "pid", "user", "uts"} {
				link := "/proc/self/ns/" + name
				assert.Equal(p, ok(p, "readlink", "/proc/"+number10(p.pid(id))+"/ns/"+name), p.ok("exec", id, "readlink", link), name)
			}
		},
		"stop": func(p *podman) {
			id := p.detached(idle)
			p.ok("stop", id)
			assert.Equal(p, "exited 143", p.inspect(id, "{{.State.Status}} {{.State.ExitCode}}"))
			p.ok("start", id)
			p.becomes("ready\nready", "logs", id)
			p.ok("kill", id)
			assert.Equal(p, 137, p.ends(id))
		},
		"detach": func(p *podman) {
			id := p.detached("sleep 1000 & echo ready; wait")
			assert.Contains(p, p.ok("top", id, "args"), "sleep 1000")
			pid := p.pid(id)
			p.ok("rm", "--force", "--time", "0", id)
			assert.NoDirExists(p, "/proc/"+number10(pid))
		},
		"pod": func(p *podman) {
			p.ok("pod", "create", "--infra=false", "--name", "two")
			p.ok("run", "--detach", "--pod", "two", "small", "sleep", "1000")
			assert.Contains(p, p.ok("pod", "ps", "--format", "{{.Name}} {{.Status}}"), "two Running")
		},
	})
}

func TestRootlessFiles(t *testing.T) {
	rootless(t, map[string]func(p *podman){
		"volume": func(p *podman) {
			dir := p.owned()
			require.NoError(p, os.Chmod(dir, 0o777))
			script := "touch /v/root; chown 1:1 /v/root; id -u; touch /v/kept"
			assert.Equal(p, "0", p.sh(script, "--volume", dir+":/v"))
			p.sh("touch /v/user", "--volume", dir+":/v", "--user", "user")
			for name, owner := range map[string]int{"kept": userID, "root": firstSubID, "user": firstSubID + 999} {
				assert.Equal(p, fmt.Sprintf("%[1]d %[1]d", owner), ok(p, "stat", "-c", "%u %g", dir+"/"+name), name)
			}
			p.sh("touch /v/mine", "--volume", dir+":/v", "--userns", "keep-id")
			assert.Equal(p, fmt.Sprint(userID), ok(p, "stat", "-c", "%u", dir+"/mine"))
		},
		"files of the host": func(p *podman) {
			secret := file(p, filepath.Join(folder(p), "secret"), "x")
			require.NoError(p, os.Chmod(secret, 0o600))
			p.refused(p.try(shell("cat /secret", "--volume", secret+":/secret")...), 1, "permission denied")
			// The mount is read-only on the host, which nobody in a user namespace can change. mount_namespaces(7)
			dir := p.owned()
			options := fmt.Sprintf("mode=700,uid=%[1]d,gid=%[1]d", userID)
			require.NoError(p, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY|unix.MS_NODEV|unix.MS_NOSUID|unix.MS_NOEXEC, options))
			p.Cleanup(func() { assert.NoError(p, unix.Unmount(dir, 0)) })
			p.refused(p.try(shell("touch /v/made", "--volume", dir+":/v")...), 1, "read-only file system")
			assert.Regexp(p, ` /v ro,nosuid,nodev,noexec`, p.sh("grep ' /v ' /proc/self/mountinfo", "--volume", dir+":/v:ro"))
		},
		"volume of podman's own": func(p *podman) {
			p.Cleanup(func() { p.ok("volume", "rm", "--force", "own") })
			assert.Equal(p, "text", p.sh("cat /etc/not-executable; echo kept >/etc/kept", "--volume", "own:/etc"))
			assert.Equal(p, "kept", p.sh("cat /v/kept", "--volume", "own:/v:ro,noexec"))
		},
		"read-only": func(p *podman) {
			write := "for d in /tmp /run /var/tmp /dev/shm /t; do echo x >$d/made || exit; done; echo done"
			assert.Equal(p, "done", p.sh(write, "--read-only", "--tmpfs", "/t:size=4m"))
			p.refused(p.try(shell("echo x >/made", "--read-only")...), 1, "read-only file system")
		},
		"tmpfs": func(p *podman) {
			out := p.sh("stat -c '%a %u' /t; cat /etc/not-executable; touch /etc/made; stat -f -c %T /etc; stat -c %u /home/user",
				"--tmpfs", "/t:size=4m,mode=1750", "--tmpfs", "/etc", "--tmpfs", "/home")
			assert.Equal(p, "1750 0\ntext\ntmpfs\n1000", out)
		},
		"devices": func(p *podman) {
			out := p.sh("for d in null zero full random urandom tty; do test -c /dev/$d && echo $d; done; echo x >/dev/null; " +
				"head -c 4 /dev/zero | wc -c; readlink /dev/fd; readlink /dev/ptmx")
			assert.Equal(p, "null\nzero\nfull\nrandom\nurandom\ntty\n4\n/proc/self/fd\npts/ptmx", out)
			assert.Equal(p, "read", p.sh("test -c /dev/thing && head -c 1 /dev/thing >/dev/null && echo read", "--device", "/dev/zero:/dev/thing"))
		},
		"/sys": func(p *podman) {
			for _, network := range []string{"none", "host", "slirp4netns"} {
				out := p.sh("ls /sys/class/net/lo/mtu; (echo x >/sys/class/net/lo/mtu) 2>&1; ls /sys/fs/cgroup >/dev/null && echo cgroups", "--network", network)
				assert.Regexp(p, "^/sys/class/net/lo/mtu\n.*Read-only file system\ncgroups$", out, network)
			}
		},
	})
}

func TestRootlessSecurity(t *testing.T) {
	rootless(t, map[string]func(p *podman){
		"capabilities": func(p *podman) {
			normal := p.effective()
			assert.NotZero(p, normal)
			assert.Equal(p, normal|1<<unix.CAP_SYS_ADMIN, p.effective("--cap-add", "sys_admin"))
			assert.Equal(p, normal&^(1<<unix.CAP_CHOWN), p.effective("--cap-drop", "chown"))
			assert.Zero(p, p.effective("--user", "1000"))
			assert.Equal(p, " 2000 2000 2000  ", p.sh(capSets, "--cap-drop", "all", "--cap-add", "net_raw"))
		},
		"seccomp": func(p *podman) {
			mode := "sed -n 's/^Seccomp:.//p' /proc/self/status"
			rule := map[string]any{"names": []string{"mkdir", "mkdirat"}, "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
			profile := asJSON(p, folder(p)+"/profile.json", map[string]any{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []any{rule}})
			p.refused(p.try(shell("mkdir /made", "--security-opt", "seccomp="+profile)...), 1, "function not implemented")
			assert.Equal(p, "2", p.sh(mode))
			assert.Equal(p, "0", p.sh(mode, "--security-opt", "seccomp=unconfined"))
			assert.Equal(p, "1", p.sh("sed -n 's/^NoNewPrivs:.//p' /proc/self/status", "--security-opt", "no-new-privileges"))
		},
		"masked and read-only paths": func(p *podman) {
			size := "cat /proc/timer_list | wc -c; (echo 33 >/proc/sys/net/ipv4/ip_default_ttl) 2>&1; ls /etc"
			assert.Regexp(p, "^0\n.*Read-only file system$", p.sh(size, "--security-opt", "mask=/etc"))
		},
		"privileged": func(p *podman) {
			// In a user namespace of its own podman has all capabilities that the kernel knows. user_namespaces(7)
			last := number(p, read(p, "/proc/sys/kernel/cap_last_cap"))
			assert.Equal(p, uint64(1)<<(last+1)-1, p.effective("--privileged"))
			out := p.sh("mkdir /m; mount -t tmpfs tmpfs /m && touch /m/made && ls /m; test -c /dev/null && echo x >/dev/null && echo null", "--privileged")
			assert.Equal(p, "made\nnull", out)
			assert.Equal(p, "0", p.sh("sed -n 's/^Seccomp:.//p' /proc/self/status", "--privileged"))
		},
		"sysctl": func(p *podman) {
			assert.Equal(p, "33", p.sh("cat /proc/sys/net/ipv4/ip_default_ttl", "--sysctl", "net.ipv4.ip_default_ttl=33"))
		},
	})
}

func TestRootlessNetwork(t *testing.T) {
	rootless(t, map[string]func(p *podman){
		"none": func(p *podman) { assert.Equal(p, "lo", p.sh("ls /sys/class/net", "--network", "none")) },
		"host": func(p *podman) {
			link := "/proc/self/ns/net"
			assert.Equal(p, ok(p, "readlink", link), p.sh("readlink "+link, "--network", "host"))
		},
		"slirp4netns": func(p *podman) {
			out := p.sh("ls /sys/class/net | grep -v lo; ip -4 -o addr show tap0 | tr -s ' ' | cut -d ' ' -f 4", "--network", "slirp4netns")
			assert.Equal(p, "tap0\n10.0.2.100/24", out)
		},
		"of another container": func(p *podman) {
			id := p.detached(idle, "--network", "slirp4netns")
			assert.Equal(p, p.ok("exec", id, "readlink", "/proc/self/ns/net"), p.sh("readlink /proc/self/ns/net", "--network", "container:"+id))
		},
		"namespaces of the host": func(p *podman) {
			for name, flag := range map[string]string{"pid": "pid", "uts": "uts"} {
				link := "/proc/self/ns/" + name
				assert.Equal(p, ok(p, "readlink", link), p.sh("readlink "+link, "--"+flag, "host"), name)
			}
		},
	})
}
