//go:build linux

// Package server runs on the host side, in the process of a network: there is one process for each network that has containers. It answers
// questions about names (package names), and passes on what comes from this host to published ports (package relay).
//
// Who starts it: the helper that plugs in the first container, by Ensure; or the next helper, if somebody has killed it.
// Where it is: in the host's namespaces, in a session of its own, as a user of its own with one capability: to listen at low ports.
// What it sees: the files of the networks, a socket where helpers ask it to read them, and packets.
// How it ends: with the file of the last container. The kernel tells of all changes of the files, so nobody has to end it, even if all
// others are killed. If it is killed itself, containers go on, without names and without published ports on the loopback interface.
package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
	"container-workshop/final/engine/network/names"
)

// Verb is the word by which the helper becomes the process of a network.
const Verb = "serve-network"

// A process is the process of a network.
type process struct {
	store     *network.Store
	name      string
	dns       names.Server
	listeners listeners
	relays    relays
	// failures says why a container is not served.
	failures map[string]error
	// changes is where the kernel tells of changes of the files. inotify(7)
	changes int
}

// Main is the process of the network args[1], whose files are in args[0]. Descriptor 3 gets one line when the network is served: what went
// wrong, or nothing.
func Main(args []string) int {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT)
	ready := os.NewFile(3, "pipe")
	unix.CloseOnExec(3)
	if len(args) != 2 {
		return 1
	}
	// Relative paths need no rights in the directories above.
	p := &process{store: network.Inherit(".", nil), name: args[1], dns: names.Server{Resolvers: names.HostResolvers("/etc/resolv.conf")}}
	answer := func(err error) int {
		text, status := "", 0
		if err != nil {
			text, status = err.Error(), 1
		}
		_, _ = io.WriteString(ready, text+"\n")
		ready.Close()
		return status
	}
	if err := os.Chdir(args[0]); err != nil {
		return answer(err)
	}
	// It stays locked until we end.
	locked, err := lock(p.store.Dir, p.name)
	if err != nil {
		return answer(err)
	}
	defer locked.Close()
	// The order matters: nobody may find the socket when the next process has the lock.
	defer os.Remove(filepath.Join(own, p.name+".lock"))
	defer os.Remove(filepath.Join(own, p.name+".socket"))
	requests, err := p.open()
	if status := answer(err); status != 0 {
		return status
	}
	for p.serve(<-requests) {
	}
	return 0
}

// A request is a reason to read the files: a change, if it has no connection.
type request struct{ conn net.Conn }

// open opens everything that the process needs. What comes into the channel later is for serve.
func (p *process) open() (<-chan request, error) {
	requests := make(chan request)
	var err error
	if p.changes, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("inotify_init", err)
	}
	go watch(os.NewFile(uintptr(p.changes), "inotify"), requests)
	some, err := p.read()
	if err == nil && !some {
		// Nothing would ever tell us to end.
		err = fmt.Errorf("network %s has no container any more", p.name)
	}
	if err != nil {
		return nil, err
	}
	path, dir, err := socketPath(p.store.Dir, p.name)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	dir.Close()
	if err != nil {
		return nil, err
	}
	// Until here we could name the program that has our port.
	if err := dropRights(); err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			requests <- request{conn}
		}
	}()
	return requests, nil
}

// serve serves a request. It reports false if the network has no container any more.
func (p *process) serve(r request) bool {
	some, err := p.read()
	if r.conn == nil {
		return some || err != nil
	}
	defer r.conn.Close()
	if !some && err == nil {
		return false
	}
	_ = r.conn.SetDeadline(time.Now().Add(patience))
	id, bad := bufio.NewReader(io.LimitReader(r.conn, maxAnswer)).ReadString('\n')
	if bad != nil {
		return true
	}
	if err == nil {
		err = p.failures[id[:len(id)-1]]
	}
	answer := ""
	if err != nil {
		answer = err.Error()
	}
	_, _ = io.WriteString(r.conn, answer+"\n")
	return true
}

// addWatch asks the kernel to report changes of the endpoints, and the end of their directory. It does so before each read: somebody may have
// removed the directory with the last container, and made it anew for the next one.
func (p *process) addWatch() error {
	dir := filepath.Join(p.store.Dir, p.name, "endpoints")
	_, err := unix.InotifyAddWatch(p.changes, dir, unix.IN_MOVED_TO|unix.IN_MOVED_FROM|unix.IN_CREATE|unix.IN_DELETE|unix.IN_DELETE_SELF)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "inotify_add_watch", Path: dir, Err: err}
	}
	return nil
}

// watch sends a request for every change that the kernel reports.
func watch(changes *os.File, requests chan<- request) {
	events := make([]byte, 1<<16)
	for {
		if _, err := changes.Read(events); err != nil {
			return
		}
		requests <- request{}
	}
}
