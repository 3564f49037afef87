//go:build linux && engines

package engine

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestDockerSecurity(t *testing.T) {
	withDocker(t, []dockerTest{
		{"capabilities", dockerCapabilities},
		{"the default seccomp profile", dockerSeccomp},
		{"a custom seccomp profile", dockerCustomSeccomp},
		{"new privileges", dockerNewPrivileges},
		{"masked and read-only paths", dockerPaths},
		{"devices", dockerDevices},
		{"rules of devices", dockerDeviceRules},
		{"sysctl", dockerSysctl},
		{"privileged", dockerPrivileged},
		{"namespaces of the host", dockerHostNamespaces},
	})
}

// capabilities returns the capability sets in a text of /proc/PID/status.
func capabilities(of string) []string {
	var sets []string
	for line := range strings.Lines(of) {
		if strings.HasPrefix(line, "Cap") {
			sets = append(sets, strings.Fields(line)[1])
		}
	}
	return sets
}

func dockerCapabilities(t *testing.T, d *docker) {
	const none, usual, admin = "0000000000000000", "00000000a80425fb", "0000000000001000"
	for _, test := range []struct {
		flags []string
		// The sets are inheritable, permitted, effective, bounding, ambient.
		sets []string
	}{
		{nil, []string{none, usual, usual, usual, none}},
		{[]string{"--cap-drop", "all"}, []string{none, none, none, none, none}},
		{[]string{"--cap-drop", "all", "--cap-add", "net_admin"}, []string{none, admin, admin, admin, none}},
		{[]string{"--cap-drop", "chown"}, []string{none, "00000000a80425fa", "00000000a80425fa", "00000000a80425fa", none}},
		{[]string{"--user", "user"}, []string{none, none, none, usual, none}},
	} {
		args := append(test.flags, "small", "cat", "/proc/self/status")
		assert.Equal(t, test.sets, capabilities(d.prints(t, args...)), "%q", test.flags)
	}
	d.fails(t, "Operation not permitted", "--cap-drop", "chown", "small", "chown", "5", "/tmp")
	d.fails(t, "Operation not permitted", "small", "ip", "link", "add", "new", "type", "dummy")
}

func dockerSeccomp(t *testing.T, d *docker) {
	for _, test := range []struct {
		flags  []string
		status string
		mode   string
	}{
		{nil, "1", "2"},
		{[]string{"--security-opt", "seccomp=unconfined"}, "0", "0"},
	} {
		args := append(test.flags, "small", "sh", "-c", "unshare --user true 2>/dev/null; echo $? $(grep Seccomp: /proc/self/status)")
		assert.Equal(t, test.status+" Seccomp: "+test.mode, d.prints(t, args...), "%q", test.flags)
	}
}

func dockerCustomSeccomp(t *testing.T, d *docker) {
	profile := file(t, filepath.Join(folder(t), "profile.json"), `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["mkdir", "mkdirat", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
		{"names": ["sync"], "action": "SCMP_ACT_KILL_PROCESS"},
		{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 12, "op": "SCMP_CMP_EQ"}]}
	]}`)
	id := d.detached(t, "--security-opt", "seccomp="+profile, "small", "sleep", "1000")
	assert.Contains(t, d.try(t, "exec", id, "mkdir", "/new").stderr, "No space left on device")
	assert.Contains(t, d.try(t, "exec", id, "sh", "-c", "kill -12 $$").stderr, "Operation not permitted")
	assert.Equal(t, 128+10, d.try(t, "exec", id, "sh", "-c", "kill -10 $$").status)
	assert.Equal(t, 128+31, d.try(t, "exec", id, "sync").status, "SIGSYS")
}

// A setuid program that keeps running shows its new rights. busybox would drop them, but docker's own process 1 does not.
func dockerNewPrivileges(t *testing.T, d *docker) {
	for flag, user := range map[string]string{"no-new-privileges": "1000", "no-new-privileges=false": "0"} {
		script := "cp /sbin/docker-init /tmp/setuid && exec sleep 1000"
		id := d.detached(t, "--init", "--security-opt", flag, "small", "sh", "-c", script)
		until(t, "the program can be setuid", func() bool {
			return d.try(t, "exec", id, "sh", "-c", "cmp /sbin/docker-init /tmp/setuid && chmod 4755 /tmp/setuid").status == 0
		}, func() string { return d.logs(t, id) })
		d.ok(t, "exec", "--detach", "--user", "user", id, "/tmp/setuid", "--", "sleep", "2345")
		var top string
		until(t, "it runs", func() bool {
			top = d.ok(t, "top", id, "-o", "pid,euid,args")
			return strings.Contains(top, "/tmp/setuid")
		}, func() string { return top })
		assert.Regexp(t, ` `+user+` +/tmp/setuid -- sleep 2345`, top, flag)
		assert.Equal(t, flag == "no-new-privileges", statusField(t, d.pid(t, id), "NoNewPrivs") == "1", flag)
	}
}

func dockerPaths(t *testing.T, d *docker) {
	id := d.detached(t, "small", "sleep", "1000")
	for _, path := range []string{"/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity"} {
		d.exec(t, id, "sh", "-c", "[ ! -e "+path+" ] || ! true >>"+path)
	}
	assert.Empty(t, d.exec(t, id, "ls", "/sys/firmware"))
	assert.Empty(t, d.exec(t, id, "sh", "-c", "cat /proc/keys /proc/timer_list 2>/dev/null || true"))
	d.prints(t, "--security-opt", "systempaths=unconfined", "small", "sh", "-c", "true >>/proc/sys/kernel/hostname")
	mounts := []string{"small", "sh", "-c", "grep -c -E ' /proc/(sys|bus|keys) ' /proc/mounts || true"}
	assert.Equal(t, "3", d.prints(t, mounts...))
	assert.Equal(t, "0", d.prints(t, append([]string{"--security-opt", "systempaths=unconfined"}, mounts...)...))
}

func dockerDevices(t *testing.T, d *docker) {
	id := d.detached(t, "--device", "/dev/zero:/dev/mine:r", "--device", "/dev/full:/dev/deep/full", "small", "sleep", "1000")
	assert.Equal(t, "character special file 1 5", d.exec(t, id, "stat", "-c", "%F %t %T", "/dev/mine"))
	assert.Equal(t, "character special file 1 7", d.exec(t, id, "stat", "-c", "%F %t %T", "/dev/deep/full"))
	assert.Equal(t, "8", d.exec(t, id, "sh", "-c", "head -c 8 /dev/mine | wc -c"))
	assert.Contains(t, d.try(t, "exec", id, "sh", "-c", "echo >/dev/deep/full").stderr, "No space left on device")
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		d.exec(t, id, "test", "-c", "/dev/"+name)
	}
	assert.Equal(t, "/proc/self/fd", d.exec(t, id, "readlink", "/dev/fd"))
	assert.Equal(t, "pts/ptmx", d.exec(t, id, "readlink", "/dev/ptmx"))
	d.fails(t, "no such file", "--device", "/dev/nonesuch", "small", "true")
}

// dockerDeviceRules writes to the kernel's log. Only reading the log needs a capability.
func dockerDeviceRules(t *testing.T, d *docker) {
	script := "mknod /tmp/log c 1 11 && : >>/tmp/log"
	d.fails(t, "Operation not permitted", "small", "sh", "-c", script)
	d.prints(t, "--device-cgroup-rule", "c 1:11 w", "small", "sh", "-c", script)
	d.fails(t, "Operation not permitted", "--device-cgroup-rule", "c 1:11 r", "small", "sh", "-c", script)
	d.prints(t, "--device-cgroup-rule", "c 1:* rwm", "small", "sh", "-c", script)
}

func dockerSysctl(t *testing.T, d *docker) {
	assert.Equal(t, "1234\n7", d.prints(t, "--sysctl", "kernel.msgmax=1234", "--sysctl", "net.ipv4.ip_default_ttl=7", "small",
		"cat", "/proc/sys/kernel/msgmax", "/proc/sys/net/ipv4/ip_default_ttl"))
	assert.NotEqual(t, "1234", read(t, "/proc/sys/kernel/msgmax"))
	r := d.run(t, "--sysctl", "kernel.msgmax=many", "small", "true")
	assert.Equal(t, 125, r.status)
	assert.Contains(t, r.stderr, "msgmax")
}

// dockerPrivileged needs a runtime that leaves out the capabilities that the machine itself does not have.
func dockerPrivileged(t *testing.T, d *docker) {
	id := d.detached(t, "--privileged", "small", "sleep", "1000")
	assertPrivileged(t, statusField(t, d.pid(t, id), "CapEff"))
	assert.Equal(t, "0", statusField(t, d.pid(t, id), "Seccomp"))
	d.exec(t, id, "sh", "-c", "mkdir /m && mount -t tmpfs tmpfs /m && umount /m")
	d.exec(t, id, "sh", "-c", "mknod /tmp/log c 1 11 && : >>/tmp/log")
	d.exec(t, id, "sh", "-c", "echo >/proc/sys/kernel/hostname && hostname changed")
	d.exec(t, id, "test", "-c", "/dev/kmsg")
	assert.Equal(t, "0", d.exec(t, id, "sh", "-c", "grep -c -E ' /(proc/sys|proc/keys|sys/firmware) ' /proc/mounts || true"))
	assert.Equal(t, "0", d.exec(t, id, "sh", "-c", "grep -c -E '^(sysfs|cgroup[^ ]*) [^ ]* [^ ]* ro' /proc/mounts || true"))
}

// assertPrivileged compares effective capabilities with those of the machine. An old daemon does not know the newest.
func assertPrivileged(t *testing.T, effective string) {
	t.Helper()
	const known = 1<<(unix.CAP_AUDIT_READ+1) - 1
	own, err := strconv.ParseUint(statusField(t, 1, "CapEff"), 16, 64)
	require.NoError(t, err)
	found, err := strconv.ParseUint(effective, 16, 64)
	require.NoError(t, err)
	assert.Zero(t, found&^own, effective)
	assert.Equal(t, own&known, found&known, effective)
}

func dockerHostNamespaces(t *testing.T, d *docker) {
	host := func(kind string) string { return ok(t, "readlink", "/proc/self/ns/"+kind) }
	show := []string{"small", "sh", "-c", "for kind in net pid ipc uts mnt; do readlink /proc/self/ns/$kind; done"}
	all := []string{host("net"), host("pid"), host("ipc"), host("uts"), host("mnt")}
	found := d.prints(t, append([]string{"--network", "host", "--pid", "host", "--ipc", "host", "--uts", "host"}, show...)...)
	assert.Equal(t, all[:4], strings.Split(found, "\n")[:4])
	assert.NotContains(t, found, all[4])
	found = d.prints(t, show...)
	for _, namespace := range all {
		assert.NotContains(t, found, namespace)
	}
	assert.Equal(t, host("pid"), d.prints(t, "--pid", "host", "small", "sh", "-c", "readlink /proc/$$/ns/pid"))
}
