package trace

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// program is the last step on a host with cgroups of version 2.
const program = `run clone(CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWPID)
child prctl(PR_SET_PDEATHSIG, SIGKILL)
child execve("/proc/self/exe", ["build/ours", "child", "/bin/true"])
child sethostname("container")
child mount("", "/", "", MS_REC|MS_PRIVATE)
child mkdir("/sys/fs/cgroup/container-workshop-1-2", 0755)
child write("/sys/fs/cgroup/cgroup.subtree_control", "+memory +cpu +pids")
child write("/sys/fs/cgroup/container-workshop-1-2/cgroup.procs", "0")
child mkdir("/sys/fs/cgroup/container-workshop-1-2", 0755) = EEXIST
child write("/sys/fs/cgroup/container-workshop-1-2/memory.max", "64m")
child write("/sys/fs/cgroup/container-workshop-1-2/cgroup.procs", "0")
child write("/sys/fs/cgroup/container-workshop-1-2/cpu.max", "100000")
child chroot("/rootfs")
child chdir("/")
child mount("proc", "/proc", "proc", MS_NOSUID|MS_NODEV|MS_NOEXEC)
child mount("tmpfs", "/mytemp", "tmpfs", MS_NOSUID|MS_NODEV, "size=16m,mode=1777")
child execve("/bin/true", ["/bin/true"])
run rmdir("/sys/fs/cgroup//container-workshop-1-2") = EBUSY
run rmdir("/sys/fs/cgroup//container-workshop-1-2")
run rmdir("/sys/fs/cgroup/memory/container-workshop-1-2") = ENOENT
`

// parse returns the calls of which each line has one.
func parse(t *testing.T, text string) []Call {
	t.Helper()
	line := regexp.MustCompile(`^(.*?) (\w+)\((.*)\)(?: = (\w+))?$`)
	arg := regexp.MustCompile(`\[.*\]|"[^"]*"|[^, ]+`)
	errors := map[string]unix.Errno{"": 0, "EEXIST": unix.EEXIST, "EBUSY": unix.EBUSY, "ENOENT": unix.ENOENT, "EINVAL": unix.EINVAL}
	var calls []Call
	for l := range strings.Lines(text) {
		parts := line.FindStringSubmatch(strings.TrimSpace(l))
		require.NotNil(t, parts, l)
		require.Contains(t, errors, parts[4])
		calls = append(calls, Call{parts[1], parts[2], arg.FindAllString(parts[3], -1), errors[parts[4]]})
		require.Equal(t, strings.TrimSpace(l), parts[1]+" "+calls[len(calls)-1].String())
	}
	return calls
}

// edited returns the program with edits, which are pairs: what to look for, and what to put there.
func edited(t *testing.T, edits ...string) []Call {
	t.Helper()
	text := program
	for i := 0; i < len(edits); i += 2 {
		require.Contains(t, text, edits[i])
		text = strings.ReplaceAll(text, edits[i], edits[i+1])
	}
	return parse(t, text)
}

// The lines of program that a test moves.
const (
	hostnameCall = "child sethostname(\"container\")\n"
	privateCall  = "child mount(\"\", \"/\", \"\", MS_REC|MS_PRIVATE)\n"
	chrootCall   = "child chroot(\"/rootfs\")\n"
	chdirCall    = "child chdir(\"/\")\n"
	procCall     = "child mount(\"proc\", \"/proc\", \"proc\", MS_NOSUID|MS_NODEV|MS_NOEXEC)\n"
	tmpfsCall    = "child mount(\"tmpfs\", \"/mytemp\", \"tmpfs\", MS_NOSUID|MS_NODEV, \"size=16m,mode=1777\")\n"
	joinCall     = "child write(\"/sys/fs/cgroup/container-workshop-1-2/cgroup.procs\", \"0\")\n"
	commandCall  = "child execve(\"/bin/true\", [\"/bin/true\"])\n"
)

func TestWhatMakesNoDifference(t *testing.T) {
	for name, edits := range map[string][]string{
		"nothing":                             nil,
		"the name of the program":             {"build/ours", "/tmp/theirs"},
		"the path of the program":             {"/proc/self/exe", "/tmp/theirs"},
		"the name of the cgroup":              {"container-workshop-1-2", "mine.7"},
		"a size in bytes":                     {`"64m"`, `"67108864"`, "size=16m,mode=1777", "mode=01777,size=16384k"},
		"a newline, and the kernel's period":  {`"100000"`, "\"100000 100000\\n\""},
		"the ID of child":                     {`cgroup.procs", "0"`, `cgroup.procs", "4711"`},
		"the source of a mount in memory":     {`mount("proc", `, `mount("none", `, `mount("tmpfs", `, `mount("none", `},
		"what private mounts are not told":    {`mount("", "/", "", `, `mount("none", "/", NULL, `},
		"a mount point that is made":          {tmpfsCall, "child mkdir(\"/mytemp\", 0700)\n" + tmpfsCall},
		"a mode":                              {", 0755)", ", 0700)"},
		"controllers one by one":              {`"+memory +cpu +pids")`, "\"+pids\")\nchild write(\"/sys/fs/cgroup/cgroup.subtree_control\", \"+memory +cpu\")"},
		"a cgroup made once":                  {"child mkdir(\"/sys/fs/cgroup/container-workshop-1-2\", 0755) = EEXIST\n", ""},
		"a path that is tried":                {commandCall, strings.Replace(strings.TrimSpace(commandCall), "/bin/true", "/usr/true", 1) + " = ENOENT\n" + commandCall},
		"a change to / before chroot, too":    {chrootCall, chdirCall + chrootCall},
		"relative paths":                      {`"/proc", "proc"`, `"proc", "proc"`, `"/mytemp"`, `"mytemp/."`},
		"a change of directory and chroot(.)": {chrootCall + chdirCall, "child chdir(\"/rootfs\")\nchild chroot(\".\")\n"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Empty(t, Compare(edited(t), edited(t, edits...)))
			assert.Empty(t, Compare(edited(t, edits...), edited(t)))
		})
	}
}

func TestAnotherOrderThatMakesNoDifference(t *testing.T) {
	c := Compare(edited(t), edited(t, hostnameCall, "", commandCall, hostnameCall+commandCall))
	assert.True(t, c.Equivalent())
	assert.Equal(t, []string{`~ sethostname("container")`, "Yours makes it after mount tmpfs."}, lines(c))
}

func TestDifferences(t *testing.T) {
	for name, test := range map[string]struct {
		edits []string
		want  []string
	}{
		"a call is missing": {[]string{privateCall, ""},
			[]string{"- " + bare(privateCall), "child makes this call before chroot. Yours does not."}},
		"no chdir": {[]string{chdirCall, ""},
			[]string{"- " + bare(chdirCall), "child makes this call after chroot. Yours does not."}},
		"a cgroup stays": {[]string{"run rmdir(\"/sys/fs/cgroup//container-workshop-1-2\")\n", ""},
			[]string{`! rmdir("/sys/fs/cgroup/<cgroup>") = EBUSY`, "Yours fails: device or resource busy."}},
		"another namespace": {[]string{"CLONE_NEWNS|CLONE_NEWUTS", "CLONE_NEWNS|CLONE_NEWIPC"},
			[]string{"! clone(CLONE_NEWNS|CLONE_NEWIPC|CLONE_NEWPID)", "Yours lacks CLONE_NEWUTS. Ours does not have CLONE_NEWIPC."}},
		"no namespaces": {[]string{"CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWPID", "SIGCHLD"},
			[]string{"! clone(SIGCHLD)", "Yours lacks CLONE_NEWNS, CLONE_NEWUTS and CLONE_NEWPID."}},
		"no MS_REC": {[]string{"MS_REC|MS_PRIVATE", "MS_PRIVATE"},
			[]string{`! mount("", "/", "", MS_PRIVATE)`, "Yours lacks MS_REC."}},
		"no flags": {[]string{"MS_NOSUID|MS_NODEV|MS_NOEXEC", "0"},
			[]string{`! mount("proc", "/proc", "proc", 0)`, "Yours lacks MS_NOSUID, MS_NODEV and MS_NOEXEC."}},
		"no size": {[]string{"size=16m,", ""},
			[]string{`! mount("tmpfs", "/mytemp", "tmpfs", MS_NOSUID|MS_NODEV, "mode=1777")`, "Yours lacks size=16m."}},
		"no options": {[]string{`, "size=16m,mode=1777"`, ""},
			[]string{`! mount("tmpfs", "/mytemp", "tmpfs", MS_NOSUID|MS_NODEV)`, "Yours lacks size=16m and mode=1777."}},
		"another hostname": {[]string{`"container"`, `"box"`},
			[]string{`! sethostname("box")`, `Ours has "container", yours "box".`}},
		"another limit": {[]string{`"64m"`, `"64k"`},
			[]string{`! write("/sys/fs/cgroup/<cgroup>/memory.max", "64k")`, `Ours has "64m", yours "64k".`}},
		"private after chroot": {[]string{privateCall, "", chrootCall + chdirCall, chrootCall + chdirCall + privateCall},
			[]string{"! " + bare(privateCall), "Yours makes this call after chroot, ours before."}},
		"proc before chroot": {[]string{procCall, "", chrootCall, procCall + chrootCall},
			[]string{"! " + bare(procCall), "Yours makes this call before chroot, ours after."}},
		"proc before the mounts are private": {[]string{procCall, "", privateCall, procCall + privateCall},
			[]string{"! " + bare(procCall), "Yours makes this call before the mounts are private and chroot, ours after."}},
		"tmpfs before chroot": {[]string{tmpfsCall, "", chrootCall, tmpfsCall + chrootCall},
			[]string{"! " + bare(tmpfsCall), "Yours makes this call before chroot, ours after."}},
		"joined after chroot": {[]string{joinCall, "", chrootCall, chrootCall + joinCall},
			[]string{`! write("/sys/fs/cgroup/<cgroup>/cgroup.procs", "0")`, "Yours makes this call after chroot, ours before."}},
		"joined by run": {[]string{joinCall, strings.Replace(joinCall, "child", "run", 1)},
			[]string{`! write("/sys/fs/cgroup/<cgroup>/cgroup.procs", "0")`, "In yours run makes this call, in ours child."}},
		"the command in a process of its own": {[]string{commandCall, "child clone(SIGCHLD)\n" + strings.Replace(commandCall, "child", "grandchild", 1)},
			[]string{`! execve("/bin/true")`, "In yours grandchild makes this call, in ours child.",
				"+ clone(SIGCHLD)", "Your child makes this call. Ours does not."}},
		"no cgroup": {[]string{", 0755) = EEXIST", ", 0755)", "2\", 0755)", "2\", 0755) = ENOENT", program[strings.Index(program, "run rmdir"):], ""},
			[]string{`! mkdir("/sys/fs/cgroup/<cgroup>") = ENOENT`, "Yours fails: no such file or directory."}},
		"a failure at the end": {[]string{chdirCall, "", commandCall, "child umount2(\"/x\", 0) = ENOENT\n"},
			[]string{"- " + bare(chdirCall), "child makes this call after chroot. Yours does not.",
				`+ umount2("/x", 0) = ENOENT`, "Your child makes this call. Ours does not. Yours fails: no such file or directory. After that one call is missing."}},
		"chroot too early": {[]string{chrootCall, "", hostnameCall, hostnameCall + chrootCall},
			[]string{`! chroot("/rootfs")`, "Yours makes this call before the mounts are private, mkdir /sys/fs/cgroup/<cgroup> and 4 more calls, ours after."}},
		"a cgroup is never removed": {[]string{program[strings.Index(program, "run rmdir"):], ""},
			[]string{`- rmdir("/sys/fs/cgroup/<cgroup>")`, "run makes this call after clone. Yours does not."}},
		"a call fails": {[]string{program[strings.Index(program, privateCall):strings.Index(program, "run rmdir")],
			chrootCall + chdirCall + bare(privateCall, "child ") + " = EINVAL\n"},
			[]string{"! " + bare(privateCall) + " = EINVAL", "Yours makes this call after chroot, ours before. Yours fails: invalid argument. After that 8 calls are missing."}},
	} {
		t.Run(name, func(t *testing.T) {
			c := Compare(edited(t), edited(t, test.edits...))
			assert.False(t, c.Equivalent())
			assert.Equal(t, test.want, lines(c))
		})
	}
}

// Of two neighbours that have changed places either could be told.
func TestOfTwoNeighboursTheOneThatHasToMoveIsTold(t *testing.T) {
	cgroups := program[strings.Index(program, "child mkdir"):strings.Index(program, chrootCall)]
	c := Compare(edited(t, cgroups, ""), edited(t, cgroups, "", privateCall, "", chrootCall, chrootCall+privateCall))
	require.Len(t, c, 1)
	assert.Equal(t, bare(privateCall), c[0].Call.String())
}

func TestAProgramThatMakesNoCalls(t *testing.T) {
	c := Compare(edited(t), nil)
	assert.Len(t, c, 15, "all calls but those that make no difference")
	for _, d := range c {
		assert.Equal(t, Missing, d.Kind)
	}
	assert.Empty(t, Compare(nil, nil))
}

// lines returns two lines for each difference: the call, and the text.
func lines(c Comparison) (all []string) {
	for _, d := range c {
		all = append(all, string(d.Kind)+" "+d.Call.String(), d.Text)
	}
	return all
}

// version1 returns the last step on a host with cgroup v1. It makes, uses and removes its trees in the given order.
func version1(t *testing.T, treeByTree bool, trees ...string) []Call {
	t.Helper()
	const top, id = "/sys/fs/cgroup/", "/container-workshop-1-2"
	limits := map[string]string{"memory": `memory.limit_in_bytes", "64m`, "pids": `pids.max", "64`, "cpu": `cpu.cfs_quota_us", "100000`}
	var limit, join, remove string
	for _, tree := range trees {
		limit += `child mkdir("` + top + tree + id + `", 0755)` + "\n" + `child write("` + top + tree + id + "/" + limits[tree] + `")` + "\n"
		enter := `child write("` + top + tree + id + `/cgroup.procs", "0")` + "\n"
		if treeByTree {
			limit += enter
		} else {
			join += enter
		}
		remove += `run rmdir("` + top + tree + id + `")` + "\n"
	}
	cgroups := program[strings.Index(program, "child mkdir"):strings.Index(program, chrootCall)]
	return edited(t, cgroups, limit+join, program[strings.Index(program, "run rmdir"):], remove)
}

func TestTheTreesOfVersion1InAnotherOrder(t *testing.T) {
	ours := version1(t, false, "memory", "pids", "cpu")
	assert.Empty(t, Compare(ours, version1(t, false, "cpu", "memory", "pids")))
	assert.Empty(t, Compare(ours, version1(t, true, "pids", "cpu", "memory")))
	assert.Equal(t, []string{`- mkdir("/sys/fs/cgroup/cpu/<cgroup>")`, "child makes this call before chroot. Yours does not."},
		lines(Compare(ours, version1(t, true, "pids", "memory")))[:2])
}

// bare returns a line of program without its end and the name of the process.
func bare(line string, process ...string) string {
	return strings.Join(process, "") + strings.TrimPrefix(strings.TrimSpace(line), "child ")
}
