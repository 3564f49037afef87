//go:build linux && engines

package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPodmanStatus(t *testing.T) {
	for name, test := range map[string]struct {
		args   []string
		status int
		words  []string
	}{
		"success":                {[]string{"small", "true"}, 0, nil},
		"its own":                {[]string{"small", "sh", "-c", "exit 3"}, 3, nil},
		"a signal":               {[]string{"small", "sh", "-c", "kill -KILL $$; sleep 1000 & kill -KILL $!; wait $!"}, 137, nil},
		"podman's own mistake":   {[]string{"--no-such-flag", "small", "true"}, 125, []string{"unknown flag"}},
		"no image":               {[]string{"--pull=never", "no-such-image", "true"}, 125, []string{"no-such-image"}},
		"no such command":        {[]string{"small", "no-such-command"}, 127, []string{"no-such-command", "not found in $path"}},
		"no such path":           {[]string{"small", "/no/such/command"}, 127, []string{"no such file or directory"}},
		"not executable":         {[]string{"small", "/etc/not-executable"}, 126, []string{"permission denied"}},
		"a folder":               {[]string{"small", "/etc"}, 126, []string{"permission denied"}},
		"no such user":           {[]string{"--user", "no-such-user", "small", "true"}, 126, []string{"no-such-user"}},
		"a sysctl of the host":   {[]string{"--sysctl", "kernel.panic=1", "small", "true"}, 125, nil},
		"a sysctl without sense": {[]string{"--sysctl", "net.ipv4.ip_forward=x", "small", "true"}, 126, []string{"invalid argument"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPodman(t)
			p.refused(p.try(append([]string{"run", "--rm"}, test.args...)...), test.status, test.words...)
		})
	}
}

func TestPodmanRun(t *testing.T) {
	subtests(t, map[string]func(p *podman){
		"standard output and error": func(p *podman) {
			r := p.try(shell("echo out; echo err >&2")...)
			assert.Equal(p, result{"out\n", "err\n", 0}, r)
		},
		"standard input": func(p *podman) {
			cmd := p.command("run", "--rm", "-i", "small", "cat")
			cmd.Stdin = strings.NewReader("what is piped\n")
			assert.Equal(p, result{"what is piped\n", "", 0}, outcome(p, cmd))
		},
		"the whole root file system": func(p *podman) {
			p.ok("import", wholeImage(p), "whole")
			out := p.ok("run", "--rm", "whole", "/bin/bash", "-c", "id -u; ps -e -o comm=; cat /proc/1/comm; sort --version | head -1")
			assert.Equal(p, []string{"0", "bash", "ps", "bash"}, strings.Split(out, "\n")[:4])
		},
		"user": func(p *podman) {
			ids := "echo $(id -u) $(id -g) $(id -G | tr ' ' '\\n' | sort)"
			for user, want := range map[string]string{
				"": "0 0 0", "user": "1000 1000 1000 2000", "1000": "1000 1000 1000 2000", "1000:2000": "1000 2000 2000",
				"1234": "1234 0 0", "1234:5678": "1234 5678 5678",
			} {
				assert.Equal(p, want, p.sh(ids, "--user", user), user)
			}
			assert.Equal(p, "1000 1000 1 1000", p.sh(ids, "--user", "1000:1000", "--group-add", "daemon"))
		},
		"environment": func(p *podman) {
			list := file(p, filepath.Join(folder(p), "list"), "C=from a file\n")
			out := p.sh(`echo "$A|$B|$C|$HOME|$PATH"`, "--env", "A=a b", "--env", "B=", "--env-file", list)
			assert.Equal(p, "a b||from a file|/root|/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", out)
		},
		"working directory": func(p *podman) {
			assert.Equal(p, "/home/user", p.sh("pwd", "--workdir", "/home/user"))
			assert.Equal(p, "/", p.sh("pwd"))
		},
		"umask": func(p *podman) { assert.Equal(p, "0027", p.sh("umask", "--umask", "0027")) },
		"hostname": func(p *podman) {
			assert.Equal(p, "named\nnamed", p.sh("hostname; cat /etc/hostname", "--hostname", "named"))
		},
		"limits": func(p *podman) {
			out := p.sh("echo $(ulimit -Sn) $(ulimit -Hn)", "--ulimit", "nofile=512:1024", "--ulimit", "nproc=4096:4096")
			assert.Equal(p, "512 1024", out)
		},
		"priority for the OOM killer": func(p *podman) {
			assert.Equal(p, "123", p.sh("cat /proc/self/oom_score_adj", "--oom-score-adj", "123"))
		},
		"sysctl": func(p *podman) {
			out := p.sh("cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/msgmax",
				"--sysctl", "net.ipv4.ip_default_ttl=33", "--sysctl", "kernel.msgmax=4242")
			assert.Equal(p, "33\n4242", out)
		},
		"init": func(p *podman) {
			assert.Equal(p, "podman-init", p.sh("cat /proc/1/comm", "--init"))
			p.refused(p.try(shell("exit 4", "--init")...), 4)
			// Somebody waits for a process that has lost its parent: it does not stay a zombie.
			id := p.detached("(sleep 0 & echo $! >/orphan); echo ready; sleep 1000", "--init")
			p.becomes("gone", "exec", id, "sh", "-c", "test -e /proc/$(cat /orphan) || echo gone")
		},
		"files with its ids": func(p *podman) {
			dir := folder(p)
			id := p.detached(idle, "--cidfile", dir+"/cid", "--pidfile", dir+"/pid", "--conmon-pidfile", dir+"/conmon")
			assert.Equal(p, id, read(p, dir+"/cid"))
			assert.Equal(p, p.pid(id), number(p, read(p, dir+"/pid")))
			assert.Equal(p, statusField(p, p.pid(id), "PPid"), read(p, dir+"/conmon"))
		},
		"descriptors": func(p *podman) {
			cmd := p.command(shell("cat <&3; ls /proc/self/fd | tr '\\n' ' '", "--preserve-fds", "1")...)
			source, err := os.Open(file(p, filepath.Join(folder(p), "file"), "by a descriptor\n"))
			require.NoError(p, err)
			defer source.Close()
			cmd.ExtraFiles = []*os.File{source}
			assert.Equal(p, result{"by a descriptor\n0 1 2 3 4 ", "", 0}, outcome(p, cmd))
			assert.Equal(p, "0 1 2 3 ", p.sh("ls /proc/self/fd | tr '\\n' ' '"))
		},
		"annotations and labels": func(p *podman) {
			id := p.ok("create", "--annotation", "a.b=c", "--label", "l=m", "small", "true")
			assert.Equal(p, "c m", p.inspect(id, `{{index .Config.Annotations "a.b"}} {{.Config.Labels.l}}`))
			p.ok("start", "--attach", id)
		},
		"hooks":     podmanHooks,
		"wait, top": podmanTop,
		"copies": func(p *podman) {
			dir := folder(p)
			file(p, dir+"/tree/one", "first\n")
			id := p.detached(idle)
			p.ok("cp", dir+"/tree", id+":/tmp/tree")
			assert.Equal(p, "first", p.ok("exec", id, "cat", "/tmp/tree/one"))
			p.ok("cp", id+":/etc/hostname", dir+"/back")
			assert.Equal(p, id[:12], read(p, dir+"/back"))
		},
		"checkpoint is refused": func(p *podman) {
			id := p.detached(idle)
			r := p.try("container", "checkpoint", id)
			p.refused(r, 125)
			assert.Regexp(p, "(?i)checkpoint|criu", r.stderr)
			assert.Equal(p, "running", p.inspect(id, "{{.State.Status}}"))
		},
	})
}

func podmanTop(p *podman) {
	id := p.detached("sleep 1234 & echo ready; wait", "--user", "1000")
	out := p.ok("top", id, "pid", "user", "args")
	assert.Regexp(p, `(?m)^1 +(1000|user) +/bin/sh -c sleep 1234`, out)
	assert.Regexp(p, `(?m)^[0-9]+ +(1000|user) +sleep 1234`, out)
	// With options of ps(1), podman runs ps in the container, where busybox has its own ps.
	assert.Contains(p, p.ok("top", id, "-o", "pid,args"), "sleep 1234")
}

// podmanHooks uses podman's hooks, which podman passes on to the runtime: oci-hooks(5)
func podmanHooks(p *podman) {
	dir := folder(p)
	script := file(p, dir+"/script", "#!/bin/sh\ncat >"+dir+"/$1.json\n")
	statuses := map[string]string{
		"prestart": "creat(ing|ed)", "createRuntime": "creat(ing|ed)", "poststart": "created|running|stopped", "poststop": "stopped",
	}
	for stage := range statuses {
		asJSON(p, dir+"/hooks/"+stage+".json", map[string]any{
			"version": "1.0.0", "hook": map[string]any{"path": script, "args": []string{"script", stage}},
			"when": map[string]any{"always": true}, "stages": []string{stage},
		})
	}
	id := p.ok("--hooks-dir", dir+"/hooks", "run", "--detach", "small", "true")
	p.ends(id)
	p.ok("rm", id)
	for stage, status := range statuses {
		text := read(p, dir+"/"+stage+".json")
		assert.Regexp(p, `"id": ?"`+id+`"`, text, stage)
		assert.Regexp(p, `"status": ?"(`+status+`)"`, text, stage)
		assert.Regexp(p, `"bundle": ?"/`, text, stage)
	}
}
