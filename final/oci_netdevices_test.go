//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/check"
)

// ownNetwork gives the thread of the test, and what it starts, a network namespace of its own: no device of the host is touched.
func (c *trial) ownNetwork() {
	c.Helper()
	require.NoError(c, unix.Unshare(unix.CLONE_NEWNET))
}

// ip calls ip(8) in the network namespace of the test, or of a process.
func (c *trial) ip(pid int, args string) string {
	c.Helper()
	words := append([]string{"ip"}, strings.Fields(args)...)
	if pid != 0 {
		words = append([]string{"nsenter", "-t", fmt.Sprint(pid), "-n", "busybox"}, words...)
	}
	r := outcome(c.T, exec.Command("busybox", words...))
	require.Equal(c, 0, r.status, "ip %s: %s", args, r.stderr)
	return r.stdout
}

// device makes a virtual network device with some addresses, which stays when nobody has it open. TUNSETPERSIST, ioctl_tun(2)
func (c *trial) device(name string) {
	c.Helper()
	tun, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	require.NoError(c, err, "needs /dev/net/tun: modprobe tun")
	defer unix.Close(tun)
	request, err := unix.NewIfreq(name)
	require.NoError(c, err)
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	require.NoError(c, unix.IoctlIfreq(tun, unix.TUNSETIFF, request))
	require.NoError(c, unix.IoctlSetInt(tun, unix.TUNSETPERSIST, 1))
	c.ip(0, "link set "+name+" address 02:11:22:33:44:55 mtu 1789")
	for _, address := range []string{
		"192.0.2.7/24 broadcast 192.0.2.255", "192.0.2.8/24 label " + name + ":1", "198.51.100.1 peer 198.51.100.2/32", "2001:db8::7/64",
		"10.1.2.3/24 scope link", "203.0.113.7/24 valid_lft 1000 preferred_lft 1000",
	} {
		c.ip(0, "address add "+address+" dev "+name)
	}
}

// moved are lines that ip(8) shows of such a device in the container.
func moved(name string) []string {
	return []string{
		" mtu 1789 ", "link/ether 02:11:22:33:44:55 ", "inet 192.0.2.7/24 brd 192.0.2.255 scope global " + name + "\n",
		"inet 192.0.2.8/24 scope global secondary " + name + ":1\n", "inet 198.51.100.1 peer 198.51.100.2/32 scope global " + name + "\n",
		"inet6 2001:db8::7/64 scope global ",
	}
}

var seconds = regexp.MustCompile(`\d+sec`)

// onHost is what ip(8) shows of a device in the network namespace of the test, without its number.
func (c *trial) onHost(name string) string {
	c.Helper()
	_, text, _ := strings.Cut(c.ip(0, "address show dev "+name), ": ")
	// It takes a moment until the kernel has seen that there is no cable, and time goes on.
	return seconds.ReplaceAllString(strings.Replace(text, "NO-CARRIER,", "", 1), "N sec")
}

// devices are the names of the devices there.
func (c *trial) devices(pid int) (names []string) {
	c.Helper()
	for line := range strings.Lines(c.ip(pid, "-o link show")) {
		names = append(names, strings.Fields(strings.ReplaceAll(line, ":", " "))[1])
	}
	return names
}

func TestANetworkDeviceMovesToTheContainer(t *testing.T) {
	for _, user := range []bool{false, true} {
		c := newBundle(t)
		c.ownNetwork()
		if user {
			c.userNamespace()
		}
		c.device("of-host")
		c.device("other")
		c.ip(0, "link set other up")
		c.spec.Linux.NetDevices = map[string]specs.LinuxNetDevice{"of-host": {Name: "inside"}, "other": {}}
		// There is a sysctl for the device as soon as it is there, and hooks find it, too.
		c.spec.Linux.Sysctl = map[string]string{"net.ipv4.conf.inside.forwarding": "1"}
		notes := c.notes()
		require.NoError(t, os.Chmod(notes, 0o777))
		c.hook("createRuntime", "busybox ip link show >"+notes+"/host")
		c.hook("createContainer", "busybox ip link show >"+notes+"/container")
		text := c.says("cat /proc/sys/net/ipv4/conf/inside/forwarding; busybox ip address")
		require.True(t, strings.HasPrefix(text, "1\n"), text)
		for _, name := range []string{"inside", "other"} {
			for _, line := range moved(name) {
				assert.Contains(t, text, line)
			}
			assert.Regexp(t, `(?m)^\d+: `+name+`: <.*\bUP\b`, text)
			assert.Regexp(t, `(?m)^\d+: `+name+`: `, noted(t, notes, "container"))
		}
		assert.NotContains(t, text, "of-host")
		assert.NotContains(t, text, "10.1.2.3", "its scope is the link")
		assert.NotContains(t, text, "203.0.113.7", "it does not last")
		assert.NotRegexp(t, `of-host|other`, noted(t, notes, "host"))
		// The namespace has ended, and what is virtual with it.
		c.until(func() bool { return len(c.devices(0)) == 1 }, func() string { return fmt.Sprint(c.devices(0)) })
		c.nothingLeft()
	}
}

func TestANetworkDeviceMovesToANetworkThatIsThere(t *testing.T) {
	c := newBundle(t)
	c.ownNetwork()
	c.device("eth0")
	there := holder(t, unix.CLONE_NEWNET)
	c.joins(there, specs.NetworkNamespace)
	c.spec.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth0": {}}
	c.says("busybox ip address show dev eth0")
	// Who has the namespace has the device.
	text := c.ip(there, "address show dev eth0")
	for _, line := range moved("eth0") {
		assert.Contains(t, text, line)
	}

	// A second device of that name stays what it was.
	c.device("eth0")
	c.ip(0, "link set eth0 up")
	before := c.onHost("eth0")
	taken := `linux.netDevices["eth0"]: the network namespace of the container already has a device `
	refused(t, c.create(), 1, taken+`"eth0"`)
	require.Equal(t, before, c.onHost("eth0"))
	c.spec.Linux.NetDevices["eth0"] = specs.LinuxNetDevice{Name: "lo"}
	refused(t, c.create(), 1, taken+`"lo"`)
	require.Equal(t, before, c.onHost("eth0"))
	c.nothingLeft()
	// It has to have a name that is free, or a template for one.
	c.spec.Linux.NetDevices["eth0"] = specs.LinuxNetDevice{Name: "eth%d"}
	c.says("busybox ip address show dev eth1")
	require.ElementsMatch(t, []string{"lo", "eth0", "eth1"}, c.devices(there))
	for _, line := range moved("eth1") {
		assert.Contains(t, c.ip(there, "address show dev eth1"), line)
	}
	c.nothingLeft()
}

func TestANetworkDeviceThatCannotMove(t *testing.T) {
	c := newBundle(t, "true")
	c.ownNetwork()
	c.device("first")
	c.ip(0, "link set first up")
	before := c.onHost("first")
	try := func(words ...string) {
		t.Helper()
		refused(t, c.create(), 1, words...)
		require.Equal(t, before, c.onHost("first"))
		require.Len(t, c.devices(0), 2)
		c.nothingLeft()
	}
	// The first of two has been moved when the second fails.
	for name, words := range map[string]string{
		"later": `linux.netDevices["later"]: no such device`, "lo": `linux.netDevices["lo"]: `, "x/y": `linux.netDevices["x/y"]: must be the name`,
	} {
		c.spec.Linux.NetDevices = map[string]specs.LinuxNetDevice{"first": {}, name: {Name: "second"}}
		try(words)
	}
	c.spec.Linux.NetDevices = map[string]specs.LinuxNetDevice{"first": {}}
	c.spec.Process.Args = []string{"no-such-command"}
	try("no-such-command")
	c.spec.Process.Args = []string{"true"}
	c.hook("createContainer", "exit 1")
	try("createContainer")
	c.spec.Hooks = nil

	// One that has another name keeps it: it is no name for another device, and none to find it by.
	if outcome(t, exec.Command("ip", "link", "property", "add", "dev", "first", "altname", "alias")).status == 0 {
		before = c.onHost("first")
		c.spec.Linux.NetDevices = map[string]specs.LinuxNetDevice{"alias": {}}
		try(`linux.netDevices["alias"]: this is another name of the device "first"`)
		c.spec.Linux.NetDevices = map[string]specs.LinuxNetDevice{"first": {Name: "alias"}}
		try(`linux.netDevices["first"]: "alias" is already another name of this device`)
	}

	c.spec.Linux.NetDevices = map[string]specs.LinuxNetDevice{"first": {Name: "second"}}
	c.joins(unix.Gettid(), specs.NetworkNamespace)
	try(`linux.netDevices["first"]: the device is already in the network namespace of linux.namespaces`)
	c.without(specs.NetworkNamespace)
	try("linux.netDevices: the container uses the host's network")
}

// Until the command runs a failure leaves the device what it was, with its addresses.
func TestFailureAtAnyStageLeavesTheNetworkDevice(t *testing.T) {
	c := newBundle(t, "true")
	c.ownNetwork()
	c.spec.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth0": {Name: "inside"}}
	c.write()
	moving := -1
	for _, side := range []string{"host", "state", "inside", "container"} {
		for index := 0; ; index++ {
			if testing.Short() && side == "container" && index%3 != 0 {
				continue
			}
			if len(c.devices(0)) == 1 {
				c.device("eth0")
			}
			before := c.onHost("eth0")
			r := outcome(t, c.interruptedBundle(side, index, "fail"))
			if !strings.Contains(r.stderr, errInterrupted.Error()) {
				require.Equal(t, result{}, r)
				require.Greater(t, index, 3, side)
				break
			}
			call := stageOf(r.stderr, c.root, c.id)
			if strings.HasPrefix(call, "rmdir(") {
				require.Equal(t, result{}, c.final("delete", c.id))
			} else {
				require.Equal(t, before, c.onHost("eth0"), call)
			}
			if strings.HasPrefix(call, "sendmsg(RTM_NEWLINK") {
				moving = index
			}
			c.nothingLeft()
		}
	}
	require.NotEqual(t, -1, moving)

	// Process 1 ends: the host side still has its namespace.
	for index := moving; index <= moving+1; index++ {
		if len(c.devices(0)) == 1 {
			c.device("eth0")
		}
		before := c.onHost("eth0")
		more := filepath.Join(t.TempDir(), "go-on")
		cmd := c.interruptedBundle("host", index, more)
		require.NoError(t, cmd.Start())
		c.atStage()
		first := c.first()
		require.NoError(t, unix.Kill(first, unix.SIGKILL))
		c.until(func() bool { return check.Stat(first, 3) == "Z" }, func() string { return "process 1 does not end" })
		require.NoError(t, os.WriteFile(more, nil, 0o600))
		require.Error(t, cmd.Wait())
		require.Equal(t, before, c.onHost("eth0"))
		c.nothingLeft()
		// The host side itself ends: the kernel removes what was moved already.
		cmd = c.interruptedBundle("host", index, filepath.Join(t.TempDir(), "never"))
		require.NoError(t, cmd.Start())
		c.atStage()
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		c.nothingLeft()
		c.until(func() bool { return len(c.devices(0)) == 2-(index-moving) }, func() string { return fmt.Sprint(c.devices(0)) })
	}
}

// interruptedBundle returns a run of the bundle that is interrupted at a stage. For action see interruptEnv.
func (c *bundled) interruptedBundle(side string, index int, action string) *exec.Cmd {
	c.Helper()
	cmd := c.call("run", "--bundle", c.dir, c.id)
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%s %d %s", interruptEnv, side, index, action))
	return cmd
}
