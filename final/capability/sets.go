//go:build linux

package capability

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Sets are the five sets of a thread. capabilities(7)
type Sets struct {
	// Bounding is the most that execve can give.
	Bounding Set
	// Effective is what the kernel checks.
	Effective Set
	// Permitted is what the thread may make effective.
	Permitted Set
	// Inheritable is what execve of a file with capabilities of its own may keep.
	Inheritable Set
	// Ambient is what execve of any other file keeps. It must be permitted and inheritable.
	Ambient Set
}

// FromSpec reads the sets of a configuration. Without any (nil) all are empty.
//
// Unknown names are an error of one line which names the field and the entry of each, as in
// `process.capabilities.bounding[2]: unknown capability CAP_FOO`. The sets hold the known names even then: the specification
// asks for a warning about those that the kernel lacks. OCI runtime specification, config.md, section Linux Process.
func FromSpec(spec *specs.LinuxCapabilities) (Sets, error) {
	var sets Sets
	if spec == nil {
		return sets, nil
	}
	var unknown []string
	for _, field := range []struct {
		name  string
		set   *Set
		names []string
	}{
		{"bounding", &sets.Bounding, spec.Bounding},
		{"effective", &sets.Effective, spec.Effective},
		{"permitted", &sets.Permitted, spec.Permitted},
		{"inheritable", &sets.Inheritable, spec.Inheritable},
		{"ambient", &sets.Ambient, spec.Ambient},
	} {
		for i, name := range field.names {
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
	return &specs.LinuxCapabilities{
		Bounding:    s.Bounding.Names(),
		Effective:   s.Effective.Names(),
		Permitted:   s.Permitted.Names(),
		Inheritable: s.Inheritable.Names(),
		Ambient:     s.Ambient.Names(),
	}
}

// Last returns the number of the newest capability the kernel knows: 40 is CAP_CHECKPOINT_RESTORE, of Linux 5.9. It needs no
// /proc. PR_CAPBSET_READ(2const)
func Last() (uint, error) {
	known, unknown := uint(0), uint(64)
	if _, err := inBounding(known); err != nil {
		return 0, err
	}
	for known+1 < unknown {
		middle := (known + unknown) / 2
		_, err := inBounding(middle)
		switch {
		case err == nil:
			known = middle
		case errors.Is(err, unix.EINVAL):
			unknown = middle
		default:
			return 0, err
		}
	}
	return known, nil
}

func inBounding(number uint) (bool, error) {
	in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(number), 0, 0, 0)
	if err != nil {
		return false, fmt.Errorf("prctl PR_CAPBSET_READ %d: %w", number, err)
	}
	return in == 1, nil
}

// Own returns the sets of the thread that calls it. The sets of a thread can differ from those of its process only if it
// changed them. Errors are those of capget(2) and prctl(2), and expected of no kernel since Linux 4.3.
func Own() (Sets, error) {
	last, err := Last()
	if err != nil {
		return Sets{}, err
	}
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
	for number := range last + 1 {
		in, err := inBounding(number)
		if err != nil {
			return Sets{}, err
		}
		if in {
			sets.Bounding |= 1 << number
		}
	}
	for _, number := range (sets.Permitted & sets.Inheritable).numbers() {
		in, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, number, 0, 0)
		if err != nil {
			return Sets{}, fmt.Errorf("prctl PR_CAP_AMBIENT_IS_SET %d: %w", number, err)
		}
		if in == 1 {
			sets.Ambient |= 1 << number
		}
	}
	return sets, nil
}

// Grantable is what a process with these sets can give to a container: what it may use itself and execve leaves.
func (s Sets) Grantable() Set { return s.Permitted & s.Bounding }

// Limit leaves out what cannot be granted, and what the kernel would refuse: effective capabilities that are not permitted,
// inheritable ones that are not bounding, and ambient ones that are not both permitted and inheritable. The second set is what is missing from any of the five, for a
// warning: the specification wants no error. capset(2), PR_CAP_AMBIENT(2const)
func (s Sets) Limit(grantable Set) (Sets, Set) {
	limited := Sets{Bounding: s.Bounding & grantable, Permitted: s.Permitted & grantable}
	limited.Effective = s.Effective & limited.Permitted
	limited.Inheritable = s.Inheritable & limited.Bounding
	limited.Ambient = s.Ambient & limited.Permitted & limited.Inheritable
	missing := s.Bounding&^limited.Bounding | s.Effective&^limited.Effective | s.Permitted&^limited.Permitted |
		s.Inheritable&^limited.Inheritable | s.Ambient&^limited.Ambient
	return limited, missing
}

// Calls is all that a thread passes to the kernel to have the sets, in the order of the fields. Nothing needs to be computed
// or allocated between them.
type Calls struct {
	// Drop is for prctl(PR_CAPBSET_DROP), one call for each number. It needs CAP_SETPCAP, so it comes before capset.
	Drop []uintptr
	// Header and Data are for capset(2), with a pointer to the first of Data. A change of user ID before it takes the
	// capabilities away that it is to set, unless PR_SET_KEEPCAPS was set.
	Header unix.CapUserHeader
	Data   [2]unix.CapUserData
	// Ambient is for prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE), one call for each number, after one with
	// PR_CAP_AMBIENT_CLEAR_ALL: raised are only those that are permitted and inheritable already.
	Ambient []uintptr
}

// Calls prepares the calls for a thread whose bounding set is the one given: only what is in it needs to be dropped. For the
// first thread of a new user namespace that is UpTo(Last). The sets should come from Limit. It runs on either side, before
// the strict part. capset(2), PR_CAPBSET_DROP(2const), PR_CAP_AMBIENT(2const)
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
