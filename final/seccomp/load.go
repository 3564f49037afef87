//go:build linux

package seccomp

import (
	"bytes"
	"cmp"
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

// largestFile is the size of the largest file that Load reads, in bytes. Docker's own profile has 14,000.
const largestFile = 1 << 20

// Load reads a profile from a file of the host, in Docker's format or as linux.seccomp of an OCI configuration. In Docker's format
// a rule can depend on the architecture, the kernel and the capabilities in the bounding set: Load leaves out the rules that do
// not fit. It does not add the refusals of Default.
//
// Errors are one line that names the file and the field. Load refuses all that Compile and Flags refuse, even in rules that it
// leaves out.
//
// https://docs.docker.com/engine/security/seccomp/
func Load(path string, capabilities []string) (*specs.LinuxSeccomp, error) {
	body, err := readFile(path)
	if err != nil {
		return nil, err
	}
	var file seccomp.Seccomp
	if err := json.Unmarshal(body, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, locate(err, body))
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

// readFile opens a file without waiting: the path may be a FIFO or a terminal. open(2)
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

// check refuses a wrong rule even where Load leaves the rule out. Errors count rules as the file does.
func check(file *seccomp.Seccomp) error {
	profile := file.LinuxSeccomp
	for i, entry := range file.Syscalls {
		if entry == nil {
			return fmt.Errorf("syscalls[%d]: must not be null", i)
		}
		rule := entry.LinuxSyscall
		//lint:ignore SA1019 old profiles have it
		if name := entry.Name; name != "" {
			rule.Names = append(rule.Names, name)
		}
		profile.Syscalls = append(profile.Syscalls, rule)
	}
	if _, err := newPolicy(&profile); err != nil {
		return err
	}
	_, err := parseFlags(&profile)
	return err
}

// locate adds the line to an error of encoding/json, and leaves out the words that only Go has.
func locate(err error, body []byte) error {
	line := func(offset int64) int { return 1 + bytes.Count(body[:min(int(offset), len(body))], []byte("\n")) }
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := strings.NewReplacer("LinuxSeccomp.", "", "LinuxSyscall.", "").Replace(cmp.Or(e.Field, "the whole file"))
		kinds := map[reflect.Kind]string{reflect.String: "string", reflect.Slice: "array", reflect.Uint: "number from 0", reflect.Uint64: "number from 0"}
		return fmt.Errorf("line %d: %s: expected %s, found %s", line(e.Offset), field, cmp.Or(kinds[e.Type.Kind()], "object"), e.Value)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("line %d: %w", line(e.Offset), err)
	}
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}
