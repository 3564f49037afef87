//go:build linux && engines

package engine

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPodmanTerminal(t *testing.T) {
	// sizes is a script that prints every new size of its window.
	const sizes = "trap 'stty size' WINCH; stty size; echo ready; while :; do sleep 0.01; done"
	subtests(t, map[string]func(p *podman){
		"a session": func(p *podman) {
			x := atTerminal(p, p.command("run", "--rm", "-it", "--name", "session", "small", "sh"))
			x.shows("/ # ")
			x.types("tty; test -t 0 -a -t 1 -a -t 2 && echo a-$((40 + 2))-terminal\n")
			x.shows("/dev/pts/0\r\na-42-terminal\r\n")
			// Ctrl-C is for the command, not for podman or the shell.
			x.types("sleep 1000\n")
			until(p, "sleep is there", func() bool { return strings.Contains(p.ok("top", "session", "args"), "sleep 1000") }, x.screen)
			x.types("\x03")
			x.shows("^C\r\n")
			x.types("echo status-$?\n")
			x.shows("status-130\r\n")
			x.types("ls -l /dev/console; exit 5\n")
			x.shows("136, ")
			assert.Equal(p, 5, x.status())
		},
		"the size of the window": func(p *podman) {
			x := p.terminal(sizes, "--name", "sizes")
			x.shows("31 87\r\n")
			x.shows("ready")
			x.resize(44, 101)
			x.shows("44 101\r\n")
			p.ok("kill", "sizes")
			assert.Equal(p, 137, x.status())
		},
		"the size of the window of exec": func(p *podman) {
			id := p.detached(idle)
			x := atTerminal(p, p.command("exec", "-it", id, "sh", "-c", sizes+"; exit 3"))
			x.shows("31 87\r\n")
			x.shows("ready")
			x.resize(44, 101)
			x.shows("44 101\r\n")
		},
		"a session of exec": func(p *podman) {
			id := p.detached(idle)
			x := atTerminal(p, p.command("exec", "-it", id, "sh"))
			x.shows("/ # ")
			x.types("tty; echo pid-$$; exit 6\n")
			x.shows("/dev/pts/0\r\npid-")
			assert.Equal(p, 6, x.status())
		},
		"a terminal without one outside": func(p *podman) {
			id := p.ok("run", "--detach", "--tty", "small", "sh", "-c", "tty; stty -a 2>/dev/null | grep -o 'intr = ..'")
			p.ends(id)
			assert.Equal(p, "/dev/pts/0\r\nintr = ^C\r", p.ok("logs", id))
		},
		"detach and attach": func(p *podman) {
			x := atTerminal(p, p.command("run", "-it", "--detach-keys", "ctrl-x", "--name", "left", "small", "sh"))
			x.shows("/ # ")
			x.types("\x18")
			assert.Equal(p, 0, x.status())
			assert.Equal(p, "running", p.inspect("left", "{{.State.Status}}"))
			x = atTerminal(p, p.command("attach", "left"))
			x.types("echo still-$((40 + 2)); exit 7\n")
			x.shows("still-42")
			x.status()
			assert.Equal(p, 7, p.ends("left"))
		},
		"a user who has the terminal": func(p *podman) {
			x := p.terminal("echo x >$(tty) && stat -c '%U %G' $(tty)", "--user", "user")
			x.shows("x\r\n")
			assert.Equal(p, 0, x.status())
			assert.Contains(p, x.screen(), "user ")
		},
	})
}

func TestPodmanExec(t *testing.T) {
	subtests(t, map[string]func(p *podman){
		"status": func(p *podman) {
			id := p.detached(idle)
			for command, want := range map[string]result{
				"true":                 {status: 0},
				"exit 3":               {status: 3},
				"kill -KILL $$":        {status: 137},
				"echo out; echo e >&2": {"out\n", "e\n", 0},
			} {
				assert.Equal(p, want, p.try("exec", id, "sh", "-c", command), command)
			}
			p.refused(p.try("exec", id, "no-such-command"), 127, "no-such-command", "not found in $path")
			p.refused(p.try("exec", id, "/no/such/command"), 127, "no such file or directory")
			p.refused(p.try("exec", id, "/etc/not-executable"), 126, "permission denied")
			p.refused(p.try("exec", "--workdir", "/missing", id, "true"), 127, "no such file or directory")
			p.refused(p.try("exec", id, "ls", "/missing"), 1, "no such file or directory")
			p.ok("stop", id)
			p.refused(p.try("exec", id, "true"), 255, "running")
		},
		"standard input": func(p *podman) {
			id := p.detached(idle)
			cmd := p.command("exec", "-i", id, "cat")
			cmd.Stdin = strings.NewReader(strings.Repeat("what is piped\n", 10000))
			r := outcome(p, cmd)
			assert.Equal(p, 0, r.status, r.stderr)
			assert.Equal(p, 10000, strings.Count(r.stdout, "what is piped\n"))
		},
		"user, environment, working directory": func(p *podman) {
			id := p.detached(idle, "--env", "A=of the container", "--env", "B=b")
			out := p.ok("exec", "--user", "user", "--env", "A=of exec", "--env", "C=c", "--workdir", "/home/user", id,
				"sh", "-c", `echo "$(id -u) $(id -g) $(id -G)|$A|$B|$C|$(pwd)|$HOME"`)
			assert.Contains(p, []string{"1000 1000 1000 2000|of exec|b|c|/home/user|/home/user"}, out)
			assert.Equal(p, "1000 5", p.ok("exec", "--user", "1000:5", id, "sh", "-c", "echo $(id -u) $(id -g)"))
			assert.Equal(p, "0 of the container /", p.ok("exec", id, "sh", "-c", "echo $(id -u) $A $(pwd)"))
		},
		"in all that the container has": func(p *podman) {
			id := p.detached(idle, "--memory", "64m", "--read-only", "--cap-add", "net_admin", "--user", "0")
			for _, name := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
				link := "/proc/self/ns/" + name
				assert.Equal(p, ok(p, "readlink", "/proc/"+number10(p.pid(id))+"/ns/"+name), p.ok("exec", id, "readlink", link), name)
			}
			rights := "/^Cap/p;/^Seccomp:/p;/^NoNewPrivs/p"
			first := p.ok("exec", id, "sed", "-n", rights, "/proc/1/status")
			assert.Equal(p, first, p.ok("exec", id, "sed", "-n", rights, "/proc/self/status"))
			assert.Equal(p, p.ok("exec", id, "cat", "/proc/1/cgroup"), p.ok("exec", id, "cat", "/proc/self/cgroup"))
			p.refused(p.try("exec", id, "touch", "/made"), 1, "read-only file system")
		},
		"in the background": func(p *podman) {
			id := p.detached(idle)
			p.ok("exec", "--detach", id, "sh", "-c", "echo here >/made; sleep 1000")
			p.becomes("here", "exec", id, "cat", "/made")
			assert.Contains(p, p.ok("top", id, "args"), "sleep 1000")
		},
		"with all rights": func(p *podman) {
			id := p.detached(idle)
			effective := p.ok("exec", "--privileged", id, "sed", "-n", `s/^CapEff:\t//p`, "/proc/self/status")
			assert.Equal(p, statusField(p, 1, "CapBnd"), effective)
			p.refused(p.try("exec", id, "hostname", "x"), 1, "operation not permitted")
		},
		"many at once": func(p *podman) {
			id := p.detached(idle)
			results := make(chan result, 10)
			for range cap(results) {
				go func() { results <- try(p, "podman", p.command("exec", id, "echo", "here").Args[1:]...) }()
			}
			for range cap(results) {
				assert.Equal(p, result{"here\n", "", 0}, <-results)
			}
		},
	})
}
