//go:build linux

package engine

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
	"container-workshop/final/container"
	"container-workshop/final/engine/network"
	"container-workshop/final/owned"
	"container-workshop/final/stage"
)

// slirp is the program that connects the container of an ordinary user to the world: nobody without root can connect it to the host's network
// devices. The program makes a device in the network namespace of the container, reads the packets from there, and opens a connection of its
// own, as the user, for each connection of the container. slirp4netns(1)
const slirp = "slirp4netns"

// slirpDNS is the address at which slirp passes on questions to the host's DNS server.
var slirpDNS = netip.AddrFrom4([4]byte{10, 0, 2, 3})

// plugUser starts slirp for a container, waits until the network works, and publishes ports.
func plugUser(id string, ports []network.Port, line *stage.Line, namespace *os.File) {
	u := &userPlug{id: id, ports: ports}
	defer u.close()
	line.Do("clone("+slirp+")", "clone(2)", 0, func() error { return u.start(namespace) })
	line.Do(fmt.Sprintf("write(%q)", filepath.Join(directory(id), "network")), "write(2)", 0, func() error {
		note := fmt.Sprintf("%d %s", u.pid, container.StartTime(u.pid))
		return os.WriteFile(filepath.Join(directory(id), "network"), []byte(note), 0o600)
	})
	line.Wait("execve("+slirp+"), read(ready)", slirp+"(1)", func() error {
		err := u.work()
		if err != nil {
			err = fmt.Errorf("%s: %w", slirp, err)
		}
		return err
	})
}

// A userPlug is what final needs to start slirp. The process begins as a list, which becomes slirp when the container's storage has the PID,
// for unplugUser. Whoever kills final before that ends the list, too.
type userPlug struct {
	id    string
	ports []network.Port
	pid   int
	// dir is the storage of the container. The list reads a byte from goOn, and slirp writes one to ready.
	dir, log, goOn, ready *os.File
}

func (u *userPlug) start(namespace *os.File) (err error) {
	program, err := exec.LookPath(slirp)
	if err != nil {
		return err
	}
	if u.dir, err = os.Open(directory(u.id)); err != nil {
		return err
	}
	if u.log, err = os.Create(filepath.Join(directory(u.id), "network.log")); err != nil {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	wait, goOn, err := os.Pipe()
	if err != nil {
		return err
	}
	defer wait.Close()
	u.goOn = goOn
	ready, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer write.Close()
	u.ready = ready
	// No key of the terminal ends it.
	u.pid, err = slirpList(program).Start([]*os.File{null, u.log, u.log, namespace, write, u.dir, wait}, &unix.SysProcAttr{Setsid: true})
	return err
}

func slirpList(program string) *calls.List {
	const wait = 6
	l := calls.New(slirp, false)
	l.Socket(wait)
	goOn := l.Label()
	l.Stage("read(go on)", "pipe(7)", 0)
	l.Do(unix.SYS_READ, wait, l.Buffer(8), 1).On(1, goOn).Ignore()
	l.Exit(1)
	l.Mark(goOn)
	l.Stage("execve("+slirp+")", slirp+"(1)", 0)
	l.Do(unix.SYS_FCNTL, wait, unix.F_SETFD, unix.FD_CLOEXEC).Ignore()
	l.Do(unix.SYS_EXECVE, program, l.Strings([]string{
		slirp, "--configure", "--mtu=65520", "--disable-host-loopback", "--enable-sandbox", "--ready-fd=4", "--netns-type=path",
		"--api-socket=/proc/self/fd/5/" + slirpSocket, "/proc/self/fd/3", "tap0",
	}), l.Strings(os.Environ())).Ignore()
	l.Exit(127)
	return l
}

// work lets the list become slirp.
func (u *userPlug) work() error {
	_, err := u.goOn.Write([]byte("g"))
	if err == nil {
		_, err = u.ready.Read(make([]byte, 1))
	}
	if err == nil {
		err = forward(u.dir, u.ports)
	}
	if err == nil && len(u.ports) > 0 {
		err = keepPorts(u.id, u.ports)
	}
	if err == nil {
		return nil
	}
	_ = unix.Kill(u.pid, unix.SIGKILL)
	_, _ = unix.Wait4(u.pid, nil, 0, nil)
	if err == io.EOF {
		said, _ := os.ReadFile(u.log.Name())
		err = errors.New(cmp.Or(string(bytes.TrimSpace(said)), "ended before the network worked"))
	}
	return err
}

func (u *userPlug) close() {
	for _, file := range []*os.File{u.dir, u.log, u.goOn, u.ready} {
		file.Close()
	}
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

// keepPorts writes down which ports slirp publishes, for portsOfUser.
func keepPorts(id string, ports []network.Port) error {
	content, err := json.Marshal(ports)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory(id), "ports"), content, 0o600)
}

// portsOfUser returns the ports that the container of an ordinary user publishes.
func portsOfUser(id string) (ports []network.Port, err error) {
	dir, err := openDirectory(id)
	if err != nil {
		return nil, nil
	}
	defer unix.Close(dir)
	content, err := owned.ReadFile(dir, "ports")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(content, &ports)
	}
	return ports, err
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

// unplugUser ends the slirp of a container, if there is one.
func unplugUser(id string) error {
	dir, err := openDirectory(id)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	// The container has ended, and may stay.
	_ = unix.Unlinkat(dir, "ports", 0)
	pid := slirpOf(dir)
	if pid == 0 {
		return nil
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
		return fmt.Errorf("end %s, process %d: %w", slirp, pid, err)
	}
	return nil
}

// slirpOf returns the PID of the slirp of a container, and 0 if there is none. dir is the directory of the container.
func slirpOf(dir int) (pid int) {
	note, err := owned.ReadFile(dir, "network")
	if err != nil {
		return 0
	}
	var started string
	if n, _ := fmt.Sscan(strings.TrimSpace(string(note)), &pid, &started); n != 2 || container.StartTime(pid) != started {
		return 0
	}
	return pid
}
