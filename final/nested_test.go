//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// nestedUser is who root of the user namespace is on the host, and nestedRange the first of the other IDs.
const nestedUser, nestedRange = 4321, 500000

// A nested is a bundle of an engine that has made a user namespace and a mount namespace, and calls final as root there. Rootless podman is
// such an engine.
type nested struct {
	*bundled
	// maps are the ID maps of the namespace. The first ID is the user's own.
	maps []syscall.SysProcIDMap
	env  []string
	// cgroup is a cgroup of version 2 for the calls, or nil for that of the test.
	cgroup  *os.File
	program *os.File
}

func newNested(t *testing.T, args ...string) *nested {
	t.Helper()
	c := &nested{bundled: newBundle(t, args...)}
	c.maps = []syscall.SysProcIDMap{{ContainerID: 0, HostID: nestedUser, Size: 1}, {ContainerID: 1, HostID: nestedRange, Size: 65536}}
	c.spec.Linux.CgroupsPath = ""
	// The user may not enter the directory of the test's program.
	program, err := os.Open("/proc/self/exe")
	require.NoError(t, err)
	t.Cleanup(func() { program.Close() })
	c.program = program
	return c
}

// calls runs a shell script as root of the user namespace. In the script, final is the program, and the last argument of most verbs is $ID.
func (c *nested) calls(script string) result {
	c.Helper()
	c.write()
	// Root of the user namespace has rights to files of its own IDs only.
	for _, dir := range []string{c.root, c.dir, c.spec.Root.Path} {
		require.NoError(c, filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
			require.NoError(c, err)
			return os.Lchown(name, c.maps[0].HostID, c.maps[0].HostID)
		}))
		for ; dir != "/"; dir = filepath.Dir(dir) {
			info, err := os.Stat(dir)
			require.NoError(c, err)
			require.NoError(c, os.Chmod(dir, info.Mode()|0o001))
		}
	}
	cmd := exec.Command("/bin/sh", "-c", `final() { /proc/self/fd/3 --root "$ROOT" "$@"; }; `+script)
	cmd.Env = append(append(os.Environ(), c.env...), "WORKSHOP_AS_PROGRAM=1", c.mark, "ROOT="+c.root, "ID="+c.id, "BUNDLE="+c.dir)
	cmd.ExtraFiles, cmd.Dir, cmd.WaitDelay = []*os.File{c.program}, "/", patience
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, UidMappings: c.maps, GidMappings: c.maps,
		GidMappingsEnableSetgroups: len(c.maps) > 1, Credential: &syscall.Credential{NoSetGroups: len(c.maps) == 1},
	}
	if c.cgroup != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(c.cgroup.Fd())
	}
	return outcome(c.T, cmd)
}

// runs runs the container to its end, which has to work, and returns its output.
func (c *nested) runs(script string) string {
	c.Helper()
	c.spec.Process.Args = []string{"sh", "-c", script}
	r := c.calls(`final run --bundle "$BUNDLE" "$ID"`)
	require.Equal(c, result{r.stdout, "", 0}, r)
	c.nothingLeft()
	return strings.TrimSuffix(r.stdout, "\n")
}

// without leaves out a namespace of the container.
func (c *nested) without(kind specs.LinuxNamespaceType) {
	var rest []specs.LinuxNamespace
	for _, n := range c.spec.Linux.Namespaces {
		if n.Type != kind {
			rest = append(rest, n)
		}
	}
	c.spec.Linux.Namespaces = rest
}

// user_namespaces(7)
func TestRootOfAUserNamespaceMakesContainers(t *testing.T) {
	c := newNested(t)
	assert.NotRegexp(t, "shared:|master:", c.runs("sed 's/ - .*//' /proc/self/mountinfo | grep ' /dev/'"))
	out := c.runs("id -u; cat /proc/self/uid_map; echo $$; stat -c '%u %F' /dev/null; echo x >/dev/null; cat /dev/zero | head -c 3 | wc -c; echo x >/made")
	assert.Equal(t, fmt.Sprintf("0 0 %d 1 1 %d 65536 1 65534 character special file 3", nestedUser, nestedRange), strings.Join(strings.Fields(out), " "))
	var made unix.Stat_t
	require.NoError(t, unix.Stat(filepath.Join(c.spec.Root.Path, "made"), &made))
	assert.Equal(t, uint32(nestedUser), made.Uid)
}

func TestTheLifeOfAContainerInAUserNamespace(t *testing.T) {
	c := newNested(t, "sh", "-c", "exec sleep 1000")
	r := c.calls(`
		final create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 && final start "$ID" || exit
		final exec "$ID" sh -c 'id -u; echo $0 >/made; cat /made' there
		final exec --user 7:8 "$ID" id -u
		final ps --format json "$ID" | tr -dc , | wc -c
		final pause "$ID"; final update --pids-limit 7 "$ID"
		final kill "$ID" KILL; final delete --force "$ID"; final list --quiet`)
	assert.Equal(t, 0, r.status, r.stderr)
	assert.Equal(t, "0\nthere\n7\n0\n", r.stdout)
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	require.Len(t, lines, 2, r.stderr)
	assert.Contains(t, lines[0], "no cgroups")
	assert.Contains(t, lines[1], "linux.resources.pids.limit")
	c.nothingLeft()
}

// A container may have a user namespace of its own in the namespace of the engine. podman-run(1), --userns=keep-id
func TestAUserNamespaceInAUserNamespace(t *testing.T) {
	c := newNested(t)
	c.spec.Linux.Namespaces = append(c.spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1, Size: 1000}, {ContainerID: 1000, HostID: 0, Size: 1}}
	c.spec.Linux.UIDMappings, c.spec.Linux.GIDMappings = maps, maps
	c.spec.Process.User = specs.User{UID: 1000, GID: 1000}
	assert.Equal(t, "1000\n1000", c.runs("id -u; stat -c %u /bin"))
}

// The kernel lets a user namespace with one ID give up no groups. user_namespaces(7)
func TestAUserNamespaceWithOneID(t *testing.T) {
	c := newNested(t)
	c.maps = c.maps[:1]
	for i := range c.spec.Mounts {
		m := &c.spec.Mounts[i]
		m.Options = strings.Split(strings.ReplaceAll(strings.Join(m.Options, ","), ",gid=5", ""), ",")
	}
	assert.Equal(t, "0 deny", c.runs("echo $(id -u) $(cat /proc/self/setgroups)"))
}

// mount_namespaces(7), "Restrictions on mount namespaces"
func TestAttributesThatAUserNamespaceCannotClearStay(t *testing.T) {
	c := newNested(t)
	source := c.hostMount(filepath.Join(t.TempDir(), "source"), unix.MS_RDONLY|unix.MS_NODEV|unix.MS_NOSUID)
	require.NoError(t, os.Chmod(filepath.Dir(source), 0o755))
	c.mount("bind", source, "/volume", "rbind", "rprivate", "rw", "noexec")
	assert.Contains(t, c.runs("cat /proc/self/mountinfo"), " /volume ro,nosuid,nodev,noexec")
	c.mount("bind", source, "/volume", "rbind", "dev")
	refused(t, c.calls(`final run --bundle "$BUNDLE" "$ID"`), 1, "/volume", "locked in a user namespace")
	c.nothingLeft()
}

// The kernel makes a sysfs or a proc only for who owns the network or the PID namespace. sysfs(5), proc(5)
func TestFileSystemsOfNamespacesThatBelongToTheHost(t *testing.T) {
	c := newNested(t)
	c.without(specs.NetworkNamespace)
	out := c.runs("cat /proc/self/mountinfo; (echo x >/sys/class/net/lo/mtu) 2>/dev/null || echo refused; test -e /sys/class/net/lo/mtu && echo there")
	assert.Regexp(t, ` / /sys ro,nosuid,nodev,noexec`, out)
	assert.Regexp(t, "refused\nthere$", out)

	c = newNested(t)
	c.without(specs.PIDNamespace)
	assert.Equal(t, fmt.Sprint(os.Getpid()), c.runs(fmt.Sprintf("test -d /proc/%d && echo %[1]d", os.Getpid())))
}

// With a proc of the host, a container could walk out by /proc/PID/root.
func TestAContainerWithItsOwnPIDNamespaceGetsNoProcOfTheHost(t *testing.T) {
	c := newNested(t, "true")
	// If a file of the host's proc is covered, the kernel makes no proc that would uncover the file. user_namespaces(7)
	require.NoError(t, unix.Mount("/dev/null", "/proc/version", "", unix.MS_BIND, ""))
	c.mounts = c.mountTable()
	refused(t, c.calls(`final run --bundle "$BUNDLE" "$ID"`), 1, "file system proc", "operation not permitted")
	c.nothingLeft()
	c.without(specs.PIDNamespace)
	assert.Equal(t, "hidden", c.runs("test -c /proc/version && echo hidden"))
}

// Only CAP_SYS_RESOURCE of the host lowers the score and raises hard limits. proc_pid_oom_score_adj(5), prlimit(2)
func TestLimitsThatRootOfAUserNamespaceMayNotSet(t *testing.T) {
	c := newNested(t, "sh", "-c", "cat /proc/self/oom_score_adj; ulimit -Hn; ulimit -Sn")
	before, err := os.ReadFile("/proc/self/oom_score_adj")
	require.NoError(t, err)
	lower := -999
	c.spec.Process.OOMScoreAdj = &lower
	c.spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 500, Hard: 4096}}
	r := c.calls(`ulimit -Sn 1000; ulimit -Hn 1000; final run --bundle "$BUNDLE" "$ID"`)
	assert.Equal(t, strings.TrimSpace(string(before))+"\n1000\n500\n", r.stdout)
	assert.Contains(t, r.stderr, "process.oomScoreAdj: -999")
	assert.Contains(t, r.stderr, "process.rlimits: lower than asked for")
	assert.Contains(t, r.stderr, "RLIMIT_NOFILE")
	c.nothingLeft()
}

// cgroups(7), "Cgroups v2 delegation"
func TestAUserWithoutCgroups(t *testing.T) {
	const own = `final run --bundle "$BUNDLE" "$ID"`
	c := newNested(t)
	c.without(specs.CgroupNamespace)
	self, err := os.ReadFile("/proc/self/cgroup")
	require.NoError(t, err)
	assert.Equal(t, strings.TrimSpace(string(self)), c.runs("cat /proc/self/cgroup"))
	assert.Contains(t, c.calls(`final --debug run --bundle "$BUNDLE" "$ID"`).stderr, "no cgroups: ")

	// A limit that nobody enforces would be worse than an error.
	limit := int64(1 << 26)
	c.spec.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}
	refused(t, c.calls(own), 1, "linux.resources.memory.limit", "no cgroups")
	c.spec.Linux.Resources = nil
	c.spec.Linux.CgroupsPath = "/container-workshop-" + c.id
	refused(t, c.calls(own), 1, "create cgroup")
	c.spec.Linux.CgroupsPath = ""
	refused(t, c.calls(`final --rootless=false run --bundle "$BUNDLE" "$ID"`), 1, "create cgroup")
	c.nothingLeft()
}
