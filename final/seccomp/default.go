//go:build linux

package seccomp

import (
	"fmt"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// lowHalf is the mask for an argument that the kernel takes as an int: it ignores the high half, so a comparison that looks
// at it is passed by setting a bit there.
const lowHalf = 1<<32 - 1

// Default is the profile of a container that asks for none: that of Docker, for the names of the capabilities in the
// bounding set, and a few system calls more that fail. The names are those of the OCI configuration, such as
// CAP_SYS_ADMIN. Only the native architecture is in it. An error means that Docker's profile does not fit the kernel.
//
// What it adds:
//
//   - ioctl(2) with TIOCSTI or TIOCLINUX types into a terminal, and so into the shell that started the container if that
//     is its terminal. CVE-2017-5226, CVE-2023-28100, TIOCSTI(2const), TIOCLINUX(2const)
//   - socket(2) with AF_ALG or AF_VSOCK. Docker's rules allow families above AF_VSOCK, in 64 bits: a bit in the high half
//     is enough to pass them. CVE-2026-31431, vsock(7)
//   - io_setup(2): the kernel has a limit on events for the whole host, and no other (fs.aio-max-nr). It fails with ENOSYS, as in
//     a kernel without it, for which libraries have something else.
func Default(capabilities []string) (*specs.LinuxSeccomp, error) {
	profile, err := seccomp.GetDefaultProfile(specFor(capabilities))
	if err != nil {
		return nil, fmt.Errorf("default seccomp profile: %w", err)
	}
	profile.Architectures = []specs.Arch{nativeArch}
	// The first rule that matches decides, so these come before those that allow the same calls.
	profile.Syscalls = append(refusals(), profile.Syscalls...)
	return profile, nil
}

func refusals() []specs.LinuxSyscall {
	refused := [...]struct {
		name  string
		index uint
		value uint64
	}{
		{"ioctl", 1, unix.TIOCSTI},
		{"ioctl", 1, unix.TIOCLINUX},
		{"socket", 0, unix.AF_ALG},
		{"socket", 0, unix.AF_VSOCK},
	}
	eperm, enosys := uint(unix.EPERM), uint(unix.ENOSYS)
	rules := []specs.LinuxSyscall{{Names: []string{"io_setup"}, Action: specs.ActErrno, ErrnoRet: &enosys}}
	for _, r := range refused {
		rules = append(rules, specs.LinuxSyscall{
			Names:    []string{r.name},
			Action:   specs.ActErrno,
			ErrnoRet: &eperm,
			Args:     []specs.LinuxSeccompArg{{Index: r.index, Op: specs.OpMaskedEqual, Value: lowHalf, ValueTwo: r.value}},
		})
	}
	return rules
}

// specFor is as much of a configuration as Docker's profiles look at.
func specFor(capabilities []string) *specs.Spec {
	return &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: capabilities}}}
}
