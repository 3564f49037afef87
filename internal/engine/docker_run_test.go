//go:build linux && engines

package engine

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDockerRun(t *testing.T) {
	withDocker(t, []dockerTest{
		{"the runtime is this one", dockerRunsOnThisRuntime},
		{"the workshop's root file system", dockerWholeImage},
		{"status", dockerStatus},
		{"standard streams", dockerStreams},
		{"environment", dockerEnvironment},
		{"user", dockerUser},
		{"working directory", dockerWorkingDirectory},
		{"hostname", dockerHostname},
		{"limits of the process", dockerProcessLimits},
		{"init", dockerInit},
		{"what is left in the background ends with process 1", dockerBackground},
		{"several at once", dockerSeveral},
	})
}

func dockerRunsOnThisRuntime(t *testing.T, d *docker) {
	id := d.detached(t, "small", "sleep", "1000")
	assert.Equal(t, "workshop", d.inspect(t, id, "{{.HostConfig.Runtime}}"))
	roots, err := filepath.Glob(filepath.Join(d.dir, "exec/runtime-*/moby"))
	require.NoError(t, err)
	require.Len(t, roots, 1)
	var state struct {
		ID, Status, Bundle string
		Pid                int
	}
	require.NoError(t, json.Unmarshal([]byte(ok(t, runtimePath(), "--root", roots[0], "state", id)), &state))
	assert.Equal(t, id, state.ID)
	assert.Equal(t, "running", state.Status)
	assert.Equal(t, d.pid(t, id), state.Pid)
	assert.FileExists(t, filepath.Join(state.Bundle, "config.json"))
}

func dockerWholeImage(t *testing.T, d *docker) {
	d.ok(t, "import", wholeImage(t), "whole")
	assert.Equal(t, "1 bash", d.prints(t, "whole", "bash", "-c", "echo $$ $(cat /proc/1/comm)"))
}

func dockerStatus(t *testing.T, d *docker) {
	for _, test := range []struct {
		status  int
		message string
		args    []string
	}{
		{0, "", []string{"small", "true"}},
		{3, "", []string{"small", "sh", "-c", "exit 3"}},
		{143, "", []string{"--init", "small", "sh", "-c", "kill -TERM $$"}},
		{125, "unknown flag", []string{"--no-such-flag", "small", "true"}},
		{125, "not found", []string{"--network", "nowhere", "small", "true"}},
		{126, "permission denied", []string{"small", "/etc/not-executable"}},
		{126, "permission denied", []string{"small", "/etc"}},
		{127, `exec: "nonesuch": executable file not found in $PATH`, []string{"small", "nonesuch"}},
		{127, "no such file or directory", []string{"small", "/nonesuch"}},
	} {
		r := d.run(t, test.args...)
		assert.Equal(t, test.status, r.status, "%q: %s", test.args, r.stderr)
		assert.Contains(t, r.stderr, test.message, "%q", test.args)
	}
}

func dockerStreams(t *testing.T, d *docker) {
	r := d.run(t, "small", "sh", "-c", "echo out; echo err >&2")
	assert.Equal(t, result{"out\n", "err\n", 0}, r)
	much := strings.Repeat("0123456789abcde\n", 1<<16)
	cmd := d.command(onRuntime("run", []string{"--rm", "--interactive", "small", "cat"})...)
	cmd.Stdin = strings.NewReader(much)
	r = outcome(t, cmd)
	assert.Equal(t, 0, r.status, r.stderr)
	assert.True(t, r.stdout == much, "%d bytes of %d", len(r.stdout), len(much))
	assert.Empty(t, d.prints(t, "small", "cat"), "standard input that nobody gives is at its end")
}

func dockerEnvironment(t *testing.T, d *docker) {
	t.Setenv("OUTSIDE", "secret")
	lines := strings.Split(d.prints(t, "--hostname", "inside", "--env", "ONE=1", "--env", "SPACE=a b", "small", "env"), "\n")
	assert.ElementsMatch(t, []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=inside", "ONE=1", "SPACE=a b", "HOME=/root",
	}, lines)
	assert.Equal(t, "/home/user", d.prints(t, "--user", "user", "small", "sh", "-c", "echo $HOME"))
}

func dockerUser(t *testing.T, d *docker) {
	for _, test := range []struct {
		args  []string
		found string
	}{
		{nil, "0 0 0"},
		{[]string{"--user", "user"}, "1000 1000 1000 2000"},
		{[]string{"--user", "5:6"}, "5 6 6"},
		{[]string{"--user", "5"}, "5 0 0"},
		{[]string{"--user", "user", "--group-add", "7"}, "1000 1000 7 1000 2000"},
	} {
		found := d.prints(t, append(test.args, "small", "sh", "-c", `echo $(id -u) $(id -g) $(id -G | tr ' ' '\n' | sort -nu)`)...)
		assert.Equal(t, test.found, found, "%q", test.args)
	}
	r := d.run(t, "--user", "nobody-here", "small", "true")
	assert.Equal(t, 125, r.status, r.stderr)
}

func dockerWorkingDirectory(t *testing.T, d *docker) {
	assert.Equal(t, "/", d.prints(t, "small", "pwd"))
	assert.Equal(t, "/home/user", d.prints(t, "--workdir", "/home/user", "small", "pwd"))
	assert.Equal(t, "/made/for/it", d.prints(t, "--workdir", "/made/for/it", "small", "pwd"))
	r := d.run(t, "--workdir", "/etc/passwd", "small", "pwd")
	assert.NotEqual(t, 0, r.status, r.stdout)
}

func dockerHostname(t *testing.T, d *docker) {
	show := []string{"small", "sh", "-c", "echo $(hostname) $(cat /etc/hostname)"}
	assert.Equal(t, "inside inside", d.prints(t, append([]string{"--hostname", "inside"}, show...)...))
	assert.Equal(t, "example.net", d.prints(t, "--domainname", "example.net", "small", "cat", "/proc/sys/kernel/domainname"))
	id := d.detached(t, "small", "sleep", "1000")
	assert.Equal(t, id[:12], d.exec(t, id, "hostname"))
}

func dockerProcessLimits(t *testing.T, d *docker) {
	assert.Equal(t, "100\n200\n0", d.prints(t, "--ulimit", "nofile=100:200", "--ulimit", "core=0", "small",
		"sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -Hc"))
	assert.Equal(t, "500", d.prints(t, "--oom-score-adj", "500", "small", "cat", "/proc/self/oom_score_adj"))
}

func dockerInit(t *testing.T, d *docker) {
	// The child of the shell loses its parent, so process 1 becomes its parent.
	id := d.detached(t, "--init", "small", "sh", "-c", "(sleep 0.1 & echo orphan $!); exec sleep 1000")
	assert.Contains(t, d.exec(t, id, "cat", "/proc/1/cmdline"), "docker-init")
	d.says(t, id, "orphan ")
	var orphan int
	_, err := fmt.Sscanf(d.logs(t, id), "orphan %d", &orphan)
	require.NoError(t, err)
	stat := func() string { return d.try(t, "exec", id, "cat", fmt.Sprintf("/proc/%d/stat", orphan)).stdout }
	until(t, "the orphan is waited for", func() bool { return stat() == "" }, stat)
	// A process 1 without handlers would not end.
	d.ok(t, "stop", "--time", "60", id)
	assert.Equal(t, "143", d.inspect(t, id, "{{.State.ExitCode}}"))
}

func dockerBackground(t *testing.T, d *docker) {
	dir := folder(t)
	script := "(trap '' HUP TERM; echo >/v/started; exec sleep 12345) & until [ -e /v/started ]; do sleep 0.01; done; exit 3"
	r := d.run(t, "--volume", dir+":/v", "small", "sh", "-c", script)
	assert.Equal(t, 3, r.status, r.stderr)
	assert.FileExists(t, filepath.Join(dir, "started"))
	assert.NotContains(t, strings.Join(remains(t), "\n"), "sleep 12345")
}

func dockerSeveral(t *testing.T, d *docker) {
	var together sync.WaitGroup
	for i := range 6 {
		together.Go(func() {
			r := d.run(t, "small", "sh", "-c", fmt.Sprintf("echo %d; exit %d", i, i))
			assert.Equal(t, result{fmt.Sprintf("%d\n", i), "", i}, r)
		})
	}
	together.Wait()
}
