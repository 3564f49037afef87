//go:build linux

package inside

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// A Socket is one end of a pair of connected stream sockets: the other side of clone has the other. What is sent is the length
// in four bytes, and JSON. unix(7)
type Socket int

// maxMessage bounds what is taken for the length of a message.
const maxMessage = 64 << 20

// Send sends a message, and descriptors with it.
func (s Socket) Send(message any, descriptors ...int) error {
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	body = append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body...)
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	for len(body) > 0 {
		n, err := unix.SendmsgN(int(s), body, rights, nil, unix.MSG_NOSIGNAL)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("send a message: %w", err)
		}
		if n > 0 {
			body, rights = body[n:], nil
		}
	}
	return nil
}

// Receive waits for a message, and for a descriptor that may come with it, or else -1. It returns io.EOF if the other side has
// closed its end instead.
func (s Socket) Receive(message any) (descriptor int, err error) {
	head, rights := make([]byte, 4), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := unix.Recvmsg(int(s), head, rights, unix.MSG_CMSG_CLOEXEC|unix.MSG_WAITALL)
	for err == unix.EINTR {
		n, m, _, _, err = unix.Recvmsg(int(s), head, rights, unix.MSG_CMSG_CLOEXEC|unix.MSG_WAITALL)
	}
	if n == 0 && err == nil || errors.Is(err, unix.ECONNRESET) {
		return -1, io.EOF
	}
	if err != nil {
		return -1, fmt.Errorf("receive a message: %w", err)
	}
	descriptor = -1
	if messages, err := unix.ParseSocketControlMessage(rights[:m]); err == nil && len(messages) > 0 {
		if fds, err := unix.ParseUnixRights(&messages[0]); err == nil && len(fds) > 0 {
			descriptor = fds[0]
		}
	}
	length := binary.LittleEndian.Uint32(head)
	if n < len(head) || length > maxMessage {
		return descriptor, errors.New("receive a message: broken")
	}
	body := make([]byte, length)
	for got := 0; got < len(body); got += n {
		n, err = unix.Read(int(s), body[got:])
		if err == unix.EINTR {
			n = 0
		} else if err != nil || n == 0 {
			return descriptor, errors.New("receive a message: it ends too early")
		}
	}
	return descriptor, json.Unmarshal(body, message)
}
