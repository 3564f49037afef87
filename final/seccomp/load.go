//go:build linux

package seccomp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// largestFile is the most that Load reads, in bytes. Docker's own profile has 14 thousand.
const largestFile = 1 << 20

// Load reads a profile from a file of the host, in Docker's format or as linux.seccomp of an OCI configuration. Docker's
// has rules for some architectures, kernels and capabilities only: those stay that fit this machine and the names of the
// capabilities in the bounding set. It is the profile as it is: what Default adds is not in it.
//
// The file must be a regular one of at most 1 MiB. Errors name it and are one line: for a file that cannot be read, JSON
// that is none, and, with the path of the field, all that Compile and Flags refuse, in rules that are left out too.
//
// https://docs.docker.com/engine/security/seccomp/
func Load(path string, capabilities []string) (*specs.LinuxSeccomp, error) {
	body, err := readFile(path)
	if err != nil {
		return nil, err
	}
	var file seccomp.Seccomp
	if err := json.Unmarshal(body, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, describe(err, body))
	}
	if err := check(&file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	profile, err := seccomp.LoadProfile(string(body), specFor(capabilities))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return profile, nil
}

// readFile opens without waiting, as a FIFO or a terminal may be there instead of a file. open(2)
func readFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	body, err := io.ReadAll(io.LimitReader(file, largestFile+1))
	if err != nil {
		return nil, err
	}
	if len(body) > largestFile {
		return nil, fmt.Errorf("%s: must be at most %d bytes", path, largestFile)
	}
	return body, nil
}

// check looks at all rules of a file, in its order, so that errors count as its reader does.
func check(file *seccomp.Seccomp) error {
	profile := file.LinuxSeccomp
	for i, entry := range file.Syscalls {
		if entry == nil {
			return fmt.Errorf("syscalls[%d]: must not be null", i)
		}
		rule := entry.LinuxSyscall
		//lint:ignore SA1019 old profiles have it
		if name := entry.Name; name != "" {
			if len(rule.Names) > 0 {
				return fmt.Errorf("syscalls[%d].name: leave it out, because there is names", i)
			}
			rule.Names = []string{name}
		}
		profile.Syscalls = append(profile.Syscalls, rule)
	}
	if _, err := newPolicy(&profile); err != nil {
		return err
	}
	_, err := parseFlags(&profile)
	return err
}

// describe adds to an error of encoding/json where it is, and takes the Go types out of it.
func describe(err error, body []byte) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where := pathAt(body, e.Offset)
		if where != "" {
			where += ": "
		}
		return fmt.Errorf("%smust be %s, not %s", where, kindOf(e.Type), e.Value)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		line := 1 + bytes.Count(body[:min(int(e.Offset), len(body))], []byte("\n"))
		return fmt.Errorf("line %d: %w", line, err)
	}
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}

// kindOf names the JSON value that a Go type is read from.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Slice:
		return "array"
	case reflect.Uint, reflect.Uint64:
		return "number from 0 to 18446744073709551615"
	}
	return "object"
}

// pathAt finds the value that ends or opens at an offset of valid JSON, and returns its path, such as syscalls[2].action.
func pathAt(body []byte, offset int64) string {
	var path []string
	// next is the index of the next value, one for each object and array that is open. Keys of objects have the even ones.
	var next []int
	var object []bool
	decoder := json.NewDecoder(bytes.NewReader(body))
	for {
		token, err := decoder.Token()
		if err != nil {
			return ""
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			path, next, object = path[:len(path)-1], next[:len(next)-1], object[:len(object)-1]
			continue
		}
		if top := len(next) - 1; top >= 0 {
			i := next[top]
			next[top]++
			switch {
			case !object[top]:
				path[top] = fmt.Sprintf("[%d]", i)
			case i%2 == 0:
				path[top] = "." + token.(string)
				continue
			}
		}
		if decoder.InputOffset() >= offset {
			return strings.TrimPrefix(strings.Join(path, ""), ".")
		}
		if token == json.Delim('{') || token == json.Delim('[') {
			path, next, object = append(path, ""), append(next, 0), append(object, token == json.Delim('{'))
		}
	}
}
