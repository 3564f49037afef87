//go:build linux

package trace

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
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
	"hostname": func() {
		name, err := os.Hostname()
		fmt.Println(name, err)
	},
}

// run traces the test binary as one of the programs.
func run(t *testing.T, program string, limit time.Duration, args ...string) (*exec.Cmd, []Call, error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: make test")
	}
	path, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), asProgram+"="+program)
	cmd.Stdout, cmd.Stderr = new(bytes.Buffer), os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	calls, err := Run(cmd, limit)
	return cmd, calls, err
}

// step traces a step with /bin/true in the container, and returns a line for each call. The step was compiled before if
// WORKSHOP_PROGRAMS says where.
func step(t *testing.T, folder string) []string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: make test")
	}
	path := filepath.Join(os.Getenv("WORKSHOP_PROGRAMS"), folder)
	if os.Getenv("WORKSHOP_PROGRAMS") == "" {
		if _, err := exec.LookPath("go"); err != nil {
			t.Skipf("needs a compiler: %v", err)
		}
		dir, err := os.MkdirTemp("", "trace-")
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		path = filepath.Join(dir, folder)
		build(t, path, "../../"+folder)
	}
	cmd := exec.Command(path, "run", "/bin/true")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	calls, err := Run(cmd, limit)
	require.NoError(t, err)
	require.Equal(t, 0, cmd.ProcessState.ExitCode(), stderr.String())

	id := regexp.MustCompile(`container-workshop-\d+-\d+`)
	var lines []string
	for _, call := range calls {
		line := strings.ReplaceAll(call.String(), path, "PROGRAM")
		lines = append(lines, call.Process+": "+id.ReplaceAllString(line, "ID"))
	}
	return lines
}

// build compiles a step. Under sudo it does so as the caller, whose build cache it is.
func build(t *testing.T, path, folder string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-o", path, folder)
	uid, _ := strconv.Atoi(os.Getenv("SUDO_UID"))
	gid, _ := strconv.Atoi(os.Getenv("SUDO_GID"))
	if uid != 0 {
		require.NoError(t, os.Chown(filepath.Dir(path), uid, gid))
		cmd.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
}

// start is how a step that makes namespaces starts child.
func start(flags string) []string {
	return []string{
		"run: clone(" + flags + ")",
		"child: prctl(PR_SET_PDEATHSIG, SIGKILL)",
		`child: execve("/proc/self/exe", ["PROGRAM", "child", "/bin/true"])`,
		`child: sethostname("container")`,
	}
}

const private = `child: mount("", "/", "", MS_REC|MS_PRIVATE)`

func TestCallsOfTheSteps(t *testing.T) {
	chroot := []string{`child: chroot("/var/lib/container-workshop/rootfs")`, `child: chdir("/")`}
	proc := `child: mount("proc", "/proc", "proc", MS_NOSUID|MS_NODEV|MS_NOEXEC)`
	command := `child: execve("/bin/true", ["/bin/true"])`
	for folder, want := range map[string][][]string{
		"step01-exec":   {{"run: clone(SIGCHLD)", `child: execve("/proc/self/exe", ["PROGRAM", "child", "/bin/true"])`, command}},
		"step04-chroot": {start("CLONE_NEWUTS|CLONE_NEWPID"), chroot, {command}},
		"step05-proc":   {start("CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWPID"), {private}, chroot, {proc, command}},
	} {
		t.Run(folder, func(t *testing.T) {
			var all []string
			for _, part := range want {
				all = append(all, part...)
			}
			assert.Equal(t, all, step(t, folder))
		})
	}
}

func TestCallsOfTheLastStep(t *testing.T) {
	join, remove := cgroups(t)
	all := append(start("CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWPID"), private)
	all = append(all, join...)
	all = append(all,
		`child: chroot("/var/lib/container-workshop/rootfs")`,
		`child: chdir("/")`,
		`child: mount("proc", "/proc", "proc", MS_NOSUID|MS_NODEV|MS_NOEXEC)`,
		`child: mount("tmpfs", "/mytemp", "tmpfs", MS_NOSUID|MS_NODEV, "size=16m,mode=1777")`,
		`child: execve("/bin/true", ["/bin/true"])`)
	all = append(all, remove...)
	// The directory is made by the first container that has this root file system.
	lines := step(t, "step07-tmpfs")
	assert.Equal(t, all, without(lines, `child: mkdir("/mytemp"`))
}

// cgroups returns the calls that have to do with cgroups of this host.
func cgroups(t *testing.T) (join, remove []string) {
	t.Helper()
	var fs unix.Statfs_t
	require.NoError(t, unix.Statfs("/sys/fs/cgroup", &fs))
	const top, missing = "/sys/fs/cgroup/", " = ENOENT"
	if fs.Type == unix.CGROUP2_SUPER_MAGIC {
		mkdir, enter := `child: mkdir("`+top+`ID", 0755)`, `child: write("`+top+`ID/cgroup.procs", "0")`
		for i, setting := range []string{`cgroup.subtree_control", "+memory +cpu +pids`, `ID/memory.max", "64m`,
			`ID/memory.swap.max", "0`, `ID/cpu.max", "100000`, `ID/pids.max", "64`} {
			if i > 0 {
				mkdir = `child: mkdir("` + top + `ID", 0755) = EEXIST`
			}
			join = append(join, mkdir, `child: write("`+top+setting+`")`, enter)
		}
		return join, []string{`run: rmdir("` + top + `/ID")`, `run: rmdir("` + top + `memory/ID")` + missing,
			`run: rmdir("` + top + `cpu/ID")` + missing, `run: rmdir("` + top + `pids/ID")` + missing}
	}
	for _, s := range [][3]string{{"memory", `memory.limit_in_bytes", "64m`, ""}, {"memory", `memory.memsw.limit_in_bytes", "64m`, " = EEXIST"},
		{"cpu", `cpu.cfs_quota_us", "100000`, ""}, {"pids", `pids.max", "64`, ""}} {
		dir := top + s[0] + "/ID"
		join = append(join, `child: mkdir("`+dir+`", 0755)`+s[2], `child: write("`+dir+"/"+s[1]+`")`, `child: write("`+dir+`/cgroup.procs", "0")`)
	}
	return join, []string{`run: rmdir("` + top + `/ID")` + missing, `run: rmdir("` + top + `memory/ID")`,
		`run: rmdir("` + top + `cpu/ID")`, `run: rmdir("` + top + `pids/ID")`}
}

func without(lines []string, start string) []string {
	var rest []string
	for _, line := range lines {
		if !strings.HasPrefix(line, start) {
			rest = append(rest, line)
		}
	}
	return rest
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

func TestAProgramIsInTheNamespacesOfTheCallingThread(t *testing.T) {
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

func TestIndex(t *testing.T) {
	calls := []Call{
		{"child", "mount", []string{`"none"`, `"/"`, `NULL`, "MS_REC|MS_PRIVATE"}, 0},
		{"child", "chroot", []string{`"/MS_NODEV|x"`}, 0},
		{"child", "mount", []string{`"proc"`, `"/proc"`, `"proc"`, "MS_NODEV"}, unix.EPERM},
	}
	assert.Equal(t, 0, Index(calls, "mount"))
	assert.Equal(t, 0, Index(calls, "mount", `"/"`, "MS_PRIVATE"))
	assert.Equal(t, 2, Index(calls, "mount", "MS_NODEV"))
	assert.Equal(t, -1, Index(calls, "mount", "MS_PRIVATE", "MS_NODEV"))
	assert.Equal(t, -1, Index(calls, "chroot", "x"), "a path is no set of flags")
	assert.Equal(t, -1, Index(calls, "umount2"))
}
