//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A shellTerminal is a terminal with a shell, as that of a person. Its settings are unlike those of a new one.
type shellTerminal struct {
	*trial
	master, slave *os.File
	shell         *exec.Cmd
	settings      unix.Termios

	mutex sync.Mutex
	shown bytes.Buffer
}

// atTerminal makes a call of the program on a terminal, below a shell that stays and shows the status.
func (c *trial) atTerminal(args ...string) *shellTerminal {
	c.Helper()
	master, slave, err := pty.Open()
	require.NoError(c, err)
	x := &shellTerminal{trial: c, master: master, slave: slave}
	require.NoError(c, pty.Setsize(master, &pty.Winsize{Rows: 31, Cols: 87}))
	settings := x.now()
	settings.Cc[unix.VINTR], settings.Cc[unix.VERASE] = 7, 8
	settings.Iflag &^= unix.IXON
	require.NoError(c, unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, &settings))
	x.settings = settings

	call := c.call(args...)
	x.shell = exec.Command("/bin/sh", append([]string{"-c", `"$@"; echo "status $?."; exec sleep 1000`, "sh", call.Path}, call.Args[1:]...)...)
	x.shell.Env = call.Env
	x.shell.Stdin, x.shell.Stdout, x.shell.Stderr = slave, slave, slave
	x.shell.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	if c.person != nil {
		require.NoError(c, slave.Chown(c.person.uid, c.person.uid))
		x.shell.SysProcAttr.Credential, x.shell.ExtraFiles = call.SysProcAttr.Credential, call.ExtraFiles
	}
	require.NoError(c, x.shell.Start())
	c.Cleanup(func() {
		_ = x.shell.Process.Kill()
		_ = x.shell.Wait()
		slave.Close()
		master.Close()
	})
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			x.mutex.Lock()
			x.shown.Write(buffer[:n])
			x.mutex.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return x
}

// now returns the settings of the terminal.
func (x *shellTerminal) now() unix.Termios {
	x.Helper()
	settings, err := unix.IoctlGetTermios(int(x.slave.Fd()), unix.TCGETS)
	require.NoError(x, err)
	return *settings
}

func (x *shellTerminal) screen() string {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	return x.shown.String()
}

// shows waits until the terminal shows a text.
func (x *shellTerminal) shows(text string) {
	x.Helper()
	x.until(func() bool { return strings.Contains(x.screen(), text) }, func() string { return fmt.Sprintf("%q is not in %q", text, x.screen()) })
}

// raw waits until every key is passed on as it is.
func (x *shellTerminal) raw() {
	x.Helper()
	x.until(func() bool { return x.now().Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0 }, func() string { return "the terminal is not raw" })
}

// program returns the process that the shell has started.
func (x *shellTerminal) program() int {
	x.Helper()
	for _, pid := range x.processes() {
		if parentOf(pid) == x.shell.Process.Pid {
			return pid
		}
	}
	require.FailNow(x, "the program is not there")
	return 0
}

func (x *shellTerminal) restored() {
	x.Helper()
	x.until(func() bool { return x.now() == x.settings }, func() string { return fmt.Sprintf("want %v, got %v", x.settings, x.now()) })
}

func TestTheTerminalIsAsBefore(t *testing.T) {
	const waits = "stty size; echo ready; read line; "
	type ending struct {
		script string
		end    func(x *shellTerminal)
		status string
		flags  []string
	}
	typed := func(x *shellTerminal) { _, _ = x.master.WriteString("x\n") }
	signal := func(sig unix.Signal) func(x *shellTerminal) {
		return func(x *shellTerminal) { require.NoError(x, unix.Kill(x.program(), sig)) }
	}
	endings := map[string]ending{
		"after a normal end":             {waits + "exit 3", typed, "status 3.", nil},
		"after a signal":                 {waits + "kill -KILL $$", typed, "status 137.", []string{"--init"}},
		"after SIGTERM to the program":   {waits, signal(unix.SIGTERM), "status 143.", nil},
		"after SIGHUP to the program":    {waits, signal(unix.SIGHUP), "status 129.", nil},
		"after SIGKILL to the program":   {waits, signal(unix.SIGKILL), "status 137.", nil},
		"after the command has set it":   {waits + "stty -icrnl intr ^X; exit 3", typed, "status 3.", nil},
		"after Ctrl-C":                   {waits, func(x *shellTerminal) { _, _ = x.master.WriteString("\x03") }, "status 130.", nil},
		"after SIGABRT to the program":   {waits, signal(unix.SIGABRT), "status ", nil},
		"after the end of its process 1": {waits, func(x *shellTerminal) { require.NoError(x, unix.Kill(x.first(), unix.SIGKILL)) }, "status 137.", nil},
	}
	for name, e := range endings {
		t.Run("of run "+name, func(t *testing.T) {
			t.Parallel()
			c := newTrial(t)
			x := c.atTerminal(c.runArgs(e.flags, "/bin/sh", "-c", e.script)...)
			x.shows("31 87\r\nready")
			x.raw()
			e.end(x)
			x.shows(e.status)
			x.restored()
			c.nothingLeftBut(x.shell.Process.Pid)
		})
		if strings.Contains(name, "process 1") || strings.Contains(name, "SIGTERM") || strings.Contains(name, "SIGHUP") {
			continue
		}
		t.Run("of exec "+name, func(t *testing.T) {
			t.Parallel()
			c := newTrial(t)
			c.detached(kept)
			x := c.atTerminal("exec", c.id, "/bin/sh", "-c", e.script)
			x.shows("31 87\r\nready")
			x.raw()
			e.end(x)
			x.shows(e.status)
			x.restored()
		})
	}
	for name, args := range map[string][]string{"command": {"no-such-command"}, "user": {"--user", "no-such-user", "true"}, "mount": {"--tmpfs", "/etc/passwd", "true"}} {
		t.Run("after a failure for the "+name, func(t *testing.T) {
			c := newTrial(t)
			x := c.atTerminal(c.runArgs(args)...)
			x.shows("status 12")
			require.Equal(t, x.settings, x.now())
			x.until(func() bool { return strings.Count(x.screen(), "\r\n") == 2 }, x.screen)
		})
	}
}

// nothingLeftBut is nothingLeft, but for the shell of a terminal.
func (c *trial) nothingLeftBut(pid int) {
	c.Helper()
	var left []string
	c.until(func() bool {
		left = c.left()
		return len(left) == 1 && strings.HasPrefix(left[0], fmt.Sprintf("process %d ", pid))
	}, func() string { return "left: " + strings.Join(left, "\n") })
}

func TestTheTerminalIsTheContainersOwn(t *testing.T) {
	show := "tty; stty -a | grep -o 'intr = ..'; ls -l /dev/console; ls -1 /dev/pts; echo end"
	c := newTrial(t)
	x := c.atTerminal(c.runArgs(nil, "/bin/sh", "-c", show)...)
	x.shows("end\r\n")
	for _, line := range []string{"/dev/pts/0\r\n", "intr = ^C", "crw--w---- 1 root tty 136, 0 ", "/dev/console\r\n0\r\nptmx\r\n"} {
		require.Contains(t, x.screen(), line)
	}

	c = newTrial(t)
	x = c.atTerminal(c.runArgs([]string{"--tty=false"}, "/bin/sh", "-c", "tty; "+answer("[ -e /dev/console ]")+"; echo ready; read line; echo got $line")...)
	x.shows("not a tty\r\nno\r\nready\r\n")
	require.Equal(t, x.settings, x.now())
	_, _ = x.master.WriteString("this\n")
	x.shows("got this\r\nstatus 0.")
}

func TestANewSizeOfTheWindowIsTold(t *testing.T) {
	script := "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done"
	for name, start := range map[string]func(c *trial) *shellTerminal{
		"to run": func(c *trial) *shellTerminal { return c.atTerminal(c.runArgs(nil, "/bin/sh", "-c", script)...) },
		"to exec": func(c *trial) *shellTerminal {
			c.detached(kept)
			return c.atTerminal("exec", c.id, "/bin/sh", "-c", script)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			x := start(c)
			x.shows("ready")
			require.NoError(t, pty.Setsize(x.master, &pty.Winsize{Rows: 44, Cols: 101}))
			x.shows("44 101\r\nstatus 0.")
		})
	}
}

func TestExecHasATerminalToo(t *testing.T) {
	c := newTrial(t)
	c.detached(kept, "--tty")
	x := c.atTerminal("exec", c.id, "/bin/sh", "-c", "tty; id -u; read line; echo got $line")
	x.shows("/dev/pts/1\r\n0\r\n")
	x.raw()
	_, _ = x.master.WriteString("this\n")
	x.shows("got this\r\nstatus 0.")
	x.restored()
	require.Equal(t, result{"/dev/pts/1\n", "", 0}, c.final("exec", "-t", c.id, "tty"))
	require.Equal(t, result{"not a tty\n", "", 1}, c.final("exec", c.id, "tty"))
}

func TestATerminalWithoutOneOutside(t *testing.T) {
	c := newTrial(t)
	cmd := c.call(c.runArgs([]string{"-t"}, "/bin/sh", "-c", "tty; read line; echo got $line; read line || echo end")...)
	cmd.Stdin = strings.NewReader("this\n")
	r := outcome(t, cmd)
	require.Equal(t, 0, r.status)
	require.Empty(t, r.stderr)
	require.Contains(t, r.stdout, "/dev/pts/0\n")
	require.Contains(t, r.stdout, "got this\n")
	require.Contains(t, r.stdout, "end\n")
	c.nothingLeft()
}

// What is printed at a terminal whose output no terminal shows is what the command prints.
func TestLinesThatGoToAPipeEndWithLF(t *testing.T) {
	const script = "echo one; echo two"
	want := result{"one\ntwo\n", "", 0}
	c := newTrial(t)
	require.Equal(t, want, c.final(c.runArgs([]string{"-t"}, "/bin/sh", "-c", script)...), "run")
	c.detached(kept)
	require.Equal(t, want, c.final("exec", "-t", c.id, "/bin/sh", "-c", script), "exec")
	b := newBundle(t, "sh", "-c", script)
	b.spec.Process.Terminal = true
	require.Equal(t, want, b.run(), "run --bundle")
	// The other way round: what is typed is of a terminal, what is shown is not.
	cmd := c.call("exec", "-t", c.id, "/bin/sh", "-c", script)
	master, slave, err := pty.Open()
	require.NoError(t, err)
	defer master.Close()
	defer slave.Close()
	cmd.Stdin = slave
	require.Equal(t, want, outcome(t, cmd), "exec with a terminal for its input")
}
