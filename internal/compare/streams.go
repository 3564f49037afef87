//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// A fileList is what a child gets and we do not keep.
type fileList []*os.File

func (l *fileList) close() {
	for _, file := range *l {
		file.Close()
	}
	*l = nil
}

// streams opens the standard streams of a call, and the descriptors above.
func (s *stand) streams(p *running, files *fileList, makes bool) error {
	var failed error
	open := func(file *os.File, err error) *os.File {
		failed = errors.Join(failed, err)
		if err == nil {
			*files = append(*files, file)
		}
		return file
	}
	read, write, err := os.Pipe()
	p.cmd.Stdout, p.stdout = open(write, err), collect(read)
	read, write, err = os.Pipe()
	p.cmd.Stderr, p.stderr = open(write, err), collect(read)
	if !makes {
		return failed
	}
	if s.Output == "file" {
		s.outputs++
		p.stdout.file = fmt.Sprintf("%s/output-%d", base, s.outputs)
		p.cmd.Stdout = open(os.OpenFile(p.stdout.file, os.O_CREATE|os.O_RDWR, 0o644))
	}
	switch s.Stdin {
	case "file":
		p.cmd.Stdin = open(os.Open(base + "/input"))
	case "pipe":
		read, write, err := os.Pipe()
		p.cmd.Stdin = open(read, err)
		fmt.Fprintln(open(write, nil), "from a pipe")
	case "socket":
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		p.cmd.Stdin = open(os.NewFile(uintptr(pair[0]), "socket"), err)
		open(os.NewFile(uintptr(pair[1]), "socket"), nil)
	case "terminal":
		master, slave, err := pty.Open()
		open(slave, errors.Join(err, pty.Setsize(master, &pty.Winsize{Rows: 40, Cols: 100})))
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr, p.stdout = slave, slave, slave, collect(master)
		p.cmd.SysProcAttr.Setsid, p.cmd.SysProcAttr.Setctty = true, true
	}
	for i := range s.Preserved {
		name := []string{"/kept", "/input", "/bundle/config.json"}[i%3]
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, open(os.OpenFile(base+name, os.O_RDWR, 0)))
	}
	return failed
}

// An output collects what is written into a pipe or a terminal until the last writer is gone.
type output struct {
	mu   sync.Mutex
	read bytes.Buffer
	done chan struct{}
	// file is read instead of the pipe if it is set.
	file   string
	cancel func()
}

func collect(file *os.File) *output {
	o := &output{done: make(chan struct{}), cancel: func() {}}
	go o.drain(file)
	return o
}

func (o *output) drain(file *os.File) {
	defer close(o.done)
	defer file.Close()
	buffer := make([]byte, 1<<16)
	for {
		n, err := file.Read(buffer)
		o.mu.Lock()
		o.read.Write(buffer[:n])
		o.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// listen takes the master of a terminal from a socket, and collects what the terminal shows.
func listen(path string) (*output, error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	o := &output{done: make(chan struct{}), cancel: func() { listener.Close() }}
	go func() {
		defer listener.Close()
		master, _, err := accept(listener)
		if err != nil {
			close(o.done)
			return
		}
		o.drain(master)
	}()
	return o, nil
}

// accept takes one connection with a message, and the descriptor that comes with it. unix(7)
func accept(listener *net.UnixListener) (*os.File, string, error) {
	connection, err := listener.AcceptUnix()
	if err != nil {
		return nil, "", err
	}
	defer connection.Close()
	data, control := make([]byte, 1<<16), make([]byte, 4096)
	n, m, _, _, err := connection.ReadMsgUnix(data, control)
	if err != nil {
		return nil, "", err
	}
	messages, err := unix.ParseSocketControlMessage(control[:m])
	if err != nil || len(messages) != 1 {
		return nil, "", fmt.Errorf("%d messages: %w", len(messages), err)
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(descriptors) != 1 {
		return nil, "", fmt.Errorf("%d descriptors: %w", len(descriptors), err)
	}
	return os.NewFile(uintptr(descriptors[0]), "received"), string(data[:n]), nil
}

// listenToFilters takes the descriptors of seccomp filters and closes them: the calls fail with ENOSYS. The output is what was told.
func listenToFilters(path string) (*output, error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	o := &output{done: make(chan struct{}), cancel: func() { listener.Close() }}
	go func() {
		defer close(o.done)
		for {
			filter, text, err := accept(listener)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			o.mu.Lock()
			fmt.Fprintln(&o.read, text, err)
			o.mu.Unlock()
			filter.Close()
		}
	}()
	return o, nil
}

func (o *output) close() { o.cancel() }

func (o *output) now() string {
	if o.file != "" {
		content, _ := os.ReadFile(o.file)
		return string(content)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.read.String()
}

// awaitLine waits for the first whole line.
func (o *output) awaitLine() {
	for deadline := time.Now().Add(patience); !strings.Contains(o.now(), "\n") && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		select {
		case <-o.done:
			if o.file == "" {
				return
			}
		default:
		}
	}
}

// text waits for the end and returns everything.
func (o *output) text() string {
	select {
	case <-o.done:
		return o.now()
	case <-time.After(patience):
		return o.now() + "(never closed)"
	}
}
