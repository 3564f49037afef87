//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// In containers bench is two more programs: one sends bytes to an address for some milliseconds, and prints how many MiB a second arrive;
// the other one takes them.
const (
	asSender   = "as-sender"
	asReceiver = "as-receiver"
)

// receiverPort is the port of a receiver.
const receiverPort = 5201

// The addresses of the other machine, and of the host on the cable to it.
const worldIP, hostIP = "198.51.100.1", "198.51.100.2"

// newWorld takes the network namespace of this thread for a host, and returns that of another machine. The host's way to everywhere leads
// there. The other machine takes bytes.
func newWorld() (namespace int, err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return -1, fmt.Errorf("make a network namespace: %w", err)
	}
	opened := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			namespace, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		var listener net.Listener
		if err == nil {
			listener, err = net.Listen("tcp", fmt.Sprintf(":%d", receiverPort))
		}
		opened <- err
		if err == nil {
			_ = receive(listener)
		}
	}()
	if err := <-opened; err != nil {
		return -1, fmt.Errorf("make another network namespace: %w", err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "up0"
	cable := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(namespace)}
	if err := netlink.LinkAdd(cable); err != nil {
		return namespace, fmt.Errorf("make a cable: %w", err)
	}
	there, err := netlink.NewHandleAt(netns.NsHandle(namespace), unix.NETLINK_ROUTE)
	if err != nil {
		return namespace, err
	}
	defer there.Close()
	here, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return namespace, err
	}
	defer here.Close()
	if err := errors.Join(plug(here, "up0", hostIP), plug(there, "eth0", worldIP)); err != nil {
		return namespace, err
	}
	return namespace, here.RouteAdd(&netlink.Route{Gw: net.ParseIP(worldIP)})
}

// plug takes the interfaces of a machine up.
func plug(h *netlink.Handle, name, ip string) error {
	for _, name := range []string{"lo", name} {
		link, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		if name != "lo" {
			address, err := netlink.ParseAddr(ip + "/24")
			if err := errors.Join(err, h.AddrAdd(link, address)); err != nil {
				return err
			}
		}
		if err := h.LinkSetUp(link); err != nil {
			return err
		}
	}
	return nil
}

// receive reads what comes, and closes each connection when it has read everything.
func receive(listener net.Listener) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, make([]byte, 1<<18))
		}()
	}
}

// send sends bytes for some time, and returns how many MiB a second have arrived: the receiver closes the connection after the last one.
func send(address string, duration time.Duration) (float64, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	block := make([]byte, 1<<18)
	begin, sent := time.Now(), 0
	for time.Since(begin) < duration {
		n, err := conn.Write(block)
		if sent += n; err != nil {
			return 0, err
		}
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, err
	}
	if _, err := conn.Read(block); err != io.EOF {
		return 0, fmt.Errorf("the receiver has not closed the connection: %w", err)
	}
	return float64(sent) / (1 << 20) / time.Since(begin).Seconds(), nil
}

// inContainer is bench in a container.
func inContainer(verb string, args []string) error {
	if verb == asReceiver {
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", receiverPort))
		if err != nil {
			return err
		}
		return receive(listener)
	}
	milliseconds, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	rate, err := send(args[0], time.Duration(milliseconds)*time.Millisecond)
	if err == nil {
		fmt.Println(rate)
	}
	return err
}

// itself is the path of bench in the containers.
const itself = "/bin/bench"

// copyItself copies bench into the root file system of the containers.
func (b *bench) copyItself() error {
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.path("rootfs"), itself), program, 0o755)
}

// networkRates measures how fast containers send: to another machine, through the bridge and the address translation of the host, and to
// the neighbour on the same bridge.
func (b *bench) networkRates(engines []*networker) []row {
	var world, bridge []task
	for _, e := range engines {
		world = append(world, task{e.name, func() (float64, error) { return b.networkRate(e, worldIP) }})
		if e.named {
			bridge = append(bridge, task{e.name, func() (float64, error) { return b.networkRate(e, e.neighbour) }})
		}
	}
	return []row{
		b.alternate("to another machine", bytesPerSecond, b.fewer(), warm, world),
		b.alternate("to another container", bytesPerSecond, b.fewer(), warm, bridge),
	}
}

func (b *bench) networkRate(e *networker, to string) (float64, error) {
	address := net.JoinHostPort(to, strconv.Itoa(receiverPort))
	cmd, finish, err := b.prepare(e.run(b, e.network, nil, itself, asSender, address, strconv.Itoa(b.few(2000, 50))))
	if err != nil {
		return 0, err
	}
	output, err := cmd.Output()
	if err := finish(err); err != nil {
		return 0, err
	}
	return strconv.ParseFloat(lastLine(string(output)), 64)
}
