//go:build linux

package inside

import (
	"fmt"

	"golang.org/x/sys/unix"

	"container-workshop/final/stage"
)

// loopback is what a new network namespace has, down.
func (c *container) loopback() ([]stage.Stage, error) {
	if !c.NetworkNamespace {
		return nil, nil
	}
	return []stage.Stage{{Call: `ioctl(SIOCSIFFLAGS, "lo", IFF_UP)`, Man: "netdevice(7)", Do: loopbackUp}}, nil
}

// loopbackUp brings up the loopback interface, by a request to any socket. netdevice(7)
func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("interface lo: %w", err)
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bring up the interface lo: %w", err)
	}
	return nil
}
