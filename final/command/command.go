//go:build linux

// Package command runs on the host side. It finds what process 1 becomes: the program of the command, and the home directory of its user.
// Both are in the container's tree, so every path is resolved below a descriptor of the root directory, whoever calls. Nobody executes
// a file here.
package command

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
)

// A Place is where a command begins.
type Place struct {
	// Root is the root directory of the container, and Proc the host's /proc.
	Root rootfs.Root
	Proc int
	// Cwd is the working directory.
	Cwd string
	// steps counts the steps of leadsThroughSelf.
	steps int
}

// errUnseen says that only process 1 can see a file: by /proc/self, by another link of the kernel such as /proc/1/exe, or because a file
// system asks who looks. Nobody looks at the file then, and execve says what is wrong with it.
var errUnseen = errors.New("only the container can see this file")

// maxDirs bounds the directories of PATH, and maxSteps the steps of leadsThroughSelf. An image can make each step slow, and the limits of the
// container do not cover the time that final spends.
const (
	maxDirs  = 1000
	maxSteps = 1000
)

// Find looks a command up as a shell does, in the PATH of the environment. It returns the path to execute. If there are only files that
// cannot be executed, the error is about the first.
func (p *Place) Find(name string, env []string) (file string, err error) {
	if strings.Contains(name, "/") {
		return name, ifSeen(p.executable(name))
	}
	dirs := strings.Split(searchPath(env), ":")
	if len(dirs) > maxDirs {
		return "", fmt.Errorf("exec: %q: $PATH has %d directories: must be at most %d (or name the command by its path)", name, len(dirs), maxDirs)
	}
	unseen := ""
	var denied error
	for _, dir := range dirs {
		file := path.Join(cmp.Or(dir, "."), name)
		err := p.executable(file)
		switch {
		case err == nil:
			return file, nil
		case errors.Is(err, errUnseen):
			unseen = cmp.Or(unseen, file)
		case name != "" && !errors.As(err, new(notFound)):
			denied = cmp.Or(denied, err)
		}
	}
	if unseen != "" {
		return unseen, nil
	}
	if denied == nil {
		denied = notFound{fmt.Errorf("exec: %q: executable file not found in $PATH of the container", name)}
	}
	return "", denied
}

// ifSeen leaves a file that only the container can see to execve.
func ifSeen(err error) error {
	if errors.Is(err, errUnseen) {
		return nil
	}
	return err
}

func searchPath(env []string) (search string) {
	for _, variable := range env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			search = value
		}
	}
	return search
}

// look opens a file by the name that execve gets, which begins in the working directory. It returns a bare errno, or errUnseen.
func (p *Place) look(name string) (place int, err error) {
	if !path.IsAbs(name) {
		name = p.Cwd + "/" + name
	}
	place, err = p.Root.Open(name, unix.O_PATH, 0)
	switch errno, _ := errors.AsType[unix.Errno](err); {
	case err == nil:
		return place, nil
	case errno == unix.ELOOP || errno == unix.EACCES || errno == unix.ENOENT && p.leadsThroughSelf(name):
		return -1, errUnseen
	default:
		return -1, errno
	}
}

// Misses reports whether there is no file with a name.
func (p *Place) Misses(name string) bool {
	place, err := p.look(name)
	unix.Close(place)
	return errors.Is(err, unix.ENOENT)
}

// maxLinks is how many symbolic links a path may have. The kernel has the same limit. path_resolution(7)
const maxLinks = 40

// leadsThroughSelf reports whether a path leads through /proc/self or /proc/thread-self. These links lead nowhere for us if the proc
// belongs to a PID namespace that we are not in. proc(5)
func (p *Place) leadsThroughSelf(name string) bool {
	dir, rest := "/", strings.Split(name, "/")
	for links := 0; links <= maxLinks && p.steps < maxSteps; p.steps++ {
		if len(rest) == 0 {
			return false
		}
		base := rest[0]
		next := path.Join(dir, base)
		rest = rest[1:]
		place, err := p.Root.Open(next, unix.O_PATH|unix.O_NOFOLLOW, 0)
		if err != nil {
			return false
		}
		isSelf := (base == "self" || base == "thread-self") && p.Root.IsInProc(place, dir, base)
		link := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(place, "", link)
		unix.Close(place)
		switch target := string(link[:max(n, 0)]); {
		case isSelf:
			return true
		case err != nil:
			// It is no link.
			dir = next
		case path.IsAbs(target):
			dir = "/"
			fallthrough
		default:
			links++
			rest = append(strings.Split(target, "/"), rest...)
		}
	}
	return false
}

// readAhead is how much of a command is read before it is executed, in bytes.
const readAhead = 4 << 20

// executable returns an error unless a file can be executed, as far as anybody can tell before. It says what execve leaves unsaid: if the
// interpreter of a script or a program is missing, execve returns the same ENOENT as for a missing file.
func (p *Place) executable(name string) error {
	// Look before you open: opening a device or a terminal can do something already, and we have all rights.
	place, err := p.look(name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return notFound{fmt.Errorf("exec: %q: stat %s: %w", name, name, err)}
	}
	if err != nil {
		return notExecutable{fmt.Errorf("exec: %q: %w", name, err)}
	}
	defer unix.Close(place)
	var stat unix.Stat_t
	if err := unix.Fstat(place, &stat); err != nil {
		return notExecutable{fmt.Errorf("exec: %q: %w", name, err)}
	}
	switch {
	case stat.Mode&unix.S_IFMT == unix.S_IFDIR:
		return notExecutable{fmt.Errorf("exec: %q: is a directory: permission denied", name)}
	case stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Mode&0o111 == 0:
		return notExecutable{fmt.Errorf("exec: %q: permission denied", name)}
	}
	fd, err := rootfs.Reopen(p.Proc, place, unix.O_RDONLY|unix.O_NONBLOCK)
	if errors.Is(err, unix.EACCES) {
		// To execute a file you need not read the file. An ordinary user may not read all files, and then execve says whether the file is right.
		return nil
	}
	if err != nil {
		return notExecutable{fmt.Errorf("exec: %q: %w", name, err)}
	}
	defer unix.Close(fd)
	// The kernel reads the file into memory now, on our account: a small limit of the container would not hold what execve reads ahead.
	_ = unix.Fadvise(fd, 0, min(stat.Size, readAhead), unix.FADV_WILLNEED)
	head := make([]byte, 4096)
	n, err := unix.Read(fd, head)
	if err != nil {
		return notExecutable{fmt.Errorf("exec: %q: read: %w", name, err)}
	}
	return p.loadable(name, head[:n])
}

// loadable tells from the beginning of a file whether the kernel can load the file. It leaves formats that it does not know to the kernel.
func (p *Place) loadable(name string, head []byte) error {
	interpreter := ""
	if line, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		if bytes.HasSuffix(line, []byte("\r")) {
			return notFound{fmt.Errorf("exec: %q: its first line ends with a carriage return, as in files from Windows: remove it with sed -i 's/\\r$//'", name)}
		}
		if words := strings.Fields(string(line)); len(words) > 0 {
			interpreter = words[0]
		}
	} else if bytes.HasPrefix(head, []byte("\x7fELF")) {
		var err error
		if interpreter, err = programInterpreter(head); err != nil {
			return notExecutable{fmt.Errorf("exec: %q: %w", name, err)}
		}
	}
	if interpreter == "" {
		return nil
	}
	place, err := p.look(interpreter)
	unix.Close(place)
	if ifSeen(err) != nil {
		return notFound{fmt.Errorf("exec: %q: its interpreter %q is missing in the root file system: %w", name, interpreter, err)}
	}
	return nil
}

// programInterpreter returns the dynamic linker that a 64-bit ELF file names, if any. elf(5)
func programInterpreter(head []byte) (string, error) {
	const wrong = "exec format error (the program is for another kind of processor)"
	const class64, littleEndian, interp = 2, 1, 3
	order := binary.LittleEndian
	if len(head) < 64 || head[4] != class64 || head[5] != littleEndian || order.Uint16(head[18:]) != machine {
		return "", errors.New(wrong)
	}
	offset, size, count := order.Uint64(head[32:]), uint64(order.Uint16(head[54:])), uint64(order.Uint16(head[56:]))
	for i := range count {
		start := offset + i*size
		if start > uint64(len(head)) || start+56 > uint64(len(head)) {
			return "", nil
		}
		segment := head[start:]
		if order.Uint32(segment) != interp {
			continue
		}
		from, length := order.Uint64(segment[8:]), order.Uint64(segment[32:])
		if from > uint64(len(head)) || length == 0 || length > uint64(len(head))-from {
			return "", nil
		}
		name, _, _ := bytes.Cut(head[from:from+length], []byte{0})
		return string(name), nil
	}
	return "", nil
}
