//go:build linux

//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command probe runs as the command of a container, or as a hook, and prints what it sees as JSON. Arguments that are absolute paths
// name files to look at. It has no other job, so that it runs in any root file system, as any user, with any seccomp filter.
//
//	probe [--stay] [--exit N] [PATH ...]
//	probe --hook NAME FILE
//	probe --hold
//	probe --caller WORD,... PROGRAM [ARG ...]
package main

import (
	"encoding/json"
	"os"
	"path"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// A section is a part of the view: what the probe has seen, by name.
type section = map[string]string

func main() {
	args := os.Args[1:]
	option := func(name string) (value string, ok bool) {
		i := slices.Index(args, name)
		if i >= 0 && i+1 < len(args) {
			value = args[i+1]
		}
		return value, i >= 0
	}
	if len(args) > 2 && args[0] == "--caller" {
		becomeCaller(args[1], args[2:])
	}
	if _, hold := option("--hold"); hold {
		stay()
	}
	if name, hook := option("--hook"); hook {
		hookView(name, args[len(args)-1])
		return
	}
	// Descriptors come first: everything else opens files.
	view := map[string]any{"descriptors": descriptors()}
	for _, part := range processParts {
		view[part.name] = part.look()
	}
	for _, part := range containerParts {
		view[part.name] = part.look()
	}
	view["paths"] = paths(args)
	write(os.Stdout.Fd(), view)
	if _, staying := option("--stay"); staying {
		stay()
	}
	if status, ok := option("--exit"); ok {
		number, _ := strconv.Atoi(status)
		os.Exit(number)
	}
}

type part struct {
	name string
	look func() any
}

// processParts are what a process has itself, and containerParts what is around it.
var processParts = []part{
	{"ids", ids}, {"signals", signals}, {"limits", limits}, {"status", status}, {"process", process}, {"session", session},
	{"namespaces", namespaces}, {"environ", environ},
}

var containerParts = []part{
	{"keyring", keyring}, {"mounts", mounts}, {"cgroup", cgroups}, {"network", network}, {"processes", processes}, {"files", files},
	{"calls", calls},
}

// hookView adds a line to a file with what a hook sees, and its name to the file order beside it.
func hookView(name, file string) {
	view := map[string]any{"hook": name, "descriptors": descriptors()}
	for _, part := range processParts {
		view[part.name] = part.look()
	}
	view["mounts"], view["stdin"] = mounts(), stdin()
	write(appendTo(file), view)
	write(appendTo(path.Join(path.Dir(file), "order")), name)
}

func appendTo(file string) uintptr {
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND|unix.O_CLOEXEC, 0o666)
	if err != nil {
		fail("open " + file + ": " + err.Error())
	}
	return uintptr(fd)
}

// write writes JSON and a newline with system calls: package os would ask the runtime to poll.
func write(fd uintptr, view any) {
	text, err := json.Marshal(view)
	if err != nil {
		panic(err)
	}
	for text = append(text, '\n'); len(text) > 0; {
		n, err := unix.Write(int(fd), text)
		if err != nil && err != unix.EINTR && err != unix.EAGAIN {
			os.Exit(99)
		}
		text = text[max(n, 0):]
	}
}

// stay sleeps until a signal ends the process.
func stay() {
	for {
		_ = unix.Pause()
	}
}
