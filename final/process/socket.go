//go:build linux

package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"container-workshop/final/become"
)

// A Socket is our end of a connection with a process that is not the command yet. The list of the process uses the other end: package become
// has its words. unix(7), SOCK_SEQPACKET
type Socket int

// Messages of a process are short, except for those with the times of its stages. The kernel allows 253 descriptors with a message.
const (
	maxMessage = 2 << 10
	maxTimes   = 34 << 10
	maxRights  = 253
)

// pair makes both ends of a connection.
func pair() (ours Socket, theirs int, err error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("socketpair: %w", err)
	}
	return Socket(ends[0]), ends[1], nil
}

// send sends a message with descriptors.
func (s Socket) send(message []byte, descriptors ...int) error {
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	for {
		_, err := unix.SendmsgN(int(s), message, rights, nil, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("send a message: %w", err)
		}
		return nil
	}
}

// A message begins with a word. Data is all of the message.
type message struct {
	word        uint32
	data        []byte
	descriptors []int
	// sender is the PID of the process that has sent the message. It is 0 without identify.
	sender int
}

// identify asks the kernel to say who sends each message. unix(7), SO_PASSCRED
func (s Socket) identify() error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(s), unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
}

// receive waits for a message of at most size bytes. It returns io.EOF if the process has closed its end instead.
func (s Socket) receive(size int) (*message, error) {
	buffer, control := make([]byte, size), make([]byte, unix.CmsgSpace(4*maxRights)+unix.CmsgSpace(unix.SizeofUcred))
	for {
		n, m, flags, _, err := unix.Recvmsg(int(s), buffer, control, unix.MSG_CMSG_CLOEXEC)
		switch {
		// The process has ended with a message of ours unread. The kernel reports this once, before the last messages of the process.
		case err == unix.EINTR, err == unix.ECONNRESET:
			continue
		case err == nil && n == 0:
			return nil, io.EOF
		case err != nil:
			return nil, fmt.Errorf("receive a message: %w", err)
		}
		received := &message{data: buffer[:n]}
		if err := received.parse(control[:m]); err != nil {
			return nil, err
		}
		if flags&unix.MSG_CTRUNC != 0 {
			// We would wait for the missing descriptors, and the process waits for us. unix(7)
			received.close()
			return nil, fmt.Errorf("receive descriptors: %w (raise the limit nofile of final)", unix.EMFILE)
		}
		if n < 4 {
			received.close()
			return nil, errors.New("receive a message: it is too short")
		}
		received.word = binary.NativeEndian.Uint32(buffer)
		if received.word != become.WordFilesystems {
			// If a container has taken over the process, the container could fill our table of open files.
			received.close()
		}
		return received, nil
	}
}

// parse reads descriptors and the sender from the control data of a message.
func (m *message) parse(control []byte) error {
	all, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return fmt.Errorf("receive descriptors: %w", err)
	}
	for i := range all {
		if fds, err := unix.ParseUnixRights(&all[i]); err == nil {
			m.descriptors = append(m.descriptors, fds...)
		}
		if credentials, err := unix.ParseUnixCredentials(&all[i]); err == nil {
			m.sender = int(credentials.Pid)
		}
	}
	return nil
}

func (m *message) close() {
	for _, fd := range m.descriptors {
		unix.Close(fd)
	}
	m.descriptors = nil
}

// number is the number that comes with a word.
func number(data []byte) int {
	if len(data) < 8 {
		return -1
	}
	return int(int32(binary.NativeEndian.Uint32(data[4:])))
}

// await waits until receive has something to say. It returns false if the process has ended before, whose descriptor pidfd is: where the
// container can look into the process, it can take the other end of the socket and keep the socket open.
func (s Socket) await(pidfd int) bool {
	for {
		fds := []unix.PollFd{{Fd: int32(s), Events: unix.POLLIN}, {Fd: int32(pidfd), Events: unix.POLLIN}}
		if n, _ := unix.Poll(fds, -1); n > 0 {
			return fds[0].Revents != 0
		}
	}
}

// hasMessage reports whether receive would not wait.
func (s Socket) hasMessage() bool {
	fds := []unix.PollFd{{Fd: int32(s), Events: unix.POLLIN}}
	n, _ := unix.Poll(fds, 0)
	return n > 0 && fds[0].Revents&unix.POLLIN != 0
}

// closed reports whether the process has closed its end. When the process becomes the command, execve closes it.
func (s Socket) closed() bool {
	fds := []unix.PollFd{{Fd: int32(s)}}
	_, _ = unix.Poll(fds, 0)
	return fds[0].Revents&unix.POLLHUP != 0
}

// Connect connects to a process that waits for start.
func (p *Process) Connect(address unix.Sockaddr) error {
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	p.Socket = Socket(socket)
	return unix.Connect(socket, address)
}
