//go:build linux

package trace

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/needs"
)

// asProgram is in the environment of a test binary that is a program under trace. Its value is the name of the program.
const asProgram = "WORKSHOP_AS_PROGRAM"

// limit is long, as some machines are slow.
const limit = 30 * time.Second

func TestMain(m *testing.M) {
	if program := programs[os.Getenv(asProgram)]; program != nil {
		program()
		return
	}
	os.Exit(m.Run())
}

// programs are run by the test binary.
var programs = map[string]func(){
	"private": func() {
		fmt.Println(unix.Mount("", os.Args[1], "", unix.MS_REC|unix.MS_PRIVATE, ""))
	},
	"signal": func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, unix.SIGUSR1)
		unix.Kill(unix.Getpid(), unix.SIGUSR1)
		fmt.Println(<-signals)
		os.Exit(7)
	},
	"hang": func() {
		child := exec.Command("/proc/self/exe")
		child.Env, child.Stdout = []string{asProgram + "=hang forever"}, os.Stdout
		child.SysProcAttr = &unix.SysProcAttr{Setsid: true}
		fmt.Println(os.Getpid(), child.Start())
		unix.Pause()
	},
	"hang forever": func() {
		fmt.Println(os.Getpid(), nil)
		unix.Exec("/bin/sleep", []string{"sleep", "1000"}, nil)
	},
	"threads": func() {
		for range 10 {
			go func() {
				runtime.LockOSThread()
				unix.Pause()
			}()
		}
		unix.Exec("/bin/true", []string{"true"}, nil)
	},
	"exit": func() {
		// The process ends while its threads start more threads.
		for range 20 {
			go func() {
				runtime.LockOSThread()
				unix.Pause()
			}()
		}
		os.Exit(0)
	},
	"hostname": func() {
		name, err := os.Hostname()
		fmt.Println(name, err)
	},
}

// run traces the test binary as one of the programs.
func run(t *testing.T, program string, limit time.Duration, args ...string) (*exec.Cmd, []Call, error) {
	t.Helper()
	needs.Root(t)
	path, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), asProgram+"="+program)
	cmd.Stdout, cmd.Stderr = new(bytes.Buffer), os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	calls, err := Run(cmd, limit)
	return cmd, calls, err
}

func TestACallThatFails(t *testing.T) {
	cmd, calls, err := run(t, "private", limit, t.TempDir())
	require.NoError(t, err)
	require.Len(t, calls, 1)
	assert.Equal(t, unix.EINVAL, calls[0].Err)
	assert.Equal(t, fmt.Sprintf(`mount("", %q, "", MS_REC|MS_PRIVATE) = EINVAL`, cmd.Args[1]), calls[0].String())
}

func TestAProgramGetsItsSignalsAndKeepsItsStatus(t *testing.T) {
	cmd, _, err := run(t, "signal", limit)
	require.NoError(t, err)
	assert.Equal(t, "user defined signal 1\n", cmd.Stdout.(*bytes.Buffer).String())
	assert.Equal(t, 7, cmd.ProcessState.ExitCode())
}

func TestAProgramThatHangsIsKilledWithAllThatItStarted(t *testing.T) {
	cmd, calls, err := run(t, "hang", 2*time.Second)
	assert.ErrorContains(t, err, "has not ended after 2s")
	assert.Equal(t, "run clone(SIGCHLD)", calls[0].Process+" "+calls[0].String(), "the calls until then are returned")
	output := cmd.Stdout.(*bytes.Buffer).String()
	lines := strings.Split(strings.TrimSpace(output), "\n")
	require.Len(t, lines, 2, output)
	for _, line := range lines {
		var pid int
		_, err := fmt.Sscanf(line, "%d <nil>", &pid)
		require.NoError(t, err, line)
		// What another process has to wait for can stay as a zombie.
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		assert.True(t, len(stat) == 0 || strings.Contains(string(stat), ") Z "), string(stat))
	}
}

func TestAThreadIsNoProcess(t *testing.T) {
	_, calls, err := run(t, "threads", limit)
	require.NoError(t, err)
	require.Len(t, calls, 1)
	assert.Equal(t, `run execve("/bin/true", ["true"])`, calls[0].Process+" "+calls[0].String())
}

func TestAProgramThatEndsWhileAThreadStarts(t *testing.T) {
	for range 100 {
		start := time.Now()
		_, _, err := run(t, "exit", limit)
		require.NoError(t, err)
		require.Less(t, time.Since(start), limit)
	}
}

func TestAProgramIsInTheNamespacesOfTheCallingThread(t *testing.T) {
	needs.Root(t)
	type result struct {
		cmd   *exec.Cmd
		calls []Call
		err   error
	}
	done := make(chan result)
	go func() {
		defer close(done)
		// Without UnlockOSThread the thread ends with this goroutine, and the namespace with it.
		runtime.LockOSThread()
		if !assert.NoError(t, unix.Unshare(unix.CLONE_NEWUTS)) || !assert.NoError(t, unix.Sethostname([]byte("traced"))) {
			return
		}
		cmd, calls, err := run(t, "hostname", limit)
		done <- result{cmd, calls, err}
	}()
	r, ok := <-done
	require.True(t, ok)
	require.NoError(t, r.err)
	assert.Equal(t, "traced <nil>\n", r.cmd.Stdout.(*bytes.Buffer).String())
}

func TestAnotherChildOfTheCallerIsLeftAlone(t *testing.T) {
	other := exec.Command("/bin/sh", "-c", "exit 3")
	require.NoError(t, other.Start())
	_, _, err := run(t, "hostname", limit)
	require.NoError(t, err)
	other.Wait()
	require.NotNil(t, other.ProcessState)
	assert.Equal(t, 3, other.ProcessState.ExitCode())
}

func TestWordsOfACall(t *testing.T) {
	private := Call{"child", "mount", []string{`"none"`, `"/"`, `NULL`, "MS_REC|MS_PRIVATE"}, 0}
	for _, word := range []string{`"none"`, `"/"`, "NULL", "MS_REC", "MS_PRIVATE", "MS_REC|MS_PRIVATE"} {
		assert.True(t, private.Has(word), word)
	}
	assert.False(t, private.Has("MS_NODEV"))
	assert.False(t, private.Has("none"), "a word is a whole argument, or a flag")
	assert.False(t, Call{"child", "chroot", []string{`"/MS_NODEV|x"`}, 0}.Has(`x"`), "a path is no set of flags")
}
