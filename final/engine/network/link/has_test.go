//go:build linux

package link

import (
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
)

// inNewHost calls a function in a new network namespace.
func inNewHost(t *testing.T, do func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: make test")
	}
	done := make(chan error)
	go func() {
		// The thread ends with the function, and with the thread the namespace.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			do()
		}
		done <- err
	}()
	require.NoError(t, <-done)
}

// The kernel breaks off a list of addresses if somebody changes an address of any interface meanwhile.
func TestABridgeHasItsAddressesWhileOthersChangeTheirs(t *testing.T) {
	var wrong, changes atomic.Int64
	inNewHost(t, func() {
		n := &network.Network{Bridge: "workshop7", IPv4: netip.MustParsePrefix("10.9.8.0/24"), IPv6: netip.MustParsePrefix("fd12:3456:789a::/64")}
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: n.Bridge}}
		if !errorFree(t, netlink.LinkAdd(bridge)) {
			return
		}
		for _, a := range n.Gateways() {
			if !errorFree(t, netlink.AddrAdd(bridge, address(a))) {
				return
			}
		}
		// With so many addresses, one message of the kernel has not room for the whole list.
		lo, err := netlink.LinkByName("lo")
		for i := range 1000 {
			if errorFree(t, err) {
				err = netlink.AddrAdd(lo, address(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(i / 250), byte(i%250 + 1)}), 32)))
			}
		}
		handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if !errorFree(t, err) {
			return
		}
		defer handle.Close()
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			other := address(netip.MustParsePrefix("192.0.2.1/32"))
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = handle.AddrAdd(lo, other), handle.AddrDel(lo, other)
					changes.Add(1)
				}
			}
		}()
		for changes.Load() < 500 {
			if !has(bridge, n) {
				wrong.Add(1)
			}
		}
		close(stop)
		<-stopped
	})
	require.Zero(t, wrong.Load())
}

func errorFree(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}
