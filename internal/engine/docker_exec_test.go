//go:build linux && engines

package engine

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDockerExec(t *testing.T) {
	withDocker(t, []dockerTest{
		{"status", dockerExecStatus},
		{"process", dockerExecProcess},
		{"streams", dockerExecStreams},
		{"detached", dockerExecDetached},
		{"in the namespaces and cgroups of the container", dockerExecPlace},
		{"rights", dockerExecRights},
		{"privileged", dockerExecPrivileged},
	})
}

func dockerExecStatus(t *testing.T, d *docker) {
	id := d.detached(t, "small", "sleep", "1000")
	for _, test := range []struct {
		status  int
		message string
		command []string
	}{
		{0, "", []string{"true"}},
		{3, "", []string{"sh", "-c", "exit 3"}},
		{137, "", []string{"sh", "-c", "kill -KILL $$"}},
		{126, `exec: "nonesuch": executable file not found in $PATH`, []string{"nonesuch"}},
		{126, "no such file or directory", []string{"/nonesuch"}},
		{126, "permission denied", []string{"/etc/not-executable"}},
	} {
		r := d.try(t, append([]string{"exec", id}, test.command...)...)
		assert.Equal(t, test.status, r.status, "%q: %s", test.command, r.stderr)
		assert.Contains(t, r.stdout+r.stderr, test.message, "%q", test.command)
	}
	assert.Equal(t, "running", d.inspect(t, id, "{{.State.Status}}"))
}

func dockerExecProcess(t *testing.T, d *docker) {
	id := d.detached(t, "--env", "RUN=1", "--workdir", "/home", "--user", "5", "small", "sleep", "1000")
	show := []string{"sh", "-c", `echo $(id -u):$(id -g) $(pwd) $RUN $EXEC`}
	for _, test := range []struct {
		flags []string
		found string
	}{
		{nil, "5:0 /home 1"},
		{[]string{"--user", "user", "--env", "EXEC=2", "--workdir", "/tmp"}, "1000:1000 /tmp 1 2"},
		{[]string{"--user", "0:7", "--env", "RUN=3"}, "0:7 /home 3"},
	} {
		args := append(append([]string{"exec"}, test.flags...), id)
		assert.Equal(t, test.found, d.ok(t, append(args, show...)...), "%q", test.flags)
	}
	// The runtime finds this in the container's /etc/passwd.
	for user, home := range map[string]string{"root": "/root", "user": "/home/user", "1000": "/home/user"} {
		assert.Equal(t, home, d.ok(t, "exec", "--user", user, id, "sh", "-c", "echo $HOME"), user)
	}
	assert.NotEqual(t, 0, d.try(t, "exec", "--user", "nobody-here", id, "true").status)
}

func dockerExecStreams(t *testing.T, d *docker) {
	id := d.detached(t, "small", "sleep", "1000")
	assert.Equal(t, result{"out\n", "err\n", 0}, d.try(t, "exec", id, "sh", "-c", "echo out; echo err >&2"))
	much := strings.Repeat("0123456789abcde\n", 1<<16)
	cmd := d.command("exec", "--interactive", id, "cat")
	cmd.Stdin = strings.NewReader(much)
	r := outcome(t, cmd)
	assert.Equal(t, 0, r.status, r.stderr)
	assert.True(t, r.stdout == much, "%d bytes of %d", len(r.stdout), len(much))
}

func dockerExecDetached(t *testing.T, d *docker) {
	dir := folder(t)
	id := d.detached(t, "--volume", dir+":/shared", "small", "sleep", "1000")
	script := "echo $$ >/shared/new; mv /shared/new /shared/pid; exec sleep 2345"
	assert.Empty(t, d.ok(t, "exec", "--detach", id, "sh", "-c", script))
	var found []string
	until(t, "the command has run", func() bool {
		found, _ = filepath.Glob(filepath.Join(dir, "pid"))
		return len(found) == 1
	}, func() string { return d.daemon.log() })
	assert.Contains(t, d.ok(t, "top", id), "2345")
	d.exec(t, id, "kill", read(t, found[0]))
	until(t, "the command has ended", func() bool { return !strings.Contains(d.ok(t, "top", id), "2345") },
		func() string { return d.ok(t, "top", id) })
}

func dockerExecPlace(t *testing.T, d *docker) {
	id := d.detached(t, "small", "sh", "-c", "cd /proc/self; ls -l ns | sed 's/.* //'; cat cgroup; echo end; exec sleep 1000")
	d.says(t, id, "end\n")
	assert.Equal(t, strings.TrimSuffix(d.logs(t, id), "end\n"),
		d.exec(t, id, "sh", "-c", "cd /proc/self; ls -l ns | sed 's/.* //'; cat cgroup")+"\n")
	assert.Equal(t, "0\n1\n2\n3", d.exec(t, id, "ls", "-1", "/proc/self/fd"))
}

func dockerExecRights(t *testing.T, d *docker) {
	id := d.detached(t, "--cap-drop", "all", "--cap-add", "chown", "--security-opt", "no-new-privileges", "small", "sleep", "1000")
	show := []string{"grep", "-E", "^(Cap|NoNewPrivs|Seccomp:)", "/proc/self/status"}
	lines := strings.Fields(d.exec(t, id, show...))
	const chown = "0000000000000001"
	assert.Equal(t, []string{
		"CapInh:", "0000000000000000", "CapPrm:", chown, "CapEff:", chown, "CapBnd:", chown, "CapAmb:", "0000000000000000",
		"NoNewPrivs:", "1", "Seccomp:", "2",
	}, lines)
	// execve(2) takes all capabilities from a user who is not root.
	assert.Contains(t, d.ok(t, append([]string{"exec", "--user", "user", id}, show...)...), "CapEff:\t0000000000000000")
}

// dockerExecPrivileged needs a runtime that leaves out the capabilities that the machine itself does not have.
func dockerExecPrivileged(t *testing.T, d *docker) {
	id := d.detached(t, "small", "sleep", "1000")
	assertPrivileged(t, capabilities(d.ok(t, "exec", "--privileged", id, "cat", "/proc/self/status"))[2])
}
