//go:build linux

package inside

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// A command is what execve gets.
type command struct {
	path string
	args []string
	env  []string
}

// findCommand looks the command up as a shell does, in the PATH and the root directory of the container.
func (c *container) findCommand() error {
	name := c.command.args[0]
	c.command.path = name
	if strings.Contains(name, "/") {
		return c.executable(name)
	}
	var denied error
	for _, dir := range strings.Split(c.searchPath(), ":") {
		if dir == "" {
			dir = "."
		}
		c.command.path = path.Join(dir, name)
		err := c.executable(c.command.path)
		if err == nil {
			return nil
		}
		if name != "" && !errors.As(err, new(notFound)) {
			denied = errors.Join(denied, err)
		}
	}
	if denied != nil {
		return denied
	}
	return notFound{fmt.Errorf("exec: %q: executable file not found in $PATH of the container", name)}
}

func (c *container) searchPath() string {
	search := ""
	for _, variable := range c.command.env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			search = value
		}
	}
	return search
}

// readAhead is how much of a command is read before it is executed, in bytes.
const readAhead = 4 << 20

// executable returns an error unless a file can be executed, as far as can be told before it is. What it says is what execve
// leaves unsaid: that the interpreter of a script or a program is missing is the same ENOENT as if the file were.
func (c *container) executable(name string) error {
	// To open a device or a terminal can do something already, and we have all rights: so it is looked at before.
	place, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
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
	fd, err := unix.Openat(c.proc, fmt.Sprintf("self/fd/%d", place), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return notExecutable{fmt.Errorf("exec: %q: %w", name, err)}
	}
	defer unix.Close(fd)
	// The kernel reads the file into memory now, on our account: a small limit would not hold what execve reads ahead.
	_ = unix.Fadvise(fd, 0, min(stat.Size, readAhead), unix.FADV_WILLNEED)
	head := make([]byte, 4096)
	n, err := unix.Read(fd, head)
	if err != nil {
		return notExecutable{fmt.Errorf("exec: %q: read: %w", name, err)}
	}
	return loadable(name, head[:n])
}

// loadable tells from the beginning of a file whether the kernel can load it. What it does not know it leaves to the kernel.
func loadable(name string, head []byte) error {
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
	if err := unix.Access(interpreter, unix.F_OK); err != nil {
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
