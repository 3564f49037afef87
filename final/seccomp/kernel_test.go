//go:build linux

package seccomp_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/seccomp"
)

// order tells a child what to do: load the filter of the profile if there is one, make the calls, ask for the supported flags,
// become Exec.
type order struct {
	Profile *specs.LinuxSeccomp
	Calls   [][7]uint64
	Flags   bool
	Exec    string
}

// report is what the child saw: the errno of each call, the result of seccomp(2), and the supported flags.
type report struct {
	Loaded uint64
	Errnos []unix.Errno
	Flags  []string
}

func TestMain(m *testing.M) {
	if os.Getenv("SECCOMP_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child loads the filter on one thread only. The other threads can still write the report.
func child() error {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return err
	}
	// A child that the filter kills leaves no core file.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	r := report{Errnos: make([]unix.Errno, len(o.Calls))}
	failed := make(chan error)
	go func() {
		runtime.LockOSThread()
		failed <- obey(&o, &r)
		select {}
	}()
	if err := <-failed; err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func obey(o *order, r *report) error {
	if o.Profile != nil {
		filter, err := seccomp.Compile(o.Profile)
		if err != nil {
			return err
		}
		flags, err := seccomp.Flags(o.Profile)
		if err != nil {
			return err
		}
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("PR_SET_NO_NEW_PRIVS: %w", err)
		}
		loaded, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(flags),
			uintptr(unsafe.Pointer(seccomp.Program(filter))))
		if errno != 0 {
			return fmt.Errorf("seccomp: %w", errno)
		}
		r.Loaded = uint64(loaded)
	}
	for i, c := range o.Calls {
		_, _, r.Errnos[i] = unix.RawSyscall6(uintptr(c[0]), uintptr(c[1]), uintptr(c[2]), uintptr(c[3]), uintptr(c[4]), uintptr(c[5]), uintptr(c[6]))
	}
	if o.Flags {
		r.Flags = seccomp.SupportedFlags()
	}
	if o.Exec != "" {
		return unix.Exec(o.Exec, []string{o.Exec}, nil)
	}
	return nil
}

func startChild(t *testing.T, o order) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "SECCOMP_TEST_CHILD=1", "GOTRACEBACK=none")
	cmd.Stdin = bytes.NewBufferString(asJSON(t, o))
	output := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = output, output
	_ = cmd.Run()
	return cmd, output
}

// inKernel makes calls under a profile, and returns the errno of each call, or 0.
func inKernel(t *testing.T, profile *specs.LinuxSeccomp, calls ...[7]uint64) []unix.Errno {
	t.Helper()
	cmd, output := startChild(t, order{Profile: profile, Calls: calls})
	require.True(t, cmd.ProcessState.Success(), "%v: %s", cmd.ProcessState, output)
	var r report
	require.NoError(t, json.Unmarshal(output.Bytes(), &r))
	require.Len(t, r.Errnos, len(calls))
	return r.Errnos
}

func TestKernelUnderTheDefaultProfile(t *testing.T) {
	profile, err := seccomp.Default(nil)
	require.NoError(t, err)
	bad := uint64(1<<64 - 1)
	tests := []struct {
		name     string
		call     [7]uint64
		filtered unix.Errno
		// control says that the kernel itself gives another result, so the result shows that the filter works.
		control bool
	}{
		{"getppid", [7]uint64{unix.SYS_GETPPID}, 0, false},
		{"socket AF_UNIX", [7]uint64{unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM}, 0, false},
		{"socket AF_ALG", [7]uint64{unix.SYS_SOCKET, unix.AF_ALG, unix.SOCK_SEQPACKET}, unix.EPERM, true},
		{"socket AF_ALG, high bits", [7]uint64{unix.SYS_SOCKET, high | unix.AF_ALG, unix.SOCK_SEQPACKET}, unix.EPERM, true},
		{"socket AF_VSOCK", [7]uint64{unix.SYS_SOCKET, unix.AF_VSOCK, unix.SOCK_STREAM}, unix.EPERM, true},
		{"socket AF_VSOCK, high bits", [7]uint64{unix.SYS_SOCKET, 1<<32 | unix.AF_VSOCK, unix.SOCK_STREAM}, unix.EPERM, true},
		{"ioctl TCGETS", [7]uint64{unix.SYS_IOCTL, bad, unix.TCGETS}, unix.EBADF, false},
		{"ioctl TIOCSTI", [7]uint64{unix.SYS_IOCTL, bad, unix.TIOCSTI}, unix.EPERM, true},
		{"ioctl TIOCSTI, high bits", [7]uint64{unix.SYS_IOCTL, bad, high | unix.TIOCSTI}, unix.EPERM, true},
		{"ioctl TIOCLINUX, high bits", [7]uint64{unix.SYS_IOCTL, bad, high | unix.TIOCLINUX}, unix.EPERM, true},
		{"clone3", [7]uint64{unix.SYS_CLONE3}, unix.ENOSYS, true},
		{"unshare", [7]uint64{unix.SYS_UNSHARE}, unix.EPERM, true},
		{"setns", [7]uint64{unix.SYS_SETNS, bad}, unix.EPERM, true},
		{"number that no kernel has", [7]uint64{5000}, unix.ENOSYS, false},
		{"number between those of the table", [7]uint64{400}, unix.EPERM, true},
	}
	if runtime.GOARCH == "amd64" {
		tests = append(tests, struct {
			name     string
			call     [7]uint64
			filtered unix.Errno
			control  bool
		}{"x32 getppid", [7]uint64{x32 | unix.SYS_GETPPID}, unix.ENOSYS, false})
	}
	calls := make([][7]uint64, len(tests))
	for i := range tests {
		calls[i] = tests[i].call
	}
	unfiltered, filtered := inKernel(t, nil, calls...), inKernel(t, profile, calls...)
	for i, test := range tests {
		assert.Equal(t, test.filtered, filtered[i], test.name)
		if test.control {
			assert.NotEqual(t, test.filtered, unfiltered[i], "%s without a filter", test.name)
		}
	}
}

// getppid and its relatives ignore their arguments, so the result shows only what the filter made of the arguments.
func TestKernelComparesArguments(t *testing.T) {
	calls := []string{"getppid", "getuid", "geteuid", "getgid", "getegid"}
	for seed := range uint64(25) {
		d := newDice(seed)
		profile := d.profile(40, calls)
		profile.DefaultAction, profile.DefaultErrnoRet = specs.ActAllow, nil
		for i := range profile.Syscalls {
			errno := 100 + uint(i)
			profile.Syscalls[i].Action, profile.Syscalls[i].ErrnoRet = specs.ActErrno, &errno
			if d.IntN(3) == 0 {
				profile.Syscalls[i].Action, profile.Syscalls[i].ErrnoRet = one(d, specs.ActAllow, specs.ActLog), nil
			}
		}
		events, made := make([]event, 200), make([][7]uint64, 200)
		for i := range events {
			e := d.event(profile)
			e.number, e.arch = numbers[one(d, calls...)], native()
			events[i] = e
			made[i] = [7]uint64{uint64(e.number), e.args[0], e.args[1], e.args[2], e.args[3], e.args[4], e.args[5]}
		}
		for i, errno := range inKernel(t, profile, made...) {
			want := unix.Errno(0)
			if value := expected(profile, events[i]); value&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_ERRNO {
				want = unix.Errno(value & unix.SECCOMP_RET_DATA)
			}
			require.Equal(t, want, errno, "seed %d: %+v with %s", seed, events[i], asJSON(t, profile))
		}
	}
}

func TestKernelTakesAllActions(t *testing.T) {
	for action, expected := range map[specs.LinuxSeccompAction]unix.Errno{
		specs.ActAllow:  0,
		specs.ActLog:    0,
		specs.ActErrno:  unix.EPERM,
		specs.ActTrace:  unix.ENOSYS,
		specs.ActNotify: 0,
	} {
		profile := &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow,
			Syscalls:      []specs.LinuxSyscall{{Names: []string{"getppid"}, Action: action}},
		}
		if action == specs.ActNotify {
			profile.ListenerPath = "/run/agent"
			cmd, output := startChild(t, order{Profile: profile})
			require.True(t, cmd.ProcessState.Success(), output.String())
			var r report
			require.NoError(t, json.Unmarshal(output.Bytes(), &r))
			assert.NotZero(t, r.Loaded, "no descriptor for the agent")
			continue
		}
		assert.Equal(t, []unix.Errno{expected}, inKernel(t, profile, [7]uint64{unix.SYS_GETPPID}), action)
	}
	for _, action := range []specs.LinuxSeccompAction{specs.ActKillProcess, specs.ActTrap} {
		profile := &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow,
			Syscalls:      []specs.LinuxSyscall{{Names: []string{"getppid"}, Action: action}},
		}
		cmd, output := startChild(t, order{Profile: profile, Calls: [][7]uint64{{unix.SYS_GETPPID}}})
		if action == specs.ActTrap {
			// The Go runtime has a handler for the signal.
			assert.Equal(t, 2, cmd.ProcessState.ExitCode())
			assert.Contains(t, output.String(), "SIGSYS")
			continue
		}
		assert.Equal(t, "signal: bad system call", cmd.ProcessState.String(), output)
	}
}

// A 64-bit program reaches the system calls of i386 by interrupt 0x80.
func TestKernelKillsOtherArchitectures(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("int 0x80 is missing: it is an instruction of amd64")
	}
	path := filepath.Join(t.TempDir(), "exit42")
	require.NoError(t, os.WriteFile(path, smallProgram([]byte{
		0xb8, 1, 0, 0, 0, // mov eax, 1: exit of i386, write of amd64
		0xbb, 42, 0, 0, 0, // mov ebx, 42
		0xcd, 0x80, // int 0x80
		0x0f, 0x0b, // ud2
	}), 0o700))
	cmd, output := startChild(t, order{Exec: path})
	if cmd.ProcessState.ExitCode() != 42 {
		t.Skipf("system calls of i386 are missing in this kernel: %v %s", cmd.ProcessState, output)
	}
	lists := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX32, specs.ArchARM}}
	byDefault, err := seccomp.Default(nil)
	require.NoError(t, err)
	for _, profile := range []*specs.LinuxSeccomp{lists, byDefault} {
		cmd, output := startChild(t, order{Profile: profile, Exec: path})
		assert.Equal(t, "signal: bad system call", cmd.ProcessState.String(), output)
	}
}

// smallProgram is an ELF file with a header, one segment and the code. elf(5)
func smallProgram(code []byte) []byte {
	const address, headers = 0x400000, 64 + 56
	size := uint64(headers + len(code))
	file := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	for _, field := range []any{
		uint16(2), uint16(62), uint32(1), uint64(address + headers), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56),
		uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), uint64(address), uint64(address), size, size, uint64(0x1000),
	} {
		file, _ = binary.Append(file, binary.LittleEndian, field)
	}
	return append(file, code...)
}
