//go:build linux

package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// inOwnIDs counts the containers that inForm has given IDs of their own. It is -1 if inForm gives none.
var inOwnIDs = -1

// inForm returns the arguments of a call of final. With --userns auto, run makes the same container in another form.
func inForm(args []string) []string {
	i := slices.Index(args, "run")
	if inOwnIDs < 0 || i < 0 || i > 2 || slices.Contains(args, "--bundle") {
		return args
	}
	inOwnIDs++
	return slices.Insert(slices.Clone(args), i+1, own...)
}

// These attacks fail in a container with IDs of its own, too, and their controls succeed. To try all attacks again would take a minute.
func TestAttacksFailWithIDsOfTheirOwn(t *testing.T) {
	if !mapsLayers(t) {
		return
	}
	for name, try := range map[string]func(*testing.T){
		"chroot":            TestChrootDoesNotLeadOutOfTheContainer,
		"mounts under proc": TestNothingIsMountedOnOrUnderProc,
		"mount targets":     TestAMountTargetIsBelowTheRoot,
		"dev of an image":   TestDevOfAnImageLeadsNowhere,
		"dev is a volume":   TestNoDeviceIsMadeInAVolume,
		"console":           TestATerminalIsNotWhereAnImageSaysItIs,
		"mount":             TestNothingIsMountedInTheContainer,
		"fresh proc":        TestAUserNamespaceShowsNoFreshProc,
		"mount cgroups":     TestNoCgroupsAreMountedInTheContainer,
		"sysctl":            TestASysctlLandsInTheContainer,
		"capabilities":      TestNoCapabilityIsInheritableOrAmbient,
		"setuid":            TestASetuidProgramGainsNothing,
		"filter":            TestTheFilterStays,
		"program, itself":   TestTheProgramOnTheHostCannotBeWrittenByItsOwnProcess,
		"program, others":   TestTheProgramOnTheHostCannotBeWrittenByAnotherProcess,
		"program, scripts":  TestTheProgramOnTheHostCannotBeWrittenByTheInterpreterOfAScript,
		"keys":              TestTheKeysOfTheCallerAreNotInTheContainer,
		"environment":       TestTheEnvironmentOfTheCallerIsNotInTheContainer,
		"proc of an image":  TestProcAndSysOfAnImageAreNoLinks,
		"users of an image": TestTheUsersOfAnImageAreAFileOfTheImage,
		"input":             TestAContainerLeavesTheHostItsAsynchronousInput,
		"user of exec":      TestTheUsersOfAHostileContainerAreAFileOfTheContainer,
		"traced":            TestAContainerThatAsksToBeTracedHasNotEnded,
		"descriptors":       TestNoDescriptorComesIntoTheContainer,
		"storage":           TestTheStorageOfAContainerIsNoLinkAndNobodyElses,
		"etc, executed":     TestNobodyOnTheHostCanExecuteWhatAContainerPutsIntoItsEtc,
		"etc, filled":       TestWhatAContainerPutsIntoItsEtcIsWhereAllIsThatItWrites,
		"per user":          TestAContainerLeavesTheHostWhatTheKernelCountsForEachUser,
		"terminals":         TestAContainerLeavesTheHostItsTerminals,
		"sockets":           TestTheMemoryOfSocketsIsLimited,
	} {
		t.Run(name, func(t *testing.T) {
			inOwnIDs = 0
			t.Cleanup(func() { inOwnIDs = -1 })
			try(t)
			assert.Positive(t, inOwnIDs, "no container had IDs of its own")
		})
	}
}

// All capabilities in a user namespace are none on the host.
func TestAPrivilegedContainerWithIDsOfItsOwnIsNobodyOnTheHost(t *testing.T) {
	if !mapsLayers(t) {
		return
	}
	marker := file(t, "marker", "of the host")
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, marker, 0)
	require.NoError(t, err)
	bait := filepath.Dir(file(t, "bait", ""))
	for name, attempt := range map[string]struct {
		args            []string
		fails, succeeds string
	}{
		"a setting of the kernel": {[]string{"write", "/proc/sys/kernel/core_pattern"}, "/proc/sys/kernel/core_pattern EACCES\nEACCES", "/proc/sys/kernel/core_pattern done\ndone"},
		"a file by its handle":    {[]string{"handle", "/bait", strconv.Itoa(int(handle.Type())), hex.EncodeToString(handle.Bytes())}, "EPERM", "of the host\ndone"},
		"the time of the host":    {[]string{"call", strconv.Itoa(unix.SYS_SETTIMEOFDAY), "0", "0"}, "EPERM", "done"},
	} {
		flags := []string{"--privileged", "--volume", bait + ":/bait"}
		assert.Equal(t, attempt.fails, attacked(t, append(flags, own...), attempt.args...), name)
		assert.Equal(t, attempt.succeeds, attacked(t, flags, attempt.args...), "%s, control", name)
	}
}

// A process may escape from its root directory. Even then it cannot touch the files of the host, which sees an ordinary user without rights.
func TestRootWithIDsOfItsOwnIsNobodyInTheTreeOfTheHost(t *testing.T) {
	if !mapsLayers(t) {
		return
	}
	secret := file(t, "secret", "of the host\n")
	require.NoError(t, os.Chmod(secret, 0o600))
	for _, dir := range []string{filepath.Dir(secret), filepath.Dir(filepath.Dir(secret))} {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	script := "id -u; cat " + secret + "; chmod 644 " + secret + "; echo >" + secret + ".new"
	c := newTrial(t)
	c.detached(kept, append([]string{"--privileged"}, own...)...)
	c.logged("ready")
	_, pid := c.status()
	// Root of the container, with the root directory of the host.
	r := outcome(t, exec.Command("nsenter", "--target", strconv.Itoa(pid), "--user", "/bin/sh", "-c", script))
	assert.Equal(t, "0\n", r.stdout)
	assert.Equal(t, 3, strings.Count(r.stderr, "\n"), r.stderr)
	unchanged(t, secret, "of the host\n")
	assert.NoFileExists(t, secret+".new")
	r = outcome(t, exec.Command("/bin/sh", "-c", script))
	assert.Equal(t, result{"0\nof the host\n", "", 0}, r, "control: root of a container without a user namespace")
}

// An ordinary user always has a user namespace. The attacks of a command fail there, too.
func TestAttacksFailInAContainerOfAnOrdinaryUser(t *testing.T) {
	c := asPerson(t, ranges)
	public := filepath.Dir(c.person.home)
	program, secret := filepath.Join(public, "attack"), filepath.Join(public, "secret")
	copySelf(t, program, 0o755)
	require.NoError(t, os.WriteFile(secret, []byte("of the host\n"), 0o600))
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, secret, 0)
	require.NoError(t, err)
	volumes := []string{"--volume", program + ":/attack:ro", "--volume", public + ":/public"}
	unconfined, privileged := []string{"--security-opt", "seccomp=unconfined"}, []string{"--privileged"}
	const setting = "/proc/sys/kernel/core_pattern"
	for name, attempt := range map[string]struct {
		flags []string
		args  []string
		want  string
		// control is what the attack prints in a container of root with these flags.
		rights  []string
		control string
	}{
		"chroot":                   {nil, []string{"chroot", "fchdir", secret}, "ENOENT", nil, ""},
		"mount proc":               {nil, []string{"mount", "proc"}, "EPERM", privileged, "done"},
		"mount tmpfs, no filter":   {unconfined, []string{"mount", "tmpfs"}, "EPERM", privileged, "done"},
		"fresh proc":               {unconfined, []string{"namespace", "mount", "proc"}, "EPERM\ndone", privileged, "done\ndone"},
		"unmask":                   {unconfined, []string{"unmount", "/proc/keys"}, "EPERM", privileged, ""},
		"setting":                  {nil, []string{"write", setting}, setting + " EACCES\nEACCES", privileged, setting + " done\ndone"},
		"setting, privileged":      {privileged, []string{"write", setting}, setting + " EACCES\nEACCES", privileged, setting + " done\ndone"},
		"file of root":             {nil, []string{"write", "/public/secret"}, "/public/secret EACCES\nEACCES", nil, "/public/secret done\ndone"},
		"file of root, privileged": {privileged, []string{"write", "/public/secret"}, "/public/secret EACCES\nEACCES", nil, "/public/secret done\ndone"},
		"handle, privileged":       {privileged, []string{"handle", "/public", strconv.Itoa(int(handle.Type())), hex.EncodeToString(handle.Bytes())}, "EPERM", privileged, "of the host\n\ndone"},
		"time, privileged":         {privileged, []string{"call", strconv.Itoa(unix.SYS_SETTIMEOFDAY), "0", "0"}, "EPERM", privileged, "done"},
	} {
		attack := append([]string{"/attack", "attack"}, attempt.args...)
		r := c.final(c.runArgs(append(attempt.flags, volumes...), attack...)...)
		assert.Equal(t, attempt.want+"\n", r.stdout, "%s: %s", name, r.stderr)
		c.nothingLeft()
		if attempt.control != "" {
			run := append(append([]string{"run", "--rootfs", needRootfs(t), "--memory", "256m"}, volumes...), attempt.rights...)
			assert.Equal(t, attempt.control, printed(t, command(t, append(run, attack...)...)), "%s, control", name)
		}
	}
	unchanged(t, secret, "of the host\n")
}

// Process 1 of a container can move into a user namespace that forbids setgroups. Then exec must have given up the groups of its caller before.
func TestWhatJoinsAContainerHasNoGroupsOfTheCaller(t *testing.T) {
	c := newBundle(t, "busybox", "unshare", "-r", "sleep", "1000")
	c.started()
	_, pid := c.status()
	c.until(func() bool { return strings.HasPrefix(cmdline(pid), "sleep") }, func() string { return cmdline(pid) })
	setgroups, err := os.ReadFile(fmt.Sprintf("/proc/%d/setgroups", pid))
	require.NoError(t, err)
	require.Equal(t, "deny\n", string(setgroups))
	call := c.call("exec", c.id, "busybox", "grep", "Groups", "/proc/self/status")
	call.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: []uint32{6, 7}}}
	r := outcome(t, call)
	require.Equal(t, 0, r.status, r.stderr)
	require.Equal(t, []string{"Groups:"}, strings.Fields(r.stdout))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// In a user namespace of its own, or with CAP_SYS_ADMIN, a container can mount the cgroup of version 2 that it is in, and kill all processes
// there. So it must not stay in the cgroup of whoever has started final.
func TestAContainerThatCanMountIsNotInTheCgroupOfTheCaller(t *testing.T) {
	unifiedTree(t)
	unified := func(pid int) string {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		require.NoError(t, err)
		_, line, _ := strings.Cut("\n"+string(content), "\n0::")
		line, _, _ = strings.Cut(line, "\n")
		return line
	}
	profile := file(t, "profile.json", `{"defaultAction": "SCMP_ACT_ALLOW"}`)
	for _, flag := range []string{"--security-opt=seccomp=unconfined", "--security-opt=seccomp=" + profile, "--cap-add=SYS_ADMIN", "--privileged"} {
		c := newTrial(t)
		c.detached(kept, flag)
		assert.Equal(t, "/container-workshop-"+c.id, "/"+filepath.Base(unified(c.first())), flag)
		require.Equal(t, result{}, c.final("delete", "--force", c.id), flag)
		c.nothingLeft()
	}
}
