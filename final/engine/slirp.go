//go:build linux

package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
)

// slirp is the other carrier. It knows IPv4 only, and takes no ports in its arguments but at a socket. slirp4netns(1)
const slirp = "slirp4netns"

// slirpArgs name the descriptors: 3 is the network namespace, 4 the pipe for ready, and 5 the storage of the container.
var slirpArgs = []string{
	slirp, "--configure", "--mtu=65520", "--disable-host-loopback", "--enable-sandbox", "--ready-fd=4", "--netns-type=path",
	"--api-socket=/proc/self/fd/5/" + slirpSocket, "/proc/self/fd/3", "tap0",
}

// slirpSocket is the socket in the container's storage at which slirp takes orders.
const slirpSocket = "network.sock"

// forward has slirp listen at ports of the host. slirp4netns(1), "API SOCKET"
func forward(dir *os.File, ports []network.Port) error {
	for _, p := range ports {
		answer, err := request(dir, fmt.Sprintf(`{"execute": "add_hostfwd", "arguments": {"proto": %q, "host_addr": %q, "host_port": %d, "guest_port": %d}}`,
			p.Protocol, p.IP, p.Host, p.Container))
		if err == nil && bytes.Contains(answer, []byte(`"error"`)) {
			err = errors.New("the port is in use, or one that only root may use (choose a free port from 1024 on; see sysctl net.ipv4.ip_unprivileged_port_start)")
		}
		if err != nil {
			return fmt.Errorf("--publish %s: %w", p, err)
		}
	}
	return nil
}

// request sends words to slirp, and returns the answer.
func request(dir *os.File, words string) ([]byte, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	socket := os.NewFile(uintptr(fd), slirpSocket)
	defer socket.Close()
	// The path of the storage may be too long for the address of a socket. unix(7)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), slirpSocket)}); err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	if _, err := socket.WriteString(words); err != nil {
		return nil, err
	}
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		return nil, os.NewSyscallError("shutdown", err)
	}
	return io.ReadAll(socket)
}
