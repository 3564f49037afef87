package seccomp_test

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestX32(t *testing.T) {
	run := machine(t, compile(t, &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX32},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"getppid", "mseal"}, Action: specs.ActAllow},
			{Names: []string{"ioctl"}, Action: specs.ActTrap, Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpEqualTo, Value: 5}}},
		},
	}))
	for number, expected := range map[uint32]uint32{
		numbers["getppid"]:                  allow,
		x32 | numbers["getppid"]:            allow,
		x32 | numbers["read"]:               eperm,
		x32 | numbersX32["ioctl"]:           trap,
		x32 | numbers["ioctl"]:              trap,
		numbers["ioctl"]:                    trap,
		x32 | numbersX32["recvmsg"]:         eperm,
		x32 | numbers["mseal"]:              allow,
		x32 | (numbers["rseq_slice_yield"]): enosys,
		x32 | 511:                           enosys,
		x32 | 547:                           eperm,
		x32 | 548:                           enosys,
		x32 | 1<<31 | numbers["getppid"]:    enosys,
		unix.SYS_EXECVE | x32:               eperm,
	} {
		assert.Equal(t, expected, run(event{number, native(), [6]uint64{1: 5}}), "%#x", number)
	}
	assert.Equal(t, kill, run(event{number: 1, arch: auditI386}))
}

func TestMultiplexedCalls(t *testing.T) {
	const socket, accept, semop, newerSemop = 1, 5, 1, 1<<16 | 1
	for _, test := range []struct {
		name, start string
		call        string
		first       uint64
		expected    uint32
	}{
		{"no rule", `"SCMP_ACT_ERRNO","syscalls":[{"names":["mseal"],"action":"SCMP_ACT_ALLOW"}`, "socketcall", socket, eperm},
		{"a rule for the call", `"SCMP_ACT_ERRNO","syscalls":[{"names":["socket"],"action":"SCMP_ACT_ALLOW"}`, "socketcall", socket, allow},
		{"for another call", `"SCMP_ACT_ERRNO","syscalls":[{"names":["socket"],"action":"SCMP_ACT_ALLOW"}`, "socketcall", accept, eperm},
		{"the direct way", `"SCMP_ACT_ERRNO","syscalls":[{"names":["socket"],"action":"SCMP_ACT_ALLOW"}`, "socket", 0, allow},
		{"a call without a number", `"SCMP_ACT_ALLOW","syscalls":[{"names":["accept","semop"],"action":"SCMP_ACT_TRAP"}`, "socketcall", accept, trap},
		{"ipc", `"SCMP_ACT_ALLOW","syscalls":[{"names":["accept","semop"],"action":"SCMP_ACT_TRAP"}`, "ipc", semop, trap},
		{"ipc with a version", `"SCMP_ACT_ALLOW","syscalls":[{"names":["accept","semop"],"action":"SCMP_ACT_TRAP"}`, "ipc", newerSemop, trap},
		{"socketcall is allowed but for socket", `"SCMP_ACT_ERRNO","syscalls":[{"names":["socketcall"],"action":"SCMP_ACT_ALLOW"},
			{"names":["socket"],"action":"SCMP_ACT_TRAP"}`, "socketcall", socket, trap},
		{"unseen condition, refused", `"SCMP_ACT_ALLOW","syscalls":[{"names":["socket"],"action":"SCMP_ACT_TRAP",
			"args":[{"index":0,"op":"SCMP_CMP_EQ","value":38}]}`, "socketcall", socket, trap},
		{"unseen condition, allowed", `"SCMP_ACT_ERRNO","syscalls":[{"names":["socket"],"action":"SCMP_ACT_ALLOW",
			"args":[{"index":0,"op":"SCMP_CMP_EQ","value":1}]}`, "socketcall", socket, eperm},
		{"unseen condition, socketcall is allowed", `"SCMP_ACT_ERRNO","syscalls":[{"names":["socketcall"],"action":"SCMP_ACT_ALLOW"},
			{"names":["socket"],"action":"SCMP_ACT_TRAP","args":[{"index":0,"op":"SCMP_CMP_EQ","value":38}]}`, "socketcall", socket, allow},
		{"a condition of socketcall's own", `"SCMP_ACT_ERRNO","syscalls":[{"names":["socket"],"action":"SCMP_ACT_TRAP"},
			{"names":["socketcall"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"SCMP_CMP_EQ","value":1}]}`, "socketcall", socket, allow},
	} {
		var profile specs.LinuxSeccomp
		require.NoError(t, json.Unmarshal([]byte(`{"architectures":["SCMP_ARCH_X86"],"defaultAction":`+test.start+`]}`), &profile), test.name)
		run := machine(t, compile(t, &profile))
		assert.Equal(t, test.expected, run(event{numbersI386[test.call], auditI386, [6]uint64{test.first}}), test.name)
	}
}

func TestKernelAppliesTheRulesToX32(t *testing.T) {
	errno := uint(77)
	profile := &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls:      []specs.LinuxSyscall{{Names: []string{"getppid", "ioctl"}, Action: specs.ActErrno, ErrnoRet: &errno}},
	}
	calls := [][7]uint64{{x32 | unix.SYS_GETPPID}, {x32 | uint64(numbersX32["ioctl"])}}
	assert.Equal(t, []unix.Errno{unix.ENOSYS, unix.ENOSYS}, inKernel(t, profile, calls...))
	profile.Architectures = []specs.Arch{specs.ArchX32}
	assert.Equal(t, []unix.Errno{77, 77}, inKernel(t, profile, calls...))
}

// The rules hold for the calls of a 32-bit program, and for the calls that a 64-bit program makes by interrupt 0x80.
func TestKernelAppliesTheRulesToI386(t *testing.T) {
	const dup, closing, socketcall, absent, all = 41, 6, 102, 999, 1<<32 - 1
	errnos := []uint{77, 78, 79, 80}
	profile := &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"dup"}, Action: specs.ActErrno, ErrnoRet: &errnos[0]},
			{Names: []string{"close"}, Action: specs.ActErrno, ErrnoRet: &errnos[1],
				Args: []specs.LinuxSeccompArg{{Index: 0, Op: specs.OpEqualTo, Value: all}}},
			{Names: []string{"socket"}, Action: specs.ActErrno, ErrnoRet: &errnos[2]},
			// In amd64, lstat has the number that close has in i386.
			{Names: []string{"lstat"}, Action: specs.ActErrno, ErrnoRet: &errnos[3]},
		},
	}
	for _, test := range []struct {
		name                 string
		number, argument     uint32
		unfiltered, filtered unix.Errno
	}{
		{"rule", dup, absent, unix.EBADF, 77},
		{"condition that does not hold", closing, absent, unix.EBADF, unix.EBADF},
		{"condition that holds", closing, all, unix.EBADF, 78},
		{"rule, by socketcall", socketcall, 1, unix.EFAULT, 79},
		{"no rule, by socketcall", socketcall, 2, unix.EFAULT, unix.EFAULT},
	} {
		code := exitWithErrno(test.number, test.argument)
		for form, file := range map[string][]byte{"32-bit": small32BitProgram(code), "64-bit": smallProgram(code)} {
			path := filepath.Join(t.TempDir(), "program")
			require.NoError(t, os.WriteFile(path, file, 0o700))
			cmd, output := startChild(t, order{Exec: path})
			if cmd.ProcessState.ExitCode() != int(test.unfiltered) {
				t.Skipf("system calls of i386 are missing in this kernel: %v %s", cmd.ProcessState, output)
			}
			cmd, _ = startChild(t, order{Profile: profile, Exec: path})
			assert.EqualValues(t, test.filtered, cmd.ProcessState.ExitCode(), "%s, %s: %v", form, test.name, cmd.ProcessState)
			closed := *profile
			closed.Architectures = nil
			cmd, _ = startChild(t, order{Profile: &closed, Exec: path})
			assert.Equal(t, "signal: bad system call", cmd.ProcessState.String(), "%s, %s", form, test.name)
		}
	}
}

// exitWithErrno is the same machine code in 32-bit and 64-bit programs.
func exitWithErrno(number, argument uint32) []byte {
	code := binary.LittleEndian.AppendUint32([]byte{0xb8}, number)        // mov eax, number
	code = binary.LittleEndian.AppendUint32(append(code, 0xbb), argument) // mov ebx, argument
	return append(code,
		0x31, 0xc9, // xor ecx, ecx
		0xcd, 0x80, // int 0x80
		0xf7, 0xd8, // neg eax
		0x89, 0xc3, // mov ebx, eax
		0xb8, 1, 0, 0, 0, // mov eax, 1: exit
		0xcd, 0x80, // int 0x80
	)
}

// small32BitProgram is an ELF file with a header, one segment and the code. elf(5)
func small32BitProgram(code []byte) []byte {
	const address, headers = 0x8048000, 52 + 32
	size := uint32(headers + len(code))
	file := []byte{0x7f, 'E', 'L', 'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	for _, field := range []any{
		uint16(2), uint16(3), uint32(1), uint32(address + headers), uint32(52), uint32(0), uint32(0), uint16(52), uint16(32),
		uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(0), uint32(address), uint32(address), size, size, uint32(5), uint32(0x1000),
	} {
		file, _ = binary.Append(file, binary.LittleEndian, field)
	}
	return append(file, code...)
}
