//go:build linux

package seccomp

import (
	"fmt"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// lowHalf is the mask for an argument that the kernel reads as an int. The kernel ignores the high half: without the mask, a
// program passes the comparison by setting a bit there.
const lowHalf = 1<<32 - 1

// Default is the profile of a container that names none: Docker's profile for the capabilities in the bounding set, with names as
// in CAP_SYS_ADMIN, plus a few refusals. Only the native architecture is open. An error means that Docker's profile does not fit
// the kernel.
//
// The refusals:
//
//   - ioctl(2) with TIOCSTI or TIOCLINUX: it types into a terminal, and so into the shell that started the container from this
//     terminal. CVE-2017-5226, CVE-2023-28100, TIOCSTI(2const), TIOCLINUX(2const)
//   - socket(2) with AF_ALG or AF_VSOCK: Docker's rules compare 64 bits and allow families above AF_VSOCK, so a bit in the high
//     half of the argument is enough to pass them. CVE-2026-31431, vsock(7)
//   - io_setup(2): the only limit on its events is for the whole host (fs.aio-max-nr). It fails with ENOSYS, and libraries do
//     without it.
func Default(capabilities []string) (*specs.LinuxSeccomp, error) {
	profile, err := seccomp.GetDefaultProfile(specFor(capabilities))
	if err != nil {
		return nil, fmt.Errorf("default seccomp profile: %w", err)
	}
	profile.Architectures = []specs.Arch{nativeArch}
	// The first rule that matches decides, so the refusals come before Docker's rules for the same calls.
	profile.Syscalls = append(refusals(), profile.Syscalls...)
	return profile, nil
}

// refusals are the rules that Default adds to Docker's profile.
func refusals() []specs.LinuxSyscall {
	rules := []specs.LinuxSyscall{{Names: []string{"io_setup"}, Action: specs.ActErrno, ErrnoRet: new(uint(unix.ENOSYS))}}
	for _, refused := range [...]struct {
		call     string
		argument uint
		value    uint64
	}{
		{"ioctl", 1, unix.TIOCSTI},
		{"ioctl", 1, unix.TIOCLINUX},
		{"socket", 0, unix.AF_ALG},
		{"socket", 0, unix.AF_VSOCK},
	} {
		rules = append(rules, specs.LinuxSyscall{
			Names: []string{refused.call}, Action: specs.ActErrno, ErrnoRet: new(uint(unix.EPERM)),
			Args: []specs.LinuxSeccompArg{{Index: refused.argument, Op: specs.OpMaskedEqual, Value: lowHalf, ValueTwo: refused.value}},
		})
	}
	return rules
}

// specFor is the part of a configuration that Docker's package reads: the capabilities in the bounding set.
func specFor(capabilities []string) *specs.Spec {
	return &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: capabilities}}}
}
