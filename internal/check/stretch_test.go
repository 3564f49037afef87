//go:build linux

package check

import (
	"errors"
	"go/format"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/needs"
)

// kept are properties that a step does not lose by an exercise, whatever that is: each is of one step, and soon seen.
var kept = []string{
	"no open files", "ends with exit 3", "signals sent to run",
	"is container",
	"is killed with SIGKILL",
	"is the root file system",
	"/proc is mounted in",
	"takes more memory", "cgroups are gone",
	"/mytemp is a tmpfs",
}

func TestStretchIsNotInTheStepsAndInTheSolutions(t *testing.T) {
	rootfs := needs.Rootfs(t)
	for step := 1; step <= 7; step++ {
		dir := folder(t, step)
		t.Run(dir, func(t *testing.T) {
			t.Cleanup(sweep)
			unchanged := &Program{Path: variant{dir, dir, nil}.program(t), Step: step, Rootfs: rootfs, Few: testing.Short()}
			for _, s := range solutions {
				exercise := named(t, Stretch, s.exercise)
				if exercise.Step != step {
					continue
				}
				t.Run(s.exercise, func(t *testing.T) {
					err := exercise.Check(unchanged)
					assert.Error(t, err)
					assert.False(t, errors.Is(err, ErrUnclear), "%v", err)

					solved := *unchanged
					solved.Path = s.variant(t).program(t)
					_, err = ExamineStretch(&solved, func(f Finding) {
						if f.Property == exercise.Name || f.Step < step {
							assert.Equal(t, Has, f.State, "%s: %s", f.Property, f.Seen)
						}
					})
					assert.NoError(t, err)
					for _, part := range kept {
						if p := property(t, part); p.Step <= step {
							assert.NoError(t, p.Check(&solved), p.Name)
						}
					}
				})
			}
		})
	}
}

// wrongSolutions are edits on solutions, which the checks have to see.
var wrongSolutions = []struct {
	exercise, mistake string
	edits             []string
}{
	{"--env KEY=VALUE", "commas separate", []string{"pflag.StringArray", "pflag.StringSlice"}},
	{"--workdir DIR", "errors ignored", []string{"os.Chdir(*workdir); err != nil", "os.Chdir(*workdir); false && err != nil"}},
	{"--domainname NAME", "no UTS namespace", []string{"	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUTS\n", ""}},
	{"--init", "orphans stay", []string{"unix.Wait4(-1, &", "unix.Wait4(cmd.Process.Pid, &"}},
	{"--init", "ends with the first process", []string{"case pid == cmd.Process.Pid:", "default:"}},
	{"--init", "signals stay with process 1", []string{"		for sig := range signals {\n			cmd.Process.Signal(sig)\n", "		for range signals {\n"}},
	{"--user UID[:GID]", "no parent-death signal", []string{"unix.Prctl(unix.PR_SET_PDEATHSIG", "unix.Prctl(unix.PR_GET_DUMPABLE"}},
	{"--user UID[:GID]", "groups of the caller", []string{"unix.Setgroups(nil)", "error(nil)"}},
	{"--user UID[:GID]", "-1 in 32 bits", []string{"10, 31", "10, 32"}},
	{"--volume SRC:DST", "mounts shared", []string{"unix.MS_REC|unix.MS_PRIVATE", "unix.MS_REC|unix.MS_SHARED"}},
	{"pivot_root in place of chroot", "old root left", []string{`unix.Unmount(".", unix.MNT_DETACH)`, "error(nil)"}},
	{"without sudo", "root gets a user namespace, too", []string{"if os.Geteuid() != 0 {", "if true {"}},
	{"without sudo", "no group", []string{"		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}\n", ""}},
	{"without sudo", "another user", []string{"{HostID: os.Geteuid(), Size: 1}", "{ContainerID: 1, HostID: os.Geteuid(), Size: 1}"}},
	{"--cpuset LIST", "unknown processors", []string{"!have.IsSet(cpu)", "false"}},
	{"--cpuset LIST", "no limit", []string{"unix.SchedSetaffinity(0, &wanted)", "nil"}},
	{"a line about memory", "always", []string{"n > 0", "n >= 0"}},
	{"exec PID COMMAND", "root directory of the host", []string{"	*rootfs = \".\"\n	return changeRoot()\n", "	return nil\n"}},
	{"exec PID COMMAND", "no limits", []string{`/container-workshop-")`, `/nowhere")`}},
	{"exec PID COMMAND", "hostname of the host", []string{"unix.CLONE_NEWNS|unix.CLONE_NEWPID|unix.CLONE_NEWUTS", "unix.CLONE_NEWNS|unix.CLONE_NEWPID"}},
	{"exec PID COMMAND", "processes of the host", []string{"unix.CLONE_NEWNS|unix.CLONE_NEWPID|unix.CLONE_NEWUTS", "unix.CLONE_NEWNS|unix.CLONE_NEWUTS"}},
}

func TestStretchSeesMistakes(t *testing.T) {
	rootfs := needs.Rootfs(t)
	// Where nothing is compiled, there are only the solutions.
	if os.Getenv("WORKSHOP_PROGRAMS") != "" {
		return
	}
	usual := Patience
	defer func() { Patience = usual }()
	// What is waited for does not come.
	Patience = 2 * time.Second
	for _, m := range wrongSolutions {
		t.Run(m.exercise+": "+m.mistake, func(t *testing.T) {
			t.Cleanup(sweep)
			exercise := named(t, Stretch, m.exercise)
			i := slices.IndexFunc(solutions, func(s solution) bool { return s.exercise == m.exercise })
			require.GreaterOrEqual(t, i, 0)
			wrong := solutions[i].variant(t)
			wrong.edits = slices.Concat(wrong.edits, m.edits)
			err := exercise.Check(&Program{Path: wrong.program(t), Step: exercise.Step, Rootfs: rootfs})
			assert.Error(t, err)
			assert.False(t, errors.Is(err, ErrUnclear), "%v", err)
		})
	}
}

func TestStretchHasExercisesForEachStep(t *testing.T) {
	for step := 1; step <= 7; step++ {
		assert.Contains(t, []int{2, 3}, len(Beyond(step)), step)
	}
	solved := map[string]bool{}
	for _, s := range solutions {
		solved[named(t, Stretch, s.exercise).Name] = true
	}
	for _, exercise := range Stretch {
		assert.True(t, solved[exercise.Name], exercise.Name)
		assert.NotEmpty(t, exercise.Why, exercise.Name)
	}
}

func TestSolutionsAreFormatted(t *testing.T) {
	steps(t)
	for _, s := range solutions {
		for _, text := range s.variant(t).sources(t) {
			formatted, err := format.Source([]byte(text))
			require.NoError(t, err, s.exercise)
			assert.Equal(t, string(formatted), text, s.exercise)
		}
	}
}
