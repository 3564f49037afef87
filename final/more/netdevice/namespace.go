//go:build linux

// Package netdevice runs on the host side: it moves network devices from one network namespace into another, by rtnetlink(7).
package netdevice

import (
	"os"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A Namespace is a network namespace, with a socket in it by which the kernel is asked. As long as it is open the namespace stays, even
// if no process is in it.
type Namespace struct {
	file   *os.File
	socket *nl.SocketHandle
}

// Open opens a network namespace by its path, such as /proc/PID/ns/net.
func Open(path string) (*Namespace, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	socket, err := nl.GetNetlinkSocketAt(netns.NsHandle(file.Fd()), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		file.Close()
		return nil, err
	}
	// The kernel then explains its errors in words. An older kernel cannot.
	_ = socket.SetExtAck(true)
	return &Namespace{file, &nl.SocketHandle{Socket: socket}}, nil
}

// Close closes the namespace. It ends if nobody is in it, and with it the virtual devices that are there.
func (n *Namespace) Close() {
	n.socket.Close()
	n.file.Close()
}

// Is reports whether both are the same namespace.
func (n *Namespace) Is(other *Namespace) bool {
	a, err1 := n.file.Stat()
	b, err2 := other.file.Stat()
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// ask sends a request, and returns the messages of the answer.
func (n *Namespace) ask(kind, flags int, parts ...nl.NetlinkRequestData) ([][]byte, error) {
	request := nl.NewNetlinkRequest(kind, unix.NLM_F_ACK|flags)
	request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: n.socket}
	for _, part := range parts {
		request.AddData(part)
	}
	return request.Execute(unix.NETLINK_ROUTE, 0)
}

func attribute(kind int, text string) *nl.RtAttr { return nl.NewRtAttr(kind, nl.ZeroTerminated(text)) }

// device is the header of a request about a device.
func device(index, flags, change uint32) *nl.IfInfomsg {
	header := nl.NewIfInfomsg(unix.AF_UNSPEC)
	header.Index, header.Flags, header.Change = int32(index), flags, change
	return header
}
