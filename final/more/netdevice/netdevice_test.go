//go:build linux

package netdevice

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// ownNetwork gives the rest of a test a network namespace of its own: it touches no device of the host.
func ownNetwork(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	before, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Unshare(unix.CLONE_NEWNET))
	t.Cleanup(func() { assert.NoError(t, errors.Join(unix.Setns(before, unix.CLONE_NEWNET), unix.Close(before))) })
}

func opened(t *testing.T, path string) *Namespace {
	t.Helper()
	n, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(n.Close)
	return n
}

// another opens a new network namespace, in which no process is.
func another(t *testing.T) *Namespace {
	t.Helper()
	fd := make(chan int)
	go func() {
		// The thread ends with the goroutine. The descriptor keeps its namespace.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		n := -1
		if err == nil {
			n, _ = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		fd <- n
	}()
	n := <-fd
	require.NotEqual(t, -1, n)
	defer unix.Close(n)
	return opened(t, fmt.Sprintf("/proc/self/fd/%d", n))
}

// makeDevice makes a virtual network device, which stays when nobody has it open. TUNSETPERSIST, ioctl_tun(2)
func makeDevice(t *testing.T, name string) {
	t.Helper()
	tun, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	require.NoError(t, err, "needs /dev/net/tun: modprobe tun")
	defer unix.Close(tun)
	request, err := unix.NewIfreq(name)
	require.NoError(t, err)
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	require.NoError(t, unix.IoctlIfreq(tun, unix.TUNSETIFF, request))
	require.NoError(t, unix.IoctlSetInt(tun, unix.TUNSETPERSIST, 1))
}

// has reports whether a namespace has a device, and whether the device is up.
func has(t *testing.T, n *Namespace, name string) (there, up bool) {
	t.Helper()
	_, up, _, err := n.find(name)
	if !errors.Is(err, unix.ENODEV) {
		require.NoError(t, err)
	}
	return err == nil, up
}

func TestADeviceMovesAndComesBack(t *testing.T) {
	ownNetwork(t)
	makeDevice(t, "wire0")
	host, container := opened(t, "/proc/thread-self/ns/net"), another(t)
	assert.True(t, host.Is(host))
	assert.False(t, host.Is(container))

	device, err := Move(host, container, "wire0", "inner%d")
	require.NoError(t, err)
	there, _ := has(t, host, "wire0")
	assert.False(t, there)
	there, up := has(t, container, "inner0")
	assert.Equal(t, [2]bool{true, true}, [2]bool{there, up}, "a device of a container is up")

	require.NoError(t, device.Back(container, host))
	there, _ = has(t, container, "inner0")
	assert.False(t, there)
	there, up = has(t, host, "wire0")
	assert.Equal(t, [2]bool{true, false}, [2]bool{there, up}, "it is as it was")
}

func TestADeviceThatCannotMoveStays(t *testing.T) {
	ownNetwork(t)
	makeDevice(t, "wire0")
	host, container := opened(t, "/proc/thread-self/ns/net"), another(t)
	for words, names := range map[string][2]string{
		"(ip link lists the devices of the host)": {"nothing", "inner0"},
		`already has a device "lo"`:               {"wire0", "lo"},
	} {
		_, err := Move(host, container, names[0], names[1])
		assert.ErrorContains(t, err, words)
		there, _ := has(t, host, "wire0")
		assert.True(t, there)
	}
}
