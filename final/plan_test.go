//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/trace"
)

// planLine is the line of plan for a stage: step, call, man page. The system calls below it are indented.
var planLine = regexp.MustCompile(`^(-|0[1-7]) +(\S.*\S) +(\S+\([0-9][a-z]*\))$`)

// path is what plan cannot know: where process 1 finds the command is decided when everything is mounted.
var path = regexp.MustCompile(`execve\("[^"]*"\)`)

// stages are step, call and man page of each stage in the output of plan.
func stages(t *testing.T, plan string) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(plan) {
		if line[0] != ' ' {
			fields := planLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
			require.NotNil(t, fields, line)
			all = append(all, strings.Join(fields[1:], " "))
		}
	}
	return all
}

func TestPlanHasTheStagesThatRunExplains(t *testing.T) {
	for _, flags := range [][]string{
		nil,
		{"--init", "--user", "1", "--sysctl", "net.ipv4.ip_forward=1", "--ulimit", "core=0"},
		{"--network", "host", "--security-opt", "no-new-privileges=false", "--security-opt", "seccomp=unconfined", "--tmpfs", "/x:size=1m,uid=3"},
		{"--privileged", "--cap-drop", "KILL"},
	} {
		args := append(append([]string{"--rootfs", needRootfs(t)}, flags...), "true")
		planned := final(t, append([]string{"plan"}, args...)...)
		require.Equal(t, []any{0, ""}, []any{planned.status, planned.stderr})
		explained := final(t, append([]string{"run", "--explain"}, args...)...)
		require.Equal(t, 0, explained.status, explained.stderr)
		var made []string
		for line := range strings.Lines(explained.stderr) {
			fields := explainLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
			if fields != nil && fields[2] == "container" {
				call := path.ReplaceAllString(fields[4], "execve(command)")
				made = append(made, fields[3]+" "+call+" "+fields[5]+"("+fields[6]+")")
			}
		}
		require.NotEmpty(t, made)
		require.Equal(t, made, stages(t, planned.stdout))
		// Lists use no system call without a name.
		require.NotContains(t, planned.stdout, "syscall_")
	}
}

// A list that no test plans may use a call without a name, too.
func TestPlanKnowsEverySystemCallOfAList(t *testing.T) {
	names, err := os.ReadFile("calls/names.go")
	require.NoError(t, err)
	files, err := filepath.Glob("become/*.go")
	require.NoError(t, err)
	count := 0
	for _, name := range append(files, "guard/guard.go", "calls/list.go") {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, call := range regexp.MustCompile(`unix\.SYS_\w+`).FindAllString(string(content), -1) {
			assert.True(t, strings.Contains(string(names), "\t{"+call+", "), "%s: add %s to shapes in calls/names.go", name, call)
			count++
		}
	}
	require.Greater(t, count, 50)
}

func TestPlanSaysWhatProcess1Does(t *testing.T) {
	r := final(t, "plan", "--rootfs", needRootfs(t), "--hostname", "mine", "--tmpfs", "/x:size=1m", "echo", "two words")
	require.Equal(t, 0, r.status, r.stderr)
	for _, line := range []string{
		`sethostname("mine", 4)`,
		`fsopen("tmpfs", FSOPEN_CLOEXEC) = s`,
		`, FSCONFIG_SET_STRING, "size", "1048576", 0)`,
		`pivot_root(".", ".")`,
		`umount2(".", MNT_DETACH)`,
		`prctl(PR_SET_NO_NEW_PRIVS, 1)`,
		`execve(<path of the command>, ["echo", "two words"], ["PATH=`,
	} {
		assert.Contains(t, r.stdout, line)
	}
}

// Plan starts no process, and makes nothing that lasts.
func TestPlanMakesNothing(t *testing.T) {
	c := newTrial(t)
	args := c.runArgs([]string{"--init"}, "true")
	for _, m := range []struct {
		verb  string
		calls bool
	}{{"plan", false}, {"run", true}} {
		cmd := c.call(append([]string{m.verb}, args[1:]...)...)
		var output bytes.Buffer
		cmd.Stdout = &output
		made, err := trace.Run(cmd, patience)
		require.NoError(t, err)
		require.Equal(t, m.calls, len(made) > 0, "%s: %v", m.verb, made)
		require.Equal(t, !m.calls, strings.Contains(output.String(), "pivot_root"))
		c.nothingLeft()
	}
}

func TestPlanOfABundle(t *testing.T) {
	c := newBundle(t, "echo", "of a bundle")
	c.spec.Hostname = "bundled"
	c.spec.Linux.Namespaces = append(c.spec.Linux.Namespaces, specs.LinuxNamespace{Type: "time"})
	c.write()
	for _, args := range [][]string{{"plan", "--bundle", c.dir}, {"plan", "--bundle", c.dir, c.id}} {
		r := c.final(args...)
		require.Equal(t, []any{0, ""}, []any{r.status, r.stderr})
		for _, words := range []string{`sethostname("bundled", 7)`, "unshare(CLONE_NEWTIME)", "clone(CLONE_PARENT|CLONE_NEWNS|", `["echo", "of a bundle"]`} {
			require.Contains(t, r.stdout, words)
		}
		require.NotContains(t, r.stdout, "syscall_")
	}
	c.nothingLeft()
	refused(t, c.final("plan", "--bundle", filepath.Join(c.dir, "none")), 1, "config.json")
}

func TestPlanRefusesWhatRunRefuses(t *testing.T) {
	for _, args := range [][]string{{"--no-such-flag", "true"}, {"--memory", "1q", "true"}, {}} {
		planned, run := final(t, append([]string{"plan"}, args...)...), final(t, append([]string{"run"}, args...)...)
		require.NotZero(t, planned.status)
		require.Equal(t, run.stderr, planned.stderr)
	}
	help := final(t, "plan", "--help")
	require.Equal(t, []any{0, ""}, []any{help.status, help.stderr})
	require.Contains(t, help.stdout, "--bundle DIR")
}
