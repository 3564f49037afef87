//go:build linux

package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
)

// patience is how long the process of a network may take for an answer, on a busy host.
const patience = 30 * time.Second

// Ensure starts the process of a network, unless the process runs already, and waits until it serves a container: it answers for the names
// of the container, and listens at its published ports. The caller is the helper, with the lock of the store, and has made the bridge.
func Ensure(s *network.Store, n *network.Network, id string) error {
	said, err := tell(s.Dir, n.Name, id)
	// A process without containers may be about to end. The next one waits until it is gone.
	for try := 0; err != nil && try < 3; try++ {
		if err := start(s.Dir, n.Name); err != nil {
			return err
		}
		said, err = tell(s.Dir, n.Name, id)
	}
	if err != nil {
		return fmt.Errorf("ask the DNS server of network %s: %w", n.Name, err)
	}
	if said != "" {
		return errors.New(said)
	}
	return nil
}

// tell has the process of a network read its files, and returns what it says about a container: nothing, if all is well.
func tell(dir, name, id string) (string, error) {
	socket, err := openSocket(dir, name)
	if err != nil {
		return "", err
	}
	defer socket.Close()
	conn, err := dial(socket)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, id+"\n"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, maxAnswer))
	if err == nil && len(answer) == 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", err
	}
	// The answer ends with a line end, so an answer without words differs from no answer.
	return string(answer[:len(answer)-1]), nil
}

// openSocket opens the file of the socket, so that we connect to what we have looked at. The directory belongs to the process, which could be
// hacked: a link would lead us to the socket of somebody else.
func openSocket(dir, name string) (*os.File, error) {
	path := filepath.Join(dir, own, name+".socket")
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	socket := os.NewFile(uintptr(fd), path)
	if found, err := socket.Stat(); err != nil || found.Mode().Type() != os.ModeSocket {
		socket.Close()
		return nil, errors.Join(fmt.Errorf("%s is no socket", path), err)
	}
	return socket, nil
}

func dial(socket *os.File) (net.Conn, error) {
	return net.DialTimeout("unix", fmt.Sprintf("/proc/self/fd/%d", socket.Fd()), patience)
}

const maxAnswer = 4096

// own is the directory that belongs to the processes of networks, in the directory of the store.
const own = ".servers"

// socketPath is where the process of a network listens. The path leads through a descriptor, as a socket has a short path. unix(7)
func socketPath(dir, name string) (string, io.Closer, error) {
	dir = filepath.Join(dir, own)
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s.socket", fd, name), os.NewFile(uintptr(fd), dir), nil
}

// start starts the process of a network, and waits until it serves. The process gets nothing of ours but a pipe: no lock of the store, no
// terminal, no environment, no session.
func start(dir, name string) error {
	if err := os.Mkdir(filepath.Join(dir, own), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	// In a user namespace without this user, the process stays root.
	_ = os.Lchown(filepath.Join(dir, own), network.Server, network.Server)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	// The helper has inherited its descriptors, so execve does not close them.
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return os.NewSyscallError("close_range", err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{os.Args[0], Verb, dir, name}
	cmd.Env = []string{"GOTRACEBACK=none", "GOMAXPROCS=2"}
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = "/", null, null, null, []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return fmt.Errorf("start the DNS server of network %s: %w", name, err)
	}
	_ = read.SetReadDeadline(time.Now().Add(patience))
	answer, err := io.ReadAll(io.LimitReader(read, maxAnswer))
	switch {
	case err != nil || len(answer) == 0:
		_ = cmd.Process.Kill()
		return fmt.Errorf("the DNS server of network %s has died: %w", name, errors.Join(err, cmd.Wait()))
	case string(answer) != "\n":
		_ = cmd.Wait()
		return errors.New(string(answer[:len(answer)-1]))
	}
	// It outlives us.
	return cmd.Process.Release()
}

// lock takes the lock of a network's process, which it keeps as long as it lives. The file goes with the process, so whoever has waited may
// have the lock of a file that is gone. flock(2)
func lock(dir, name string) (*os.File, error) {
	path := filepath.Join(dir, own, name+".lock")
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		err = unix.EINTR
		for err == unix.EINTR {
			err = unix.Flock(int(file.Fd()), unix.LOCK_EX)
		}
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		ours, err := file.Stat()
		now, gone := os.Stat(path)
		if err == nil && gone == nil && os.SameFile(ours, now) {
			return file, nil
		}
		file.Close()
	}
}

// Clean removes the files of a process that somebody has killed, after the last container of its network. A process that lives removes its
// files itself.
func Clean(dir, name string) {
	path := filepath.Join(dir, own, name+".lock")
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer file.Close()
	if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		_ = os.Remove(filepath.Join(dir, own, name+".socket"))
		_ = os.Remove(path)
	}
}
