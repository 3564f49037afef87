//go:build linux

package check

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A solution is an exercise solved: edits on the main.go of its step. A part of its name, which no other exercise has, names the
// exercise.
type solution struct {
	exercise string
	edits    []string
}

// before and after are edits that only add.
func before(place, text string) []string { return []string{place, text + place} }
func after(place, text string) []string  { return []string{place, place + text} }

// Places in all steps.
const (
	mainFunction = "func main() { dispatch(run, child) }\n"
	lookUp       = "	return become(pflag.Args())\n"
	childComment = "// child is the first process in the container."
	runReady     = "	cmd.SysProcAttr = &unix.SysProcAttr{}\n"
)

// importing is an edit that adds imports.
func importing(packages ...string) []string {
	text := "\nimport (\n"
	for _, name := range packages {
		text += fmt.Sprintf("	%q\n", name)
	}
	return after("	\"golang.org/x/sys/unix\"\n)\n", text+")\n")
}

var solutions = []solution{
	{"--env KEY=VALUE", slices.Concat(
		before(mainFunction, `// If a variable is set twice, the later one wins. environ(7)
var env = pflag.StringArray("env", nil, "variable of the command, as KEY=VALUE (can be repeated)")

`),
		before(lookUp, `	if err := setEnv(); err != nil {
		return err
	}
`),
		before(childComment, `// setEnv comes before we look up the command, so that PATH works, too. The command inherits our environment. execve(2)
func setEnv() error {
	for _, variable := range *env {
		key, value, found := strings.Cut(variable, "=")
		if !found || key == "" {
			return fmt.Errorf("--env %q: want KEY=VALUE", variable)
		}
		if err := os.Setenv(key, value); err != nil {
			return fmt.Errorf("--env %q: %w", variable, err)
		}
	}
	return nil
}

`),
		importing("fmt", "strings"),
	)},
	{"--workdir DIR", slices.Concat(
		before(mainFunction, `// Without a name, the command starts in the working directory of run.
var workdir = pflag.String("workdir", "", "working directory of the command")

`),
		before(lookUp, `	// Do this before we look up the command, whose name can be relative. chdir(2)
	if *workdir != "" {
		if err := os.Chdir(*workdir); err != nil {
			return err
		}
	}
`),
	)},
	{"--domainname NAME", slices.Concat(
		before(mainFunction, `// The kernel takes up to 64 bytes. setdomainname(2)
var domainname = pflag.String("domainname", "(none)", "NIS domain name of the container")

`),
		before(lookUp, `	// The domain name belongs to the UTS namespace, like the hostname. uts_namespaces(7)
	if err := unix.Setdomainname([]byte(*domainname)); err != nil {
		return fmt.Errorf("set domain name %q (at most 64 bytes): %w", *domainname, err)
	}
`),
	)},
	{"an IPC namespace", after(runReady, `
	// The command gets its own message queues, semaphores and shared memory. ipc_namespaces(7)
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWIPC
`)},
	{"a network namespace", after(runReady, `
	// The command gets its own network: a lo that is down, and no way out. network_namespaces(7)
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNET
`)},
	{"--init", slices.Concat(
		before(mainFunction, `// Process 1 must wait for processes that it did not start. Few commands do.
var withInit = pflag.Bool("init", false, "process 1 waits for orphans, and the command is another process")

`),
		before(lookUp, `	if *withInit {
		return waitForAll()
	}
`),
		before(childComment, `// waitForAll makes us process 1, and the command our child. A process that has lost its parent becomes our child, too, and stays
// a zombie until we wait for it. wait(2)
func waitForAll() error {
	signals := notify()
	cmd := exec.Command(pflag.Arg(0), pflag.Args()[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		// become fails in the same way, and returns the right exit status.
		return become(pflag.Args())
	}
	// Keys reach the command's process group. Leave the group, or we would pass the same signals to the command again. setpgid(2)
	unix.Setpgid(0, 0)
	// Now run passes signals on to us.
	unix.Close(3)
	go func() {
		for sig := range signals {
			cmd.Process.Signal(sig)
		}
	}()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err != nil && err != unix.EINTR:
			return fmt.Errorf("wait: %w", err)
		case pid == cmd.Process.Pid && status.Signaled():
			return exit{nil, 128 + int(status.Signal())}
		case pid == cmd.Process.Pid:
			return exit{nil, status.ExitStatus()}
		}
	}
}

`),
	)},
	{"--user UID[:GID]", slices.Concat(
		before(mainFunction, `// Without GID, the group gets the number of the user. credentials(7)
var user = pflag.String("user", "0:0", "user and group of the command, as UID or UID:GID")

`),
		before(lookUp, `	if err := changeUser(); err != nil {
		return err
	}
`),
		before(childComment, `// changeUser comes last, because everything before needs root, and capabilities go with the user. Groups come before the user,
// because they need root, too.
// capabilities(7)
func changeUser() error {
	user, group, found := strings.Cut(*user, ":")
	if !found {
		group = user
	}
	// The kernel takes -1 for "no change", with and without a sign. setresuid(2)
	uid, uidErr := strconv.ParseUint(user, 10, 31)
	gid, gidErr := strconv.ParseUint(group, 10, 31)
	if uidErr != nil || gidErr != nil {
		return fmt.Errorf("--user %s:%s: want UID or UID:GID", user, group)
	}
	if err := unix.Setgroups(nil); err != nil {
		return fmt.Errorf("leave all groups: %w", err)
	}
	if err := unix.Setresgid(int(gid), int(gid), int(gid)); err != nil {
		return fmt.Errorf("change the group to %d: %w", gid, err)
	}
	if err := unix.Setresuid(int(uid), int(uid), int(uid)); err != nil {
		return fmt.Errorf("change the user to %d: %w", uid, err)
	}
	// The change of user has cleared the parent-death signal. PR_SET_PDEATHSIG(2const)
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}

`),
		importing("strconv", "strings"),
	)},
	{"close-on-exec", slices.Concat(
		before(lookUp, `	// The caller may have left files open, and an open directory of the host is a way out of the root directory. close_range(2)
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close what the caller left open: %w", err)
	}
`),
		importing("math"),
	)},
	{"--volume SRC:DST", slices.Concat(
		before(mainFunction, `// Host and container share the directory, and both can write to it.
var volumes = pflag.StringArray("volume", nil, "directory of the host to show in the container, as SRC:DST (can be repeated)")

`),
		before("	if err := changeRoot(); err != nil {\n", `	trees, err := openVolumes()
	if err != nil {
		return err
	}
`),
		before(lookUp, `	if err := mountVolumes(trees); err != nil {
		return err
	}
`),
		before(childComment, `// openVolumes opens the host's directories before chroot hides them, as mounts without a mount point yet. open_tree(2)
func openVolumes() (trees []int, err error) {
	for _, volume := range *volumes {
		source, target, _ := strings.Cut(volume, ":")
		if !filepath.IsAbs(target) {
			return nil, fmt.Errorf("--volume %q: want SRC:DST, with an absolute DST", volume)
		}
		tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return nil, fmt.Errorf("--volume %s: %w", volume, err)
		}
		trees = append(trees, tree)
	}
	return trees, nil
}

// mountVolumes comes after the change of root, so that a symbolic link in DST leads nowhere but into the container. move_mount(2)
func mountVolumes(trees []int) error {
	for i, volume := range *volumes {
		_, target, _ := strings.Cut(volume, ":")
		if err := os.MkdirAll(target, 0o755); err != nil {
			return fmt.Errorf("--volume: %w", err)
		}
		if err := unix.MoveMount(trees[i], "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("mount a volume on %s: %w", target, err)
		}
	}
	return nil
}

`),
		importing("path/filepath", "strings"),
	)},
	{"pivot_root in place of chroot", []string{
		`// changeRoot makes the root file system the root directory. From here on, every path starts there. chroot(2)
func changeRoot() error {
	if err := unix.Chroot(*rootfs); err != nil {
		return fmt.Errorf("chroot %s: %w", *rootfs, err)
	}
	// chroot leaves the working directory where it was: outside.
`, `// changeRoot makes the root file system the root directory, and leaves nothing else in the mount namespace: there is no way back.
// pivot_root(2)
func changeRoot() error {
	// pivot_root needs a mount point.
	if err := unix.Mount(*rootfs, *rootfs, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s on itself: %w", *rootfs, err)
	}
	if err := os.Chdir(*rootfs); err != nil {
		return err
	}
	// The old root is now mounted over the new root, which is our working directory. Unmount the old root.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root %s: %w", *rootfs, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the old root: %w", err)
	}
	// What is below "." is gone.
`,
	}},
	{"without sudo", slices.Concat(
		after("	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNS\n", `
	// Without root, its own user namespace: user 0 there is you, and has all rights over the other namespaces. user_namespaces(7)
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
`),
		importing("syscall"),
	)},
	{"--cpuset LIST", slices.Concat(
		before(mainFunction, `// An empty list sets no limit. cpuset(7)
var cpuset = pflag.String("cpuset", "", "processors that the command can run on, like 0 or 0-1,3")

`),
		before("	if err := changeRoot(); err != nil {\n", `	if err := limitProcessors(); err != nil {
		return err
	}
`),
		before(childComment, `// limitProcessors limits us and all that we start. The kernel ignores processors that do not exist, so we check the list first.
// sched_setaffinity(2)
func limitProcessors() error {
	if !pflag.CommandLine.Changed("cpuset") {
		return nil
	}
	var have, wanted unix.CPUSet
	if err := unix.SchedGetaffinity(0, &have); err != nil {
		return fmt.Errorf("sched_getaffinity: %w", err)
	}
	for _, part := range strings.Split(*cpuset, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, firstErr := strconv.Atoi(from)
		last, lastErr := strconv.Atoi(to)
		if firstErr != nil || lastErr != nil || first > last {
			return fmt.Errorf("--cpuset %q: want a list like 0 or 0-1,3", *cpuset)
		}
		for cpu := first; cpu <= last; cpu++ {
			if !have.IsSet(cpu) {
				return fmt.Errorf("--cpuset %s: there is no processor %d for us", *cpuset, cpu)
			}
			wanted.Set(cpu)
		}
	}
	return unix.SchedSetaffinity(0, &wanted)
}

`),
		importing("strconv", "strings"),
	)},
	{"a line about memory", slices.Concat(
		after("	defer removeCgroups()\n", "	defer reportOutOfMemory()\n"),
		before("// removeCgroups tries again", `// reportOutOfMemory reads how many processes the kernel has killed because their cgroup ran out of memory. cgroups(7)
func reportOutOfMemory() {
	for _, file := range []string{"memory/container-workshop-" + containerID + "/memory.oom_control", "container-workshop-" + containerID + "/memory.events"} {
		counts, _ := os.ReadFile("/sys/fs/cgroup/" + file)
		_, killed, _ := strings.Cut(string(counts), "oom_kill ")
		n := 0
		fmt.Sscan(killed, &n)
		if n > 0 {
			fmt.Fprintf(os.Stderr, "%s: the kernel has ended a process of the container for its memory: the limit is %s\n", filepath.Base(os.Args[0]), *memory)
		}
	}
}

`),
		importing("path/filepath", "strings"),
	)},
	{"--tmpfs more than once", []string{
		"*tmpfs", "dir",
		`tmpfs = pflag.String("tmpfs", "/mytemp", "directory for temporary files, in memory and 16m at most")`,
		`tmpfs = pflag.StringArray("tmpfs", []string{"/mytemp"}, "directory for temporary files, in memory and 16m at most (can be repeated)")`,
		"func mountTmpfs() error {", "func mountTmpfs(dir string) error {",
		`	if err := mountTmpfs(); err != nil {
		return err
	}
`, `	for _, dir := range *tmpfs {
		if err := mountTmpfs(dir); err != nil {
			return err
		}
	}
`,
	}},
	{"exec PID COMMAND", slices.Concat(
		[]string{mainFunction, `func main() {
	// dispatch knows only run and child, so exec is a special run.
	if len(os.Args) > 1 && os.Args[1] == "exec" {
		os.Args[1] = "run"
		dispatch(execute, child)
	}
	dispatch(run, child)
}
`},
		before(childComment, `// execute runs a command in a running container. The first argument is the host's PID of the container's command.
func execute() error {
	pid, err := strconv.Atoi(pflag.Arg(0))
	if err != nil || pflag.NArg() < 2 {
		return fmt.Errorf("want %s exec PID COMMAND [ARG ...]", os.Args[0])
	}
	if err := joinContainer(pid); err != nil {
		return err
	}
	defer takeTerminalBack()
	signals := notify()
	// Set no parent-death signal: in another PID namespace our PID is 0, and Go would take us for dead.
	cmd := exec.Command(pflag.Arg(1), pflag.Args()[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		// become fails in the same way, and returns the right exit status.
		return become(pflag.Args()[1:])
	}
	go func() {
		for sig := range signals {
			// The keys have reached the command already. termios(3)
			if typed := sig == unix.SIGINT || sig == unix.SIGQUIT; !typed || !inForeground() {
				cmd.Process.Signal(sig)
			}
		}
	}()
	cmd.Wait()
	return exitStatus(cmd.ProcessState, 0)
}

// joinContainer takes our thread to where a process is: its cgroups, namespaces and root directory. What says where that is has
// to be opened before, as the host's /proc is out of sight afterwards.
func joinContainer(pid int) error {
	lines, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return err
	}
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the root directory of %d: %w", pid, err)
	}

	// A line is a number, controllers and a path. On version 2 it has no controllers. cgroups(7)
	for line := range strings.Lines(string(lines)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if strings.HasPrefix(fields[2], "/container-workshop-") {
			if err := os.WriteFile(filepath.Join("/sys/fs/cgroup", fields[1], fields[2], "cgroup.procs"), []byte("0"), 0); err != nil {
				return err
			}
		}
	}
	// The threads of a program share their root directory. A thread that does cannot change its mount namespace. setns(2)
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	// We do not enter the PID namespace ourselves: only the processes that we start do.
	if err := unix.Setns(process, unix.CLONE_NEWNS|unix.CLONE_NEWPID|unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("join the namespaces of %d: %w", pid, err)
	}
	// We are at the root of the mount namespace, which is still the host's root directory.
	if err := unix.Fchdir(root); err != nil {
		return fmt.Errorf("change to the root directory of %d: %w", pid, err)
	}
	*rootfs = "."
	return changeRoot()
}

`),
		importing("strconv", "strings"),
	)},
}

// variant is the solution as a program.
func (s solution) variant(t *testing.T) variant {
	t.Helper()
	exercise := named(t, Stretch, s.exercise)
	i := slices.IndexFunc(Beyond(exercise.Step), func(p Property) bool { return p.Name == exercise.Name })
	return variant{fmt.Sprintf("solution-%d%c", exercise.Step, 'a'+i), folder(t, exercise.Step), s.edits}
}

// folder returns the name of the folder of a step.
func folder(t *testing.T, step int) string {
	t.Helper()
	dirs, err := filepath.Glob(fmt.Sprintf("../../step0%d-*", step))
	require.NoError(t, err)
	require.Len(t, dirs, 1)
	return filepath.Base(dirs[0])
}
