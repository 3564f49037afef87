//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A running is a call of the program, which has ended. What it has started may still write.
type running struct {
	cmd            *exec.Cmd
	stdout, stderr *output
	late           bool
}

// call calls the program and notes the result.
func (s *stand) call(name string, args ...string) {
	p, err := s.start(args, 0)
	if err != nil {
		s.seen[name] = err.Error()
		return
	}
	s.seen[name] = p.result(true)
}

// start calls the program with the standard streams that the configuration wants, and waits for the end of the program.
func (s *stand) start(args []string, extra int) (*running, error) {
	p := &running{cmd: exec.Command(base+"/final", append([]string{"--root", base + "/state"}, args...)...)}
	p.cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "CALLER=calls"}
	p.cmd.Dir = base + "/bundle"
	var files []*os.File
	defer func() {
		for _, file := range files {
			file.Close()
		}
	}()
	open := func(file *os.File, err error) *os.File {
		if err != nil {
			panic(err)
		}
		files = append(files, file)
		return file
	}
	switch s.Stdin {
	case "file":
		p.cmd.Stdin = open(os.Open(base + "/input"))
	case "pipe":
		read, write, err := os.Pipe()
		p.cmd.Stdin = open(read, err)
		fmt.Fprintln(open(write, nil), "from a pipe")
	}
	for i := range extra {
		name := []string{"/kept", "/input", "/bundle/config.json"}[i%3]
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, open(os.OpenFile(base+name, os.O_RDWR, 0)))
	}
	read, write, err := os.Pipe()
	p.cmd.Stdout, p.stdout = open(write, err), collect(read)
	read, write, err = os.Pipe()
	p.cmd.Stderr, p.stderr = open(write, err), collect(read)
	if s.Output == "file" {
		s.outputs++
		p.stdout.file = fmt.Sprintf("%s/output-%d", base, s.outputs)
		p.cmd.Stdout = open(os.OpenFile(p.stdout.file, os.O_CREATE|os.O_RDWR, 0o644))
	}
	old := unix.Umask(s.Umask)
	err = p.cmd.Start()
	unix.Umask(old)
	if err != nil {
		return nil, err
	}
	timer := time.AfterFunc(patience, func() { p.late = true; _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait()
	timer.Stop()
	return p, nil
}

func (p *running) status() string {
	if p.late {
		return "does not end"
	}
	return p.cmd.ProcessState.String()
}

// result is what a call leaves. What the probe has printed is looked at elsewhere.
func (p *running) result(whole bool) map[string]string {
	all := map[string]string{"status": p.status(), "stderr": normalText(p.stderr.text())}
	if whole {
		all["stdout"] = normalText(p.stdout.text())
	}
	return all
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
		master, err := accept(listener)
		if err != nil {
			close(o.done)
			return
		}
		o.drain(master)
	}()
	return o, nil
}

func accept(listener *net.UnixListener) (*os.File, error) {
	connection, err := listener.AcceptUnix()
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	data, control := make([]byte, 4096), make([]byte, 4096)
	_, n, _, _, err := connection.ReadMsgUnix(data, control)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("%d messages: %w", len(messages), err)
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(descriptors) != 1 {
		return nil, fmt.Errorf("%d descriptors: %w", len(descriptors), err)
	}
	return os.NewFile(uintptr(descriptors[0]), "terminal"), nil
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
