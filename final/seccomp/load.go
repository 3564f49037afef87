//go:build linux

package seccomp

import (
	"bytes"
	"fmt"
	"io"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/spec"
)

// Load reads a profile in Docker's format, or as linux.seccomp of an OCI configuration. In Docker's format a rule can depend on the
// architecture, the kernel and the capabilities in the bounding set: Load leaves out the rules that do not fit. It does not add the
// refusals of Default.
//
// Errors name the field. Load refuses everything that Compile and Flags refuse, even in rules that it leaves out.
//
// https://docs.docker.com/engine/security/seccomp/
func Load(r io.Reader, capabilities []string) (*specs.LinuxSeccomp, error) {
	var file seccomp.Seccomp
	var body bytes.Buffer
	if err := spec.Decode(io.TeeReader(r, &body), &file); err != nil {
		return nil, err
	}
	if err := check(&file); err != nil {
		return nil, err
	}
	return seccomp.LoadProfile(body.String(), specFor(capabilities))
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
