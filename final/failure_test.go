//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A place is one stage of a side.
type place struct {
	side  string
	index int
	call  string
	// network says that the trial has a network of its own.
	network bool
}

// trial makes a trial for a place.
func (p place) trial(t *testing.T) *trial {
	t.Helper()
	if p.network {
		return newNetTrial(t).trial
	}
	return newTrial(t)
}

// manyStages are flags with which as many stages as possible are worked through.
func manyStages(t *testing.T) []string {
	return []string{
		"--init", "--tty", "--read-only", "--user", "1", "--volume", t.TempDir() + ":/data", "--tmpfs", "/more", "--sysctl", "net.ipv4.ip_forward=1",
		"--oom-score-adj", "9", "--ulimit", "nofile=100", "--cpuset-cpus", "0", "--device", "/dev/null:/dev/mine",
	}
}

// interrupted returns a call that is interrupted at a place. For action see interruptEnv.
func (c *trial) interrupted(p place, action string, flags []string, command ...string) *exec.Cmd {
	c.Helper()
	cmd := c.call(c.runArgs(flags, command...)...)
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%s %d %s", interruptEnv, p.side, p.index, action))
	// Whoever stays at a stage keeps a pipe open, so this is a file.
	stderr, err := os.Create(filepath.Join(c.TempDir(), "stderr"))
	require.NoError(c, err)
	cmd.Stderr = stderr
	c.Cleanup(func() {
		if said, _ := os.ReadFile(stderr.Name()); c.Failed() {
			c.Logf("%v said: %s", cmd.Args, said)
		}
		stderr.Close()
	})
	return cmd
}

// places returns all stages of all sides, by letting each of them fail. It requires of each what point "failure at any stage
// leaves nothing" asks for.
func places(t *testing.T, flags []string, network bool, sides ...string) []place {
	t.Helper()
	var all []place
	for _, side := range sides {
		for index, done := 0, false; !done; index++ {
			p := place{side: side, index: index, network: network}
			// Nor does it go on if you run no such test.
			done = true
			t.Run(fmt.Sprintf("%s %d fails", side, index), func(t *testing.T) {
				c := p.trial(t)
				r := outcome(t, c.interrupted(p, "fail", flags, "true"))
				r.stderr = strings.Replace(r.stderr, remarks(), "", 1)
				if !strings.Contains(r.stderr, errInterrupted.Error()) {
					require.Equal(t, result{}, r)
					c.nothingLeft()
					return
				}
				done = false
				p.call = stageOf(r.stderr, c.root, c.id)
				require.NotEmpty(t, p.call)
				t.Log(p.call)
				if !strings.HasPrefix(p.call, "rmdir(") && p.side != "unplug" {
					refused(t, r, 125)
				} else {
					// The status is the command's. What cannot be removed is there, and can be removed later.
					refused(t, r, 0, "warning: ", "delete --force "+c.id)
					require.NotEmpty(t, c.left())
					require.Equal(t, result{}, c.final("delete", c.id))
				}
				c.nothingLeft()
			})
			if t.Failed() {
				return nil
			}
			if !done {
				all = append(all, p)
			}
		}
	}
	return all
}

func TestFailureAtAnyStageLeavesNothing(t *testing.T) {
	flags := manyStages(t)
	all := places(t, flags, false, "host", "state", "inside", "container")
	var calls []string
	for _, p := range all {
		calls = append(calls, p.side+" "+p.call)
	}
	for _, call := range []string{"host clone(", "state mkdir(", "host rmdir(", "container pivot_root(", "inside move_mount(", "container seccomp(", "container execve(", `inside open("/dev/pts/ptmx")`} {
		require.True(t, slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, call) }), "%s is no stage of\n%s", call, strings.Join(calls, "\n"))
	}
	killAll(t, all, flags)
}

// The helper makes a network in stages of its own, and takes it away in others.
func TestFailureAtAnyStageOfANetworkLeavesNothing(t *testing.T) {
	flags := []string{"--network", "bridge"}
	all := places(t, flags, true, "network", "unplug")
	var calls []string
	for _, p := range all {
		calls = append(calls, p.side+" "+p.call)
	}
	for _, call := range []string{
		`network sendmsg(RTM_NEWLINK, "workshop0", bridge)`, `network write("/proc/sys/net/ipv4/ip_forward", 1)`, `network sendmsg(NFT_MSG_NEWRULE`,
		`network recvmsg(network namespace)`,
		`network sendmsg(RTM_SETLINK, "ws0-2", up)`, `unplug sendmsg(RTM_DELLINK, "workshop0")`, `unplug sendmsg(NFT_MSG_NEWRULE`,
	} {
		require.True(t, slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, call) }), "%s is no stage of\n%s", call, strings.Join(calls, "\n"))
	}
	killAll(t, all, flags)
	t.Run("helper is killed", func(t *testing.T) {
		for i, p := range all {
			if p.side == "network" && (i%3 == 0 || !testing.Short()) {
				t.Run(fmt.Sprintf("%d %s", p.index, strings.ReplaceAll(p.call, "/", "|")), func(t *testing.T) {
					t.Parallel()
					killHelper(t, p, flags)
				})
			}
		}
	})
}

// The helper works at the network while others make the container. If they fail, or if somebody kills them, the helper gives up.
func TestFailureBesideTheNetworkLeavesNothing(t *testing.T) {
	flags := []string{"--network", "bridge"}
	all := places(t, flags, true, "state")
	waits := slices.IndexFunc(all, func(p place) bool { return p.call == "open(net)" })
	require.NotEqual(t, -1, waits, "%v", all)
	killRun(t, all[waits], flags)
}

// killHelper kills the helper at a place of its own.
func killHelper(t *testing.T, p place, flags []string) {
	c := p.trial(t)
	cmd := c.interrupted(p, filepath.Join(t.TempDir(), "never"), flags, "true")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	require.NoError(t, unix.Kill(c.atStage(), unix.SIGKILL))
	_ = cmd.Wait()
	refused(t, result{"", stderr.String(), cmd.ProcessState.ExitCode()}, 125, "died without an answer: signal: killed")
	c.nothingLeft()
}

// killAll kills each of the processes at each place. If the tests are to be short, it kills one of the processes at each.
func killAll(t *testing.T, all []place, flags []string) {
	for k, kill := range []struct {
		name   string
		do     func(t *testing.T, p place, flags []string)
		places []place
	}{{"run is killed", killRun, all}, {"process 1 is killed", killFirst, all}, {"monitor is killed", killMonitor, beforeItRuns(all)}} {
		t.Run(kill.name, func(t *testing.T) {
			for i, p := range kill.places {
				if testing.Short() && i%3 != k {
					continue
				}
				t.Run(fmt.Sprintf("%s %d %s", p.side, p.index, strings.ReplaceAll(p.call, "/", "|")), func(t *testing.T) {
					t.Parallel()
					kill.do(t, p, flags)
				})
			}
		})
	}
}

// beforeItRuns returns the stages that a detached container has before it runs. It does not end with the host side.
func beforeItRuns(all []place) []place {
	var list []place
	tied := 0
	for _, p := range all {
		switch {
		case strings.HasPrefix(p.call, "prctl(PR_SET_PDEATHSIG"):
			tied++
		case !strings.HasPrefix(p.call, "rmdir(") && p.side != "unplug":
			p.index -= tied
			list = append(list, p)
		}
	}
	return list
}

// killRun kills the parent while one of the sides is at a place.
func killRun(t *testing.T, p place, flags []string) {
	c := p.trial(t)
	cmd := c.interrupted(p, filepath.Join(t.TempDir(), "never"), flags, "true")
	require.NoError(t, cmd.Start())
	c.atStage()
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	c.nothingLeft()
}

// killFirst kills process 1 at a place. If that is one of the host side, this goes on afterwards.
func killFirst(t *testing.T, p place, flags []string) {
	c := p.trial(t)
	more := filepath.Join(t.TempDir(), "go-on")
	cmd := c.interrupted(p, more, flags, "sleep", "1000")
	if strings.HasPrefix(p.call, "rmdir(") || p.side == "unplug" {
		cmd = c.interrupted(p, more, flags, "true")
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	defer cmd.Process.Kill()
	pid := c.atStage()
	ended := false
	if p.side != "container" {
		pid = c.first()
		ended = pid == 0
	}
	if !ended {
		require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	}
	require.NoError(t, os.WriteFile(more, nil, 0o600))
	if ended && !strings.HasPrefix(p.call, "rmdir(") && p.side != "unplug" {
		// There is no process 1 yet. The next one is not killed by anybody.
		c.until(func() bool { _, pid := c.statusNow(); return pid != 0 && pid == c.first() }, func() string { return "it does not start" })
		require.NoError(t, unix.Kill(c.first(), unix.SIGKILL))
	}
	_ = cmd.Wait()
	r := result{stdout.String(), strings.Replace(stderr.String(), remarks(), "", 1), cmd.ProcessState.ExitCode()}
	switch r.status {
	case 125:
		refused(t, r, 125, "first process ended")
	// The word to become the command was given.
	case 128 + int(unix.SIGKILL), 0:
		require.Empty(t, r.stderr)
	default:
		require.Fail(t, "unexpected", "%#v", r)
	}
	c.nothingLeft()
}

// killMonitor kills the monitor of a detached container at a place before it runs.
func killMonitor(t *testing.T, p place, flags []string) {
	c := p.trial(t)
	cmd := c.interrupted(p, filepath.Join(t.TempDir(), "never"), append([]string{"--detach"}, flags...), "sleep", "1000")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	c.atStage()
	// Which process stays is no answer: until its execve, process 1 looks like the thread that has made it.
	require.NoError(t, unix.Kill(c.childOf(cmd.Process.Pid), unix.SIGKILL))
	_ = cmd.Wait()
	refused(t, result{"", stderr.String(), cmd.ProcessState.ExitCode()}, 125, "monitor")
	c.nothingLeft()
}

// statusNow is status, for a container that may not be there.
func (c *trial) statusNow() (status string, pid int) {
	list := strings.Split(c.final("list").stdout, "\n")
	for _, line := range list {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == c.id {
			_, _ = fmt.Sscan(fields[1], &pid)
			return fields[2], pid
		}
	}
	return "", 0
}

func TestExecThatFailsAtAnyStageLeavesTheContainerAlone(t *testing.T) {
	c := newTrial(t)
	c.detached(kept)
	before := len(c.processes())
	for _, side := range []string{"host", "container"} {
		seen := 0
		for index := 0; ; index++ {
			exec := func(action string) *exec.Cmd {
				cmd := c.call("exec", "--tty", c.id, "true")
				cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%s %d %s", interruptEnv, side, index, action))
				return cmd
			}
			r := outcome(t, exec("fail"))
			if r.status == 0 {
				break
			}
			refused(t, r, 255, errInterrupted.Error())
			seen++

			cmd := exec(filepath.Join(t.TempDir(), "never"))
			require.NoError(t, cmd.Start())
			c.atStage()
			require.NoError(t, cmd.Process.Kill())
			_ = cmd.Wait()
			c.until(func() bool { return len(c.processes()) == before }, func() string { return fmt.Sprintf("%s %d: %v", side, index, c.left()) })
			status, _ := c.status()
			require.Equal(t, "running", status)
		}
		require.Greater(t, seen, 4, side)
	}
	require.Equal(t, result{"well\n", "", 0}, c.final("exec", c.id, "echo", "well"))
}
