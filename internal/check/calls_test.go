//go:build linux

package check

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/needs"
	"container-workshop/internal/trace"
)

func TestCallsOfAProgram(t *testing.T) {
	rootfs := needs.Rootfs(t)
	makeUntidyFiles(t)
	program := &Program{Path: untidy.program(t), Step: 4, Rootfs: rootfs}
	// The program makes more than a thousand directories, and each call stops it twice.
	all, err := program.callsWithin(time.Minute, os.Stderr)
	require.NoError(t, err)
	assert.Equal(t, "clone(CLONE_NEWUTS|CLONE_NEWPID)", all[0].String())
	assert.Positive(t, calls(all).first("chroot", `"`+rootfs+`"`))
	// It makes directories in both root directories, but on a scratch of the host.
	assert.Positive(t, calls(all).first("mkdir", `"/mytemp"`))
	assert.NoDirExists(t, "/mytemp")
	assert.NoDirExists(t, filepath.Join(rootfs, "left0000"))
}

// rightCalls are the calls of a program without mistakes, on this host's version of cgroups.
func rightCalls() calls {
	memory, swap := limitFile("memory.limit_in_bytes", "memory.max"), limitFile("memory.memsw.limit_in_bytes", "memory.swap.max")
	cgroup := limitFile("/sys/fs/cgroup/memory/x", "/sys/fs/cgroup/x")
	made := calls{{Process: "run", Name: "clone", Args: []string{"CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWPID"}}}
	child := func(name string, args ...string) {
		made = append(made, trace.Call{Process: "child", Name: name, Args: args})
	}
	child("prctl", "PR_SET_PDEATHSIG", "SIGKILL")
	child("execve", `"/proc/self/exe"`, `["x", "child"]`)
	child("sethostname", `"container"`)
	child("mount", `""`, `"/"`, `""`, "MS_REC|MS_PRIVATE")
	child("mkdir", `"`+cgroup+`"`, "0755")
	child("write", `"`+cgroup+"/"+memory+`"`, `"64m"`)
	child("write", `"`+cgroup+"/"+swap+`"`, `"64m"`)
	child("write", `"`+cgroup+`/pids.max"`, `"64"`)
	child("write", `"`+cgroup+"/"+limitFile("cpu.cfs_quota_us", "cpu.max")+`"`, `"100000"`)
	child("write", `"`+cgroup+`/cgroup.procs"`, `"0"`)
	child("chroot", `"/rootfs"`)
	child("chdir", `"/"`)
	child("mount", `"proc"`, `"/proc"`, `"proc"`, "0")
	child("mount", `"tmpfs"`, `"/mytemp"`, `"tmpfs"`, "0", `"size=16m"`)
	child("execve", `"/bin/true"`, `["/bin/true"]`)
	return append(made, trace.Call{Process: "run", Name: "rmdir", Args: []string{`"` + cgroup + `"`}})
}
