//go:build linux

package spec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"container-workshop/final/quick"
)

// OpenInput opens a file of the caller's to read. The file must be a regular file: a FIFO would make final wait until somebody opens the
// other end, and opening a device can do something. A descriptor that the caller has open may be anything, such as /dev/fd/3.
func OpenInput(name string) (io.ReadCloser, error) {
	// O_PATH finds the file without opening it. open(2)
	place, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(place)
	var stat unix.Stat_t
	if err := unix.Fstat(place, &stat); err != nil {
		return nil, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG && DescriptorOf(name) == -1 {
		return nil, fmt.Errorf("%s: must be a regular file (or a descriptor, such as /dev/fd/3)", name)
	}
	mode := unix.O_RDONLY | unix.O_NOCTTY | unix.O_CLOEXEC
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		mode |= unix.O_NONBLOCK
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", place), mode, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// DescriptorOf returns the number of the descriptor that a path such as /dev/fd/3 stands for, and -1 for any other path.
// proc_pid_fd(5)
func DescriptorOf(name string) int {
	name = filepath.Clean(name)
	if fd := slices.Index([]string{"/dev/stdin", "/dev/stdout", "/dev/stderr"}, name); fd >= 0 {
		return fd
	}
	dir, base := filepath.Split(name)
	fd, err := strconv.ParseUint(base, 10, 31)
	if err != nil || dir != "/dev/fd/" && dir != "/proc/self/fd/" {
		return -1
	}
	return int(fd)
}

// ReadAll reads at most limit bytes, and refuses a longer text.
func ReadAll(r io.Reader, limit int) ([]byte, error) {
	// Most texts fit in here, and take two calls of read(2).
	text := bytes.NewBuffer(make([]byte, 0, 16<<10))
	_, err := text.ReadFrom(io.LimitReader(r, int64(limit)+1))
	if err == nil && text.Len() > limit {
		return nil, fmt.Errorf("must be at most %d MiB", limit>>20)
	}
	return text.Bytes(), err
}

// maxConfig is how large a configuration may be, in bytes.
const maxConfig = 16 << 20

// Decode reads one JSON value, and refuses a text that goes on after the value. An error is one line with the place of the mistake.
func Decode(r io.Reader, to any) error {
	data, err := ReadAll(r, maxConfig)
	if err != nil {
		return err
	}
	return locate(data, quick.Unmarshal(data, to))
}

// locate adds line, column and field to an error of encoding/json, and speaks of types as JSON does.
func locate(data []byte, err error) error {
	// The offset is just behind the byte where decoding stopped.
	place := func(offset int64) string {
		before := data[:min(int(offset), len(data))]
		return fmt.Sprintf("line %d, column %d", 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n')-1)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("%s: %w", place(e.Offset), err)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		// An embedded Go type, with a capital letter, is no part of the path in JSON.
		keys := slices.DeleteFunc(strings.Split(e.Field, "."), func(key string) bool { return key != "" && unicode.IsUpper(rune(key[0])) })
		field := cmp.Or(strings.Join(keys, "."), "the whole document")
		words := map[reflect.Kind]string{reflect.String: "string", reflect.Slice: "array", reflect.Struct: "object", reflect.Map: "object"}
		return fmt.Errorf("%s: %s: must be %s, not %s", place(e.Offset), field, cmp.Or(words[e.Type.Kind()], e.Type.String()), e.Value)
	}
	if err != nil {
		return errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	return nil
}
