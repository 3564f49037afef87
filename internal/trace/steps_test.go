//go:build linux

package trace

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/needs"
)

// step traces a step, and returns a line for each call.
func step(t *testing.T, folder string) []string {
	t.Helper()
	rootfs := needs.Rootfs(t)
	path, calls := traced(t, folder)
	id := regexp.MustCompile(`container-workshop-\d+-\d+`)
	var lines []string
	for _, call := range calls {
		line := strings.NewReplacer(path, "PROGRAM", `"--rootfs", "`+rootfs+`", `, "", rootfs, "ROOTFS").Replace(call.String())
		lines = append(lines, call.Process+": "+id.ReplaceAllString(line, "ID"))
	}
	return lines
}

// traced traces a step with /bin/true in the container. The step was compiled before if WORKSHOP_PROGRAMS says where.
func traced(t *testing.T, folder string) (path string, calls []Call) {
	t.Helper()
	rootfs := needs.Rootfs(t)
	path = filepath.Join(os.Getenv("WORKSHOP_PROGRAMS"), folder)
	if os.Getenv("WORKSHOP_PROGRAMS") == "" {
		needs.Compiler(t)
		dir, err := os.MkdirTemp("", "trace-")
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		path = filepath.Join(dir, folder)
		needs.Build(t, path, nil, "../../"+folder)
	}
	args := []string{"run"}
	if folder >= "step04" {
		args = append(args, "--rootfs", rootfs)
	}
	cmd := exec.Command(path, append(args, "/bin/true")...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	calls, err := Run(cmd, limit)
	require.NoError(t, err)
	require.Equal(t, 0, cmd.ProcessState.ExitCode(), stderr.String())
	return path, calls
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
	chroot := []string{`child: chroot("ROOTFS")`, `child: chdir("/")`}
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
	join, remove := cgroupCalls(t)
	all := append(start("CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWPID"), private)
	all = append(all, join...)
	all = append(all,
		`child: chroot("ROOTFS")`,
		`child: chdir("/")`,
		`child: mount("proc", "/proc", "proc", MS_NOSUID|MS_NODEV|MS_NOEXEC)`,
		`child: mount("tmpfs", "/mytemp", "tmpfs", MS_NOSUID|MS_NODEV, "size=16m,mode=1777")`,
		`child: execve("/bin/true", ["/bin/true"])`)
	all = append(all, remove...)
	// The directory is made by the first container that has this root file system.
	lines := step(t, "step07-tmpfs")
	assert.Equal(t, all, without(lines, `child: mkdir("/mytemp"`))
}

// cgroupCalls returns the calls that have to do with cgroups of this host.
func cgroupCalls(t *testing.T) (join, remove []string) {
	t.Helper()
	var fs unix.Statfs_t
	require.NoError(t, unix.Statfs("/sys/fs/cgroup", &fs))
	const top, missing = "/sys/fs/cgroup/", " = ENOENT"
	if fs.Type == unix.CGROUP2_SUPER_MAGIC {
		exists := ""
		for _, setting := range []string{`cgroup.subtree_control", "+memory +cpu +pids`, `ID/memory.max", "64m`,
			`ID/memory.swap.max", "0`, `ID/pids.max", "64`, `ID/cpu.max", "100000`, `ID/cgroup.procs", "0`} {
			join = append(join, `child: mkdir("`+top+`ID", 0755)`+exists, `child: write("`+top+setting+`")`)
			exists = " = EEXIST"
		}
		return join, []string{`run: rmdir("` + top + `ID")`, `run: rmdir("` + top + `memory/ID")` + missing,
			`run: rmdir("` + top + `cpu/ID")` + missing, `run: rmdir("` + top + `pids/ID")` + missing}
	}
	for _, s := range [][3]string{
		{"memory", `memory.limit_in_bytes", "64m`}, {"memory", `memory.memsw.limit_in_bytes", "64m`, " = EEXIST"},
		{"pids", `pids.max", "64`}, {"cpu", `cpu.cfs_quota_us", "100000`},
		{"memory", `cgroup.procs", "0`, " = EEXIST"}, {"pids", `cgroup.procs", "0`, " = EEXIST"}, {"cpu", `cgroup.procs", "0`, " = EEXIST"},
	} {
		// The path of a write is the kernel's. The directory can be a link to cpu,cpuacct.
		tree, err := filepath.EvalSymlinks(top + s[0])
		require.NoError(t, err)
		join = append(join, `child: mkdir("`+top+s[0]+`/ID", 0755)`+s[2], `child: write("`+tree+"/ID/"+s[1]+`")`)
	}
	return join, []string{`run: rmdir("` + top + `ID")` + missing, `run: rmdir("` + top + `memory/ID")`,
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

func TestComparisonOfTheLastSteps(t *testing.T) {
	_, six := traced(t, "step06-cgroups")
	_, seven := traced(t, "step07-tmpfs")
	_, again := traced(t, "step07-tmpfs")
	assert.Empty(t, Compare(seven, again))
	assert.Equal(t, []string{`- mount("tmpfs", "/mytemp", "tmpfs", MS_NOSUID|MS_NODEV, "size=16m,mode=1777")`,
		"child makes this call after chroot. Yours does not."}, lines(Compare(seven, six)))
}
