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

// maxRights is how many descriptors go with one byte. SCM_MAX_FD, unix(7)
const maxRights = 250

// Send sends a message, and descriptors with it: as many as fit with the first byte, and so on.
func (s Socket) Send(message any, descriptors ...int) error {
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	body = append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body...)
	for len(body) > 0 {
		var rights []byte
		piece, now := body, min(len(descriptors), maxRights)
		if now > 0 {
			rights = unix.UnixRights(descriptors[:now]...)
		}
		if now < len(descriptors) {
			piece = body[:1]
		}
		n, err := unix.SendmsgN(int(s), piece, rights, nil, unix.MSG_NOSIGNAL)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("send a message: %w", err)
		}
		if n > 0 {
			body, descriptors = body[n:], descriptors[now:]
		}
	}
	return nil
}

// Receive waits for a message, and for the descriptors that come with it. It returns io.EOF if the other side has closed its end
// instead.
func (s Socket) Receive(message any) (descriptors []int, err error) {
	head := make([]byte, 4)
	if err := s.fill(head, &descriptors); err != nil {
		return descriptors, err
	}
	length := binary.LittleEndian.Uint32(head)
	if length > maxMessage {
		return descriptors, errors.New("receive a message: it is too long")
	}
	body := make([]byte, length)
	err = s.fill(body, &descriptors)
	if err == io.EOF {
		err = errors.New("receive a message: it ends too early")
	}
	if err != nil {
		return descriptors, err
	}
	return descriptors, json.Unmarshal(body, message)
}

// Closed reports whether the other side has closed its end. Execve closes the end of a process that becomes the command.
func (s Socket) Closed() bool {
	fds := []unix.PollFd{{Fd: int32(s)}}
	_, _ = unix.Poll(fds, 0)
	return fds[0].Revents&unix.POLLHUP != 0
}

// fill reads as many bytes as there is room for, and adds the descriptors that come with them.
func (s Socket) fill(buffer []byte, descriptors *[]int) error {
	rights := make([]byte, unix.CmsgSpace(4*maxRights))
	for len(buffer) > 0 {
		n, m, _, _, err := unix.Recvmsg(int(s), buffer, rights, unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err == nil && n == 0, errors.Is(err, unix.ECONNRESET):
			return io.EOF
		case err != nil:
			return fmt.Errorf("receive a message: %w", err)
		}
		buffer = buffer[n:]
		messages, err := unix.ParseSocketControlMessage(rights[:m])
		if err != nil {
			return fmt.Errorf("receive descriptors: %w", err)
		}
		for i := range messages {
			if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
				*descriptors = append(*descriptors, fds...)
			}
		}
	}
	return nil
}
