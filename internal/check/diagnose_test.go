//go:build linux

package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/needs"
	"container-workshop/internal/trace"
)

// A wrong program is a step with a common mistake, the property that the check shows first, and the diagnosis.
type wrong struct {
	mistake   string
	step      int
	edits     []string
	property  string
	diagnosis string
}

// The calls in child, as every step writes them.
const (
	callPrivate = "	if err := makeMountsPrivate(); err != nil {\n		return err\n	}\n"
	callCgroups = "	if err := joinCgroups(); err != nil {\n		return err\n	}\n"
	callRoot    = "	if err := changeRoot(); err != nil {\n		return err\n	}\n"
	callProc    = "	if err := mountProc(); err != nil {\n		return err\n	}\n"
	callTmpfs   = "	if err := mountTmpfs(); err != nil {\n		return err\n	}\n"
)

// moved are edits that move a call behind another call, or before another call.
func moved(call, behind string) []string     { return slices.Concat(without(call), after(behind, call)) }
func movedBefore(call, next string) []string { return slices.Concat(without(call), before(next, call)) }
func without(text string) []string           { return []string{text, ""} }

var wrongs = []wrong{
	{"run and child empty", 1, []string{runBody, "	return nil\n", childBody, "	return nil\n", stepImports, ""},
		starts, "run starts no process: run is empty, or returns before it starts child."},
	{"child empty", 1, []string{childBody, "	return nil\n", "	\"github.com/spf13/pflag\"\n", ""},
		starts, "child starts, and ends without becoming the command: child is empty, or returns too early."},
	{"attributes forgotten", 1, slices.Concat(without(runReady), without("	\"golang.org/x/sys/unix\"\n")),
		starts, "The program panics in supervise, which reads cmd.SysProcAttr: that is nil."},
	{"no command for supervise", 1, []string{"return supervise(cmd)", "return supervise(nil)"},
		starts, "The program panics in supervise: run calls supervise with a command that is nil."},
	{"SIGCHLD ignored", 1, slices.Concat(before("	return supervise(cmd)\n", "	signal.Ignore(unix.SIGCHLD)\n"), importing("os/signal")),
		output, "The program panics in exitStatus: run could not wait for child"},
	{"child of another parent", 3, []string{"Cloneflags |= unix.CLONE_NEWPID", "Cloneflags |= unix.CLONE_NEWPID | unix.CLONE_PARENT"},
		// How much of the output comes before the panic of run is a matter of luck.
		"the command", "CLONE_PARENT makes child a child of the process that started run"},
	{"panic", 1, before(runReady, "	panic(\"not yet\")\n"),
		starts, "The program panics."},
	{"signal to run itself", 1, before(runReady, "	unix.Kill(os.Getpid(), unix.SIGKILL)\n"),
		starts, "A signal ended run."},
	{"debug output", 1, slices.Concat(before(lookUp, "	fmt.Println(\"child!\")\n"), importing("fmt")),
		output, "run or child prints something itself"},
	{"words of child taken for the command", 1, []string{"become(pflag.Args())", "become(os.Args[1:])", "	\"github.com/spf13/pflag\"\n", ""},
		starts, "child looks for a command child, which nobody typed"},
	{"words of run taken for the command", 1, []string{"os.Args[2:]", "os.Args[1:]"},
		starts, "child looks for a command run, which nobody typed"},
	{"run starts run", 1, []string{`append([]string{os.Args[0], "child"}, os.Args[2:]...)`, "os.Args"},
		starts, "run starts run, and not child: each run starts another one."},
	{"child becomes the whole command line", 1, []string{"become(pflag.Args())", "become(os.Args)", "	\"github.com/spf13/pflag\"\n", ""},
		starts, "child becomes your own program again: become wants only the command and its arguments."},
	{"child becomes run", 1, []string{"os.Args[2:]...", "os.Args..."},
		starts, "child becomes run again, which starts the next child"},
	{"started by its path", 1, []string{`exec.Command("/proc/self/exe")`, "exec.Command(os.Args[0])"},
		withoutProc, "run starts child by the path of your program"},
	{"run without supervise", 1, []string{"return supervise(cmd)", "return cmd.Run()"},
		starts, "child waits for a message that only supervise sends, but run starts child without supervise."},
	{"without supervise and awaitRun", 1, []string{"return supervise(cmd)", "return cmd.Run()", "	if err := awaitRun(); err != nil {\n		return err\n	}\n", ""},
		starts, "The command runs, but nobody sees its output"},
	{"child without awaitRun", 1, []string{"	if err := awaitRun(); err != nil {\n		return err\n	}\n", ""},
		noOpenFiles, "Descriptor 3 is still open in the command."},
	{"status ignored", 1, []string{"return supervise(cmd)", "supervise(cmd)\n	return nil"},
		exit3, "run ends with 0, whatever the status of the command is."},
	{"child in a circle", 1, before(lookUp, "	for {\n	}\n"),
		starts, "child starts, and never becomes the command"},
	{"command as another process", 1, []string{lookUp, asOwnProcess},
		inPlace, "child should become the command."},
	{"command as another process without streams", 1, []string{lookUp, withoutStreams},
		starts, "child should become the command."},
	{"status off by one", 1, []string{"128 + int(sig)", "127 + int(sig)"},
		signalStatus, "The status is off by one: the signal has the number 9, and 128+9 is 137."},
	{"mount for UTS", 2, []string{"unix.CLONE_NEWUTS", "unix.CLONE_NEWNS"},
		uts, "You made a mount namespace, not a UTS namespace."},
	{"UTS forgotten", 2, []string{"	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUTS\n", ""},
		uts, "run starts child without a UTS namespace of its own."},
	{"always the same hostname", 2, []string{"[]byte(*hostname)", `[]byte("container")`},
		hostnameGiven, "The hostname is always the same, whatever --hostname says."},
	{"hostname of run", 2, []string{"	if err := setHostname(); err != nil {\n		return err\n	}\n", "", "	return supervise(cmd)\n", "	setHostname()\n	return supervise(cmd)\n"},
		hostKeepsName, "run sets the hostname, and run is on the host: the host gets the name."},
	{"refused hostname not named", 2, slices.Concat([]string{setHostnameError, "return err"}, without("	\"fmt\"\n")),
		hostnameTooLong, "The error does not say which name the kernel has refused."},
	{"network for PID", 3, []string{"unix.CLONE_NEWPID", "unix.CLONE_NEWNET"},
		pidNS, "You made a network namespace, not a PID namespace."},
	{"user for PID", 3, []string{"unix.CLONE_NEWPID", "unix.CLONE_NEWUSER"},
		starts, "You made a user namespace, not a PID namespace."},
	{"command as another process", 3, []string{lookUp, asOwnProcess},
		inPlace, "child should become the command."},
	{"flags replaced", 3, []string{"Cloneflags |= unix.CLONE_NEWPID", "Cloneflags = unix.CLONE_NEWPID"},
		uts, "The flag CLONE_NEWUTS is gone: = replaces the flags, |= adds one."},
	{"user for all flags", 3, []string{"Cloneflags |= unix.CLONE_NEWPID", "Cloneflags = unix.CLONE_NEWUSER"},
		starts, "You made a user namespace, not a PID namespace."},
	{"no parent-death signal", 3, []string{"	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL\n", ""},
		diesWithRun, "Nothing tells the kernel to end child when run dies."},
	{"parent-death signal that stops", 3, []string{"Pdeathsig = unix.SIGKILL", "Pdeathsig = unix.SIGSTOP"},
		diesWithRun, "SIGSTOP only stops process 1; it does not end process 1."},
	{"chroot of SysProcAttr", 4, slices.Concat(without(callRoot), after(runReady, "	cmd.SysProcAttr.Chroot = *rootfs\n")),
		starts, "Chroot in SysProcAttr acts before the kernel looks up /proc/self/exe."},
	{"no chroot", 4, []string{"unix.Chroot(*rootfs)", "error(nil)"},
		ownRoot, "Nothing changes the root directory of the command."},
	{"chroot of run", 4, []string{callRoot, "", "	return supervise(cmd)\n", "	changeRoot()\n	return supervise(cmd)\n"},
		starts, "run changes its own root directory: that is the work of child."},
	{"PATH of the host", 4, []string{`	return os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")`, "	return nil"},
		ownPath, "The command is looked up before chroot, or with the PATH of the host."},
	{"no chdir", 4, []string{`os.Chdir("/")`, "error(nil)"},
		startsAtTop, "After chroot, the working directory is still a directory of the host: nothing changes it."},
	{"chdir before chroot", 4, []string{`os.Chdir("/")`, "error(nil)", "	if err := unix.Chroot(", "	os.Chdir(\"/\")\n	if err := unix.Chroot("},
		startsAtTop, "You changed the working directory before chroot, so it is a directory of the host."},
	{"private after chroot", 5, moved(callPrivate, callRoot),
		starts, "You make the mounts private after chroot."},
	{"proc before chroot", 5, movedBefore(callProc, callRoot),
		procMounted, "You mount the proc before chroot"},
	{"no mount namespace", 5, []string{"	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNS\n", ""},
		mountNS, "run starts child without a mount namespace of its own."},
	{"run makes private", 5, []string{callPrivate, "", "	return supervise(cmd)\n", "	makeMountsPrivate()\n	return supervise(cmd)\n"},
		procMounted, "run makes the mounts private, and run is in the mount namespace of the host."},
	{"not private", 5, without(callPrivate),
		procMounted, "You did not make the mounts private."},
	{"only the mount on / private", 5, []string{"unix.MS_REC|unix.MS_PRIVATE", "unix.MS_PRIVATE"},
		// On some hosts, the root file system is on a mount of its own.
		"nowhere on the host", "You made only the mount on / private."},
	{"flags replaced", 5, []string{"Cloneflags |= unix.CLONE_NEWNS", "Cloneflags = unix.CLONE_NEWNS"},
		uts, "The flag CLONE_NEWUTS is gone: = replaces the flags, |= adds one."},
	{"no proc", 5, without(callProc),
		procMounted, "Nothing mounts a proc for the container."},
	{"no cgroups", 6, without(callCgroups),
		inCgroups, "Nothing makes a cgroup for the container."},
	{"cgroups after chroot", 6, moved(callCgroups, callRoot),
		starts, "You join the cgroups after chroot, where the /sys of the host is out of sight."},
	{"cgroups in the root file system", 6, slices.Concat(moved(callCgroups, callRoot), []string{"unix.Mkdir(dir, 0o755)", "os.MkdirAll(dir, 0o755)", "os.O_WRONLY", "os.O_WRONLY|os.O_CREATE", "err != unix.EEXIST", "true"}),
		inCgroups, "You join the cgroups after chroot, where the /sys of the host is out of sight."},
	{"cgroup without the command", 6, notJoined,
		inCgroups, "The cgroup is there, but nothing puts the command into it."},
	{"cgroups in the wrong place", 6, []string{`"/sys/fs/cgroup/"+s[0]`, `"/sys/fs/cgroup/"+map[string]string{"": "memory/"}[s[0]]`},
		starts, "This machine has cgroup version"},
	{"files of the other version", 6, []string{`"memory.limit_in_bytes"`, "version1", `"memory.max"`, `"memory.limit_in_bytes"`, "version1", `"memory.max"`},
		starts, "is a file of cgroup version"},
	{"no limit on memory", 6, []string{`{"memory/", "memory.limit_in_bytes", *memory}, {"memory/", "memory.memsw.limit_in_bytes", *memory},`, "", `{"", "memory.max", *memory}, {"", "memory.swap.max", "0"},`, ""},
		memoryLimit, ": the container has no memory limit."},
	{"no limit on processes", 6, []string{`{"pids/", "pids.max", fmt.Sprint(*pids)}, `, "", `{"", "pids.max", fmt.Sprint(*pids)},`, ""},
		pidsLimit, "Nothing writes pids.max: the container has no limit on its processes."},
	{"ten times the CPU time", 6, []string{"*cpus * 100_000", "*cpus * 1_000_000"},
		cpuLimit, "so one processor is 100000."},
	{"cgroups not removed", 6, []string{"	defer removeCgroups()\n", ""},
		cgroupsGone, "Nothing removes the cgroups of the container."},
	{"another cgroup removed", 6, []string{`Rmdir("/sys/fs/cgroup/"+tree+"container-workshop-"`, `Rmdir("/sys/fs/cgroup/"+tree+"workshop-"`},
		cgroupsGone, ", and remove a cgroup workshop-"},
	{"swap forgotten", 6, []string{`, {"memory/", "memory.memsw.limit_in_bytes", *memory}`, "", `, {"", "memory.swap.max", "0"}`, ""},
		swapLimited, "You limit memory, but not swap: what does not fit goes to the disk of the host."},
	{"tmpfs before chroot", 7, movedBefore(callTmpfs, callRoot),
		tmpfsMounted, "You mount the tmpfs before chroot"},
	{"no directory for the tmpfs", 7, []string{"os.MkdirAll(*tmpfs, 0o755)", "os.RemoveAll(*tmpfs)"},
		starts, "Nothing makes the directory for the tmpfs."},
	{"only the last directory for the tmpfs", 7, []string{"os.MkdirAll(*tmpfs, 0o755); err != nil", "os.Mkdir(*tmpfs, 0o755); err != nil && !os.IsExist(err)"},
		tmpfsElsewhere, "You make the last directory of the path, but not the directories above it."},
	{"tmpfs with an unknown option", 7, []string{"mode=1777", "mode=1777,colour=red"},
		starts, "The kernel refuses mount(\"tmpfs\", \"/mytemp\""},
	{"tmpfs without a size", 7, []string{"size=16m,", ""},
		tmpfsSize, "The tmpfs has no size, so it can take half of the memory of the host."},
}

// Parts of step 1.
const (
	runBody = `	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{os.Args[0], "child"}, os.Args[2:]...)
	cmd.SysProcAttr = &unix.SysProcAttr{}

	return supervise(cmd)
`
	childBody = `	if err := awaitRun(); err != nil {
		return err
	}
	return become(pflag.Args())
`
	stepImports = `	"os"
	"os/exec"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
`
)

func (w wrong) variant(t *testing.T) variant {
	dir := folder(t, w.step)
	return variant{dir + "-" + strings.NewReplacer(" ", "-", "/", "top").Replace(w.mistake), dir, w.edits}
}

func TestAMistakeIsNamed(t *testing.T) {
	impatient(t)
	for _, w := range wrongs {
		t.Run(w.variant(t).name, func(t *testing.T) {
			besideOthers(t, w.step)
			findings, summary := examined(t, w.variant(t), w.step)
			i := slices.IndexFunc(findings, func(f Finding) bool { return f.State == Lacks })
			require.GreaterOrEqual(t, i, 0, "nothing is missing")
			first := findings[i]
			t.Logf("%s\n%s\n%s\nleft: %v", first.Property, first.Seen, first.Diagnosis, summary.Leftovers)
			assert.Contains(t, first.Property, w.property)
			if w.property == starts {
				assert.Equal(t, w.step, first.Step, "the mistake is in the newest step")
				assert.Contains(t, first.Where, folder(t, w.step))
			}
			assert.Contains(t, first.Diagnosis, w.diagnosis)
			assert.LessOrEqual(t, strings.Count(first.Seen, "\n"), 1, first.Seen)
			assert.NotContains(t, first.Seen, "goroutine")
			assert.NotRegexp(t, `want .*got|""`, first.Seen, "a sentence, not a comparison")
		})
	}
}

func TestTheLimitOnMemoryComesBeforeThatOnMemoryAndSwap(t *testing.T) {
	memory := trace.Call{Process: "child", Name: "write", Args: []string{`"/sys/fs/cgroup/memory/x/memory.limit_in_bytes"`, `"64m"`}}
	both := trace.Call{Process: "child", Name: "write", Args: []string{`"/sys/fs/cgroup/memory/x/memory.memsw.limit_in_bytes"`, `"64m"`}, Err: unix.EINVAL}
	named := func(all ...trace.Call) string {
		e := &examination{program: &Program{Step: 6}, calls: func() (calls, bool) { return all, false }}
		return e.diagnose(swapLimited, "")
	}
	assert.Contains(t, named(both), "write the limit on memory first.")
	assert.Contains(t, named(both, memory), "write the limit on memory first.")
	assert.NotContains(t, named(memory, both), "first")
}

func TestATraceThatWasCutOffMissesNoCall(t *testing.T) {
	all := rightCalls()
	named := map[string]bool{}
	for _, m := range mistakes {
		if slices.Equal(m.explains, []string{ownPath}) {
			// Any program with this problem and with chroot has this mistake.
			continue
		}
		for _, seen := range []string{"", "exit status 125", "printed nothing", notEnded + ", and printed \"x\"", "the container has no proc", "the container has no tmpfs", "the host has"} {
			for end := range all {
				if name := m.name(&evidence{step: 7, seen: seen, calls: all[:end]}); name != "" {
					named[name] = true
				}
				// The command has run, and nobody sees its output or its end. So much even a part of the calls says.
				if end < len(all)-1 {
					assert.Empty(t, m.name(&evidence{step: 7, seen: seen, calls: all[:end], cut: true}), "after %d calls, seen: %s", end, seen)
				}
			}
		}
	}
	assert.Greater(t, len(named), 15, "a whole trace tells these mistakes: %v", named)
}

func TestATraceIsCutOffAtItsLimit(t *testing.T) {
	needs.Root(t)
	impatient(t)
	for mistake, wantCut := range map[string]bool{"child in a circle": true, "debug output": false} {
		i := slices.IndexFunc(wrongs, func(w wrong) bool { return w.mistake == mistake })
		program := &Program{Path: wrongs[i].variant(t).program(t), Step: 1, Rootfs: needs.Rootfs(t)}
		found, cut := traced(program)()
		assert.Equal(t, wantCut, cut, mistake)
		assert.GreaterOrEqual(t, found.first("execve", "/proc/self/exe"), 0, mistake)
		assert.Equal(t, wantCut, found.first("execve", "/bin/true") < 0, mistake)
	}
}
