//go:build linux

package coach_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/check"
)

func TestWatchSeesEachSave(t *testing.T) {
	c := begun(t)
	// It says which program it has been given.
	c.examiner(`if build/program run true | grep -q right; then state=has; else state=lacks; fi
echo '{"Property":"a property","Step":2,"State":"'$state'"}'; echo '{"Leftovers":[]}'`)
	program := func(says string) string {
		return `printf 'package main\nfunc main() { println("` + says + `") }\n' > work/mine/main.go.new; rm work/mine/*.go; mv work/mine/main.go.new work/mine/main.go`
	}
	c.shell(`sed -i 's/2>&1 |/|/; s/run true/run true 2>\&1/' build/check; ` + program("wrong"))
	w := c.onTerminal("watch")
	w.shows("Step 2: hostname")
	w.shows("✗ \x1b[ma property")
	w.shows("quit")
	c.shell(program("right"))
	w.shows("saw main.go")
	w.shows("Step 2 passed.")
	w.shows("quit")
	c.shell(program("right, but"))
	c.shell(`printf 'package main\nfunc main() { gone() }\n' > work/mine/main.go`)
	w.shows("saw main.go")
	w.shows("your program does not compile")
	w.shows("work/mine/main.go:2:15: undefined: gone")
	w.shows("quit")
	// A second file, and one of the same size and time as before.
	c.shell(`cp -p work/mine/main.go work/time; printf 'package main\nfunc gone() {}\n' > work/mine/other.go`)
	w.shows("saw other.go")
	w.shows("✗ \x1b[ma property")
	c.shell(`printf 'package main\nfunc main() { good() }\n' > work/new; touch -r work/time work/new; mv work/new work/mine/main.go`)
	w.shows("saw main.go")
	w.shows("undefined: good")
	w.types("q")
	w.ends(0)
}

func TestASaveCancelsWhatIsGoingOn(t *testing.T) {
	c := begun(t)
	// It does not end before its standard input does, and notes that.
	c.examiner(`echo $$ >> work/began; echo '{"Property":"slow","Step":1,"State":"has"}'; cat > work/nothing; echo $$ >> work/ended`)
	w := c.onTerminal("watch")
	w.shows("checking … 1: slow")
	c.shell("touch -d yesterday work/mine/main.go")
	w.shows("saw main.go")
	w.shows("checking … 1: slow")
	assert.Equal(t, strings.Split(c.read("work/began"), "\n")[0]+"\n", c.read("work/ended"), "the first has ended before the second began")
	w.types("q")
	w.ends(0)
	assert.Equal(t, c.read("work/began"), c.read("work/ended"))
}

// A program that never ends, with a process that would outlive it.
const endless = `package main

import (
	"os/exec"
	"time"
)

func main() {
	exec.Command("setsid", "sleep", "1000").Start()
	time.Sleep(time.Hour)
}
`

func TestNoProcessOutlivesAWatch(t *testing.T) {
	c := begun(t)
	const mark = "WATCHED_BY=TestNoProcessOutlivesAWatch"
	c.env = append(c.env, mark)
	c.shell("rm work/mine/*.go; printf '%s' '" + endless + "' > work/mine/main.go")
	sleeping := func() (pids []int) {
		for _, pid := range check.Marked(mark) {
			if check.Stat(pid, 2) == "sleep" {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	// another waits for a process other than the one given, and returns it.
	another := func(than int) (found int) {
		require.Eventually(t, func() bool {
			now := sleeping()
			if len(now) == 0 || now[0] == than {
				return false
			}
			found = now[0]
			return true
		}, time.Minute, time.Millisecond)
		return found
	}
	w := c.onTerminal("watch")
	before := another(0)
	c.shell("touch -d yesterday work/mine/main.go")
	w.shows("saw main.go")
	another(before)
	assert.NotContains(t, sleeping(), before, "the save ends the processes of the examination before")
	w.types("q")
	w.ends(0)
	assert.Empty(t, check.Marked(mark))
}

func TestKeysOfAWatch(t *testing.T) {
	c := begun(t)
	c.finds(passing(1), map[string]any{"Property": "a property", "Step": 2, "State": "lacks", "Where": "step02-uts/README.md#how-it-works"})
	// A pager that shows how it was called, and what it was given.
	c.shell("mkdir bin; printf '#!/bin/sh\\necho pager: \"$@\"; cat\\nread line </dev/tty\\necho read: $line\\n' > bin/less; chmod 755 bin/less")
	c.env = append(c.env, "PATH="+filepath.Join(c.dir, "bin")+":"+os.Getenv("PATH"))
	w := c.onTerminal("watch")
	w.shows("✗ \x1b[ma property")
	w.shows("quit")
	assert.NotEqual(t, w.before, w.settings())
	w.types("h")
	w.shows("Hint 1 of 3 for step 2")
	w.shows("The next hint: press h")
	w.types("h")
	w.shows("Hint 2 of 3 for step 2")
	w.types("n")
	w.shows("step 2 has not passed yet")
	w.types("l")
	w.shows("q to return")
	w.shows(" +/^How it works$\n")
	lesson := w.shows("\nRead more\n")
	assert.Contains(t, lesson, "\nHow it works\n────────────\n")
	assert.Contains(t, lesson, "\n[folded: The change: ")
	for _, solution := range []string{"\n+", "```", "](", "<details>", "Linux <!--"} {
		assert.NotContains(t, lesson, solution)
	}
	assert.Equal(t, w.before, w.settings())
	w.types("line\r")
	w.shows("read: line")
	w.shows("✗ \x1b[ma property")
	w.shows("quit")
	w.types("h")
	w.shows("Hint 3 of 3 for step 2")
	c.finds(passing(1), passing(2))
	c.shell("touch work/mine/process.go")
	w.shows("saw process.go")
	w.shows("Step 2 passed.")
	c.finds(passing(1), map[string]any{"Property": "a third", "Step": 3, "State": "lacks"})
	w.types("n")
	w.shows("Step 3: process IDs")
	w.shows("the lesson: \x1b[36mstep03-pid/README.md")
	w.shows("✗ \x1b[ma third")
	w.types("h")
	w.shows("Hint 1 of 3 for step 3")
	w.shows("quit")
	// Another terminal can begin the next step, too.
	c.finds(passing(1), passing(3))
	c.does("check")
	c.finds(passing(1), map[string]any{"Property": "a fourth", "Step": 4, "State": "lacks"})
	c.does("start", "--dir", "work/other")
	w.shows("Step 4: root directory")
	w.shows("work/other")
	w.shows("✗ \x1b[ma fourth")
	c.shell("touch -d yesterday work/other/main.go")
	w.shows("saw main.go")
	w.types("\x03")
	w.ends(0)
	assert.Contains(t, c.does("progress"), "work/other at step 4")
}

func TestACancelledExaminationLeavesNothing(t *testing.T) {
	rootfs := os.Getenv("ROOTFS")
	if rootfs == "" {
		rootfs = "/var/lib/container-workshop/rootfs"
	}
	c := cloned(t)
	c.does("start", "--step", "6", "--from", "step06-cgroups")
	cgroups := func() []string {
		found, err := filepath.Glob("/sys/fs/cgroup/*/container-workshop-*")
		require.NoError(t, err)
		unified, err := filepath.Glob("/sys/fs/cgroup/container-workshop-*")
		require.NoError(t, err)
		return append(found, unified...)
	}
	before := cgroups()
	w := c.onTerminal("--rootfs", rootfs, "watch")
	w.shows("checking … 1:")
	require.Eventually(t, func() bool { return len(cgroups()) > len(before) }, 10*time.Second, time.Millisecond)
	w.types("q")
	w.ends(0)
	assert.Equal(t, before, cgroups())
}

func TestAComparisonInterruptsAnExamination(t *testing.T) {
	c := begun(t)
	c.examiner(`case "$*" in *--trace*) exit;; esac; echo '{"Property":"slow","Step":1,"State":"has"}'; cat`)
	w := c.onTerminal("watch")
	w.shows("checking … 1: slow")
	w.types("d")
	w.shows("The same calls in the same order.")
	w.shows("checking … 1: slow")
	w.types("q")
	w.ends(0)
}

func TestCtrlZStopsAWatch(t *testing.T) {
	c := begun(t)
	c.finds(passing(1), lacking("a property"))
	shell := exec.Command("bash", "--norc", "--noprofile", "-i")
	shell.Dir, shell.Env = c.dir, append(os.Environ(), "TERM=xterm", "PS1=ready> ")
	s := c.terminal(shell)
	s.shows("ready> ")
	s.types("build/coach watch\r")
	s.shows("quit")
	s.types("\x1a")
	s.shows("Stopped")
	s.shows("ready> ")
	s.types("fg\r")
	s.shows("build/coach watch\n")
	// Until the coach has the terminal again, it would wait for a whole line.
	require.Eventually(t, func() bool { return s.settings().Lflag&unix.ICANON == 0 }, 10*time.Second, 10*time.Millisecond)
	s.types("h")
	s.shows("Hint 1 of 3 for step 2")
	s.shows("quit")
	s.types("q")
	s.shows("ready> ")
	s.types("exit\r")
	s.ends(0)
}

func TestTheTerminalIsRestored(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		c := begun(t)
		c.finds(passing(1), lacking("a property"))
		w := c.onTerminal("watch")
		w.shows("quit")
		require.NoError(t, w.cmd.Process.Signal(sig))
		w.ends(0)
	}
}

func TestWatchWorksWithoutATerminal(t *testing.T) {
	c := begun(t)
	c.finds(passing(1), lacking("a property"))
	cmd := c.command("watch")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer cmd.Process.Kill()
	text := make(chan string, 100)
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := stdout.Read(buffer)
			if err != nil {
				return
			}
			text <- string(buffer[:n])
		}
	}()
	seen := ""
	until := func(words string) {
		t.Helper()
		for late := time.After(30 * time.Second); !strings.Contains(seen, words); {
			select {
			case more := <-text:
				seen += more
			case <-late:
				require.Fail(t, "not shown", "%q; there is %q", words, seen)
			}
		}
		_, seen, _ = strings.Cut(seen, words)
	}
	until("✗ a property\n")
	c.shell("touch -d yesterday work/mine/main.go")
	until("saw main.go at ")
	until("✗ a property\n")
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	assert.NoError(t, cmd.Wait())
	assert.NotContains(t, seen, "\x1b")
}

func TestTheNextStepIsThatOfTheWatchedProgram(t *testing.T) {
	c := begun(t)
	c.passes("2")
	c.shell("cp -r work/mine work/side")
	c.finds(passing(1))
	w := c.onTerminal("watch", "--step", "1", "--dir", "work/side")
	w.shows("Step 1 passed.")
	w.shows("quit")
	c.finds(passing(1), map[string]any{"Property": "a second", "Step": 2, "State": "lacks"})
	w.types("n")
	w.shows("Step 2: hostname")
	w.shows("work/side")
	w.shows("✗ \x1b[ma second")
	w.types("q")
	w.ends(0)
}
