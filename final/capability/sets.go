//go:build linux

package capability

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Sets are the five capability sets of a thread. capabilities(7)
type Sets struct {
	// Bounding is the upper limit of what a program file can give to the thread that executes the file.
	Bounding Set
	// Effective is what the kernel checks.
	Effective Set
	// Permitted is what the thread may make effective.
	Permitted Set
	// Inheritable is what a program file with inheritable capabilities lets the thread keep.
	Inheritable Set
	// Ambient is what the thread keeps when it executes any other program file. These capabilities have to be permitted and
	// inheritable too.
	Ambient Set
}

// fields are the sets, each with its names in a configuration.
func (s *Sets) fields(spec *specs.LinuxCapabilities) []field {
	return []field{
		{"bounding", &s.Bounding, &spec.Bounding},
		{"effective", &s.Effective, &spec.Effective},
		{"permitted", &s.Permitted, &spec.Permitted},
		{"inheritable", &s.Inheritable, &spec.Inheritable},
		{"ambient", &s.Ambient, &spec.Ambient},
	}
}

type field struct {
	name  string
	set   *Set
	names *[]string
}

// FromSpec reads the sets of a configuration. Without capabilities in the configuration (nil) all sets are empty.
//
// The error is one line that names the field and the entry of each unknown name, as in
// `process.capabilities.bounding[2]: unknown capability "CAP_FOO"`. The sets hold the known names even then, because the
// specification asks only for a warning. OCI runtime specification, config.md, section Linux Process.
func FromSpec(spec *specs.LinuxCapabilities) (Sets, error) {
	var sets Sets
	if spec == nil {
		return sets, nil
	}
	var unknown []string
	for _, field := range sets.fields(spec) {
		for i, name := range *field.names {
			number, err := Parse(name)
			if err != nil {
				unknown = append(unknown, fmt.Sprintf("process.capabilities.%s[%d]: %v", field.name, i, err))
				continue
			}
			*field.set |= 1 << number
		}
	}
	if unknown != nil {
		return sets, errors.New(strings.Join(unknown, "; "))
	}
	return sets, nil
}

// Spec writes the sets as a configuration, with the names by number.
func (s Sets) Spec() *specs.LinuxCapabilities {
	spec := new(specs.LinuxCapabilities)
	for _, field := range s.fields(spec) {
		*field.names = field.set.Names()
	}
	return spec
}

// Own returns the sets of the thread that calls it. It needs no /proc. capget(2), PR_CAPBSET_READ(2const),
// PR_CAP_AMBIENT(2const)
func Own() (Sets, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return Sets{}, fmt.Errorf("capget: %w", err)
	}
	sets := Sets{
		Effective:   Set(data[1].Effective)<<32 | Set(data[0].Effective),
		Permitted:   Set(data[1].Permitted)<<32 | Set(data[0].Permitted),
		Inheritable: Set(data[1].Inheritable)<<32 | Set(data[0].Inheritable),
	}
	bounding, _, err := readBounding()
	if err != nil {
		return Sets{}, err
	}
	sets.Bounding = bounding
	for _, number := range (sets.Permitted & sets.Inheritable).numbers() {
		in, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, number, 0, 0)
		if err != nil {
			return Sets{}, fmt.Errorf("prctl PR_CAP_AMBIENT_IS_SET %d: %w", number, err)
		}
		sets.Ambient |= Set(in) << number
	}
	return sets, nil
}

// OfUserNamespace returns the sets of user 0 in a new user namespace: all that the kernel knows, whatever its maker has.
// user_namespaces(7)
func OfUserNamespace() (Sets, error) {
	_, all, err := readBounding()
	return Sets{Bounding: all, Effective: all, Permitted: all}, err
}

// readBounding returns the bounding set of the thread that calls it, and all capabilities that the kernel knows. PR_CAPBSET_READ(2const)
func readBounding() (bounding, known Set, err error) {
	for number := range uintptr(64) {
		in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, number, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) && number > unix.CAP_CHOWN {
			// The number before was the last capability that this kernel knows.
			break
		}
		if err != nil {
			return 0, 0, fmt.Errorf("prctl PR_CAPBSET_READ %d: %w", number, err)
		}
		bounding |= Set(in) << number
		known |= 1 << number
	}
	return bounding, known, nil
}

// Grantable is what a process with these sets can give to a container: what the process may use itself, and execve(2) leaves.
func (s Sets) Grantable() Set { return s.Permitted & s.Bounding }

// Limit removes what the process cannot grant, and what the kernel would refuse: effective capabilities that are not permitted,
// inheritable ones that are not bounding, and ambient ones that are not both permitted and inheritable. The second result is
// everything that Limit has removed, for a warning: the specification asks for no error. capset(2), PR_CAP_AMBIENT(2const)
func (s Sets) Limit(grantable Set) (limited Sets, missing Set) {
	limited.Bounding = s.Bounding & grantable
	limited.Permitted = s.Permitted & grantable
	limited.Effective = s.Effective & limited.Permitted
	limited.Inheritable = s.Inheritable & limited.Bounding
	limited.Ambient = s.Ambient & limited.Permitted & limited.Inheritable
	missing = s.Bounding&^limited.Bounding | s.Effective&^limited.Effective | s.Permitted&^limited.Permitted |
		s.Inheritable&^limited.Inheritable | s.Ambient&^limited.Ambient
	return limited, missing
}

// Calls is what a process passes to the kernel to get the sets, in the order of the fields. Package become makes a list of system calls
// of it.
type Calls struct {
	// Drop has the numbers for prctl(PR_CAPBSET_DROP), one call for each. The call needs CAP_SETPCAP, so it comes before capset.
	Drop []uintptr
	// Header and Data are for capset(2), which takes a pointer to the first element of Data. Set PR_SET_KEEPCAPS before you
	// change the user ID: otherwise the change takes away the capabilities that capset needs.
	Header unix.CapUserHeader
	Data   [2]unix.CapUserData
	// Ambient has the numbers for prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE), one call for each, after one call with
	// PR_CAP_AMBIENT_CLEAR_ALL. The kernel raises only what is permitted and inheritable already, so it comes after capset.
	Ambient []uintptr
}

// Calls prepares the calls for a process with a bounding set: the process drops only what is in this set. The sets should come
// from Limit. capset(2), PR_CAPBSET_DROP(2const), PR_CAP_AMBIENT(2const)
func (s Sets) Calls(bounding Set) Calls {
	calls := Calls{
		Drop:    (bounding &^ s.Bounding).numbers(),
		Header:  unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3},
		Ambient: s.Ambient.numbers(),
	}
	for i := range calls.Data {
		calls.Data[i] = unix.CapUserData{
			Effective:   uint32(s.Effective >> (32 * i)),
			Permitted:   uint32(s.Permitted >> (32 * i)),
			Inheritable: uint32(s.Inheritable >> (32 * i)),
		}
	}
	return calls
}
