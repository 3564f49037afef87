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
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/final/alive"
	"container-workshop/final/calls"
	"container-workshop/final/engine/network"
	"container-workshop/final/owned"
	"container-workshop/final/stage"
)

// A carrier is the program that connects the container of an ordinary user to the world: nobody without root can connect it to the host's
// network devices. The program makes a device in the network namespace of the container, reads the packets from there, and opens a connection
// of its own, as the user, for each connection of the container.
type carrier struct{ name, path string }

// userDNS is the address at which a carrier passes on questions to the host's DNS server.
var userDNS = netip.AddrFrom4([4]byte{10, 0, 2, 3})

// findCarrier takes pasta, which is faster and knows IPv6, or else slirp4netns. Only slirp4netns works on a host without a way out, and if
// pasta is old, only slirp4netns can publish ports.
func findCarrier(ports []network.Port) (carrier, error) {
	first, err := exec.LookPath(pasta)
	old := err == nil && len(ports) > 0 && !leavesLoopbackAlone(first)
	if err == nil && !old && hasDefaultRoute() {
		return carrier{pasta, first}, nil
	}
	second, none := exec.LookPath(slirp)
	switch {
	case none == nil:
		return carrier{slirp, second}, nil
	case err != nil:
		return carrier{}, fmt.Errorf("an ordinary user needs the program %s or %s: apt-get install passt, or use --network host", pasta, slirp)
	case old:
		return carrier{}, fmt.Errorf("--publish %s: this %s would let all programs of the host reach what the container keeps at 127.0.0.1: apt-get install %s, or a passt from 2025 or later", ports[0], pasta, slirp)
	}
	return carrier{pasta, first}, nil
}

// plugUser starts a carrier for a container, waits until the network works, and publishes ports.
func plugUser(by carrier, id string, ports []network.Port, line *stage.Line, namespace *os.File) {
	u := &userPlug{carrier: by, id: id, ports: ports}
	defer u.close()
	line.Do("clone("+u.name+")", "clone(2)", 0, func() error { return u.start(namespace) })
	line.Do(fmt.Sprintf("write(%q)", filepath.Join(directory(id), "network")), "write(2)", 0, func() error {
		return os.WriteFile(filepath.Join(directory(id), "network"), alive.Note(u.pid), 0o600)
	})
	line.Wait("execve("+u.name+"), read(ready)", u.name+"(1)", func() error {
		err := u.work(carrierTimeout)
		if err != nil {
			err = fmt.Errorf("%s: %w", u.name, err)
		}
		return err
	})
}

// A userPlug is what final needs to start a carrier. The process begins as a list, which becomes the carrier when the container's storage has
// the PID, for unplugUser. Whoever kills final before that ends the list, too.
type userPlug struct {
	carrier
	id    string
	ports []network.Port
	pid   int
	// dir is the storage of the container. The list reads a byte from goOn, and the carrier writes one to ready.
	dir, log, goOn, ready *os.File
}

func (u *userPlug) start(namespace *os.File) (err error) {
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
	args, files := pastaArgs(u.ports), []*os.File{namespace, write, u.log}
	if u.name == slirp {
		args, files = slirpArgs, []*os.File{null, u.log, u.log, namespace, write, u.dir}
	}
	// No key of the terminal ends it.
	u.pid, err = u.list(args, len(files)).Start(append(files, wait), &unix.SysProcAttr{Setsid: true})
	return err
}

// list waits for a byte and becomes the carrier. wait is the number of the descriptor, above those of the carrier.
func (u *userPlug) list(args []string, wait int) *calls.List {
	l := calls.New(u.name, false)
	l.Socket(wait)
	goOn := l.Label()
	l.Stage("read(go on)", "pipe(7)", 0)
	l.Do(unix.SYS_READ, wait, l.Buffer(8), 1).On(1, goOn).Ignore()
	l.Exit(1)
	l.Mark(goOn)
	l.Stage("execve("+u.name+")", u.name+"(1)", 0)
	l.Do(unix.SYS_FCNTL, wait, unix.F_SETFD, unix.FD_CLOEXEC).Ignore()
	l.Do(unix.SYS_EXECVE, u.path, l.Strings(args), l.Strings(os.Environ())).Ignore()
	l.Exit(127)
	return l
}

// carrierTimeout is how long a carrier may take until the network works.
const carrierTimeout = time.Minute

// work lets the list become the carrier.
func (u *userPlug) work(timeout time.Duration) error {
	_, err := u.goOn.Write([]byte("g"))
	if err == nil {
		_ = u.ready.SetReadDeadline(time.Now().Add(timeout))
		_, err = u.ready.Read(make([]byte, 1))
	}
	if err == nil && u.name == slirp {
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
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("the network does not work after %v", timeout)
	}
	if err == io.EOF {
		said, _ := os.ReadFile(u.log.Name())
		err = errors.New(cmp.Or(string(bytes.TrimSpace(said)), "ended before the network worked"))
		if u.name == pasta && !hasDefaultRoute() {
			err = fmt.Errorf("%w (the host has no default route: connect it, or apt-get install %s)", err, slirp)
		}
	}
	return err
}

func (u *userPlug) close() {
	for _, file := range []*os.File{u.dir, u.log, u.goOn, u.ready} {
		file.Close()
	}
}

// keepPorts writes down which ports the carrier publishes, for portsOfUser.
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

// unplugUser ends the carrier of a container, if there is one.
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
	pid := carrierOf(dir)
	if pid == 0 {
		return nil
	}
	err = unix.ESRCH
	// With the descriptor open, the PID cannot become that of another process between the check and the signal. pidfd_open(2)
	if fd, none := unix.PidfdOpen(pid, 0); none == nil {
		if carrierOf(dir) == pid {
			err = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
		unix.Close(fd)
	}
	if err != nil && err != unix.ESRCH {
		return fmt.Errorf("end the program of the container's network, process %d: %w", pid, err)
	}
	return nil
}

// carrierOf returns the PID of the carrier of a container, and 0 if there is none. dir is the directory of the container.
func carrierOf(dir int) (pid int) {
	note, _ := owned.ReadFile(dir, "network")
	return alive.Noted(note)
}
