//go:build linux && engines

package engine

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDockerTerminal(t *testing.T) {
	withDocker(t, []dockerTest{
		{"run", dockerTerminalOfRun},
		{"run without a reader", dockerTerminalWithoutReader},
		{"exec", dockerTerminalOfExec},
		{"attach", dockerTerminalOfAttach},
		{"attach without a terminal", dockerAttachWithoutTerminal},
	})
}

// dockerSession uses a shell on a terminal as a person does: it asks for the size, resizes, interrupts, and leaves.
func dockerSession(x *terminal) {
	x.Helper()
	// A terminal shows what is typed, so the answers must differ from the commands. The client sends the size a moment after the start.
	x.types("until [ \"$(stty size)\" = '31 87' ]; do sleep 0.01; done; echo first $((1 + 1))\n")
	x.shows("first 2\r\n")
	x.resize(44, 101)
	x.types("until [ \"$(stty size)\" = '44 101' ]; do sleep 0.01; done; echo second $((1 + 1))\n")
	x.shows("second 2\r\n")
	x.types("test -t 0 && test -t 1 && test -t 2 && test -c $(tty) && echo $TERM $((1 + 1))\n")
	x.shows("xterm 2\r\n")
	// Without job control, the shell would end with the sleep.
	x.types("sh -c 'echo begin$((1 + 1)); exec sleep 1000'\n")
	x.shows("begin2")
	x.types("\x03")
	x.types("echo interrupted $?.\n")
	x.shows("interrupted 130.\r\n")
	x.types("exit 4\n")
	assert.Equal(x, 4, x.status(), x.screen())
}

func dockerTerminalOfRun(t *testing.T, d *docker) {
	dockerSession(atTerminal(t, d.command(onRuntime("run", []string{"--rm", "--interactive", "--tty", "small", "sh"})...)))
}

func dockerTerminalOfExec(t *testing.T, d *docker) {
	id := d.detached(t, "small", "sleep", "1000")
	dockerSession(atTerminal(t, d.command("exec", "--interactive", "--tty", id, "sh")))
}

func dockerTerminalWithoutReader(t *testing.T, d *docker) {
	script := "tty; stty -a 2>/dev/null; ls -l /dev/console; echo last >/dev/console; exec sleep 1000"
	id := d.detached(t, "--tty", "small", "sh", "-c", script)
	d.says(t, id, "last\r\n")
	logs := d.logs(t, id)
	assert.True(t, strings.HasPrefix(logs, "/dev/"), logs)
	assert.Contains(t, logs, "isig icanon ", logs)
	assert.Contains(t, logs, " onlcr ", logs)
	assert.True(t, strings.Contains(logs, "\r\nc"), "/dev/console is a device: %s", logs)
}

func dockerTerminalOfAttach(t *testing.T, d *docker) {
	id := d.detached(t, "--interactive", "--tty", "small", "sh")
	x := atTerminal(t, d.command("attach", id))
	x.types("echo one $((1 + 1))\n")
	x.shows("one 2\r\n")
	x.types("\x10\x11")
	x.shows("read escape sequence")
	x.status()
	assert.Equal(t, "running", d.inspect(t, id, "{{.State.Status}}"))
	dockerSession(atTerminal(t, d.command("attach", id)))
	assert.Equal(t, "4", d.inspect(t, id, "{{.State.ExitCode}}"))
}

func dockerAttachWithoutTerminal(t *testing.T, d *docker) {
	script := "(while :; do echo ready; sleep 0.01; done) & read one; read two; kill $!; echo got $one, $two; exit 5"
	id := d.detached(t, "--interactive", "small", "sh", "-c", script)
	watching := atTerminal(t, d.command("attach", "--no-stdin", id))
	watching.shows("ready")
	cmd := d.command("attach", id)
	cmd.Stdin = strings.NewReader("one\ntwo\n")
	// The daemon closes the output of a container whose input has ended.
	assert.Equal(t, 5, outcome(t, cmd).status)
	watching.shows("got one, two")
	assert.Equal(t, 5, watching.status())
}
