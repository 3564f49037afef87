//go:build linux

package seccomp_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/seccomp"
)

const (
	allow  = uint32(unix.SECCOMP_RET_ALLOW)
	eperm  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	enosys = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	high   = uint64(0xdeadbeef) << 32
)

func defaultMachine(t testing.TB, capabilities ...string) func(event) uint32 {
	t.Helper()
	profile, err := seccomp.Default(capabilities)
	require.NoError(t, err)
	filter := compile(t, profile)
	assert.Less(t, len(filter), 160, "the kernel runs this at each system call")
	return machine(t, filter)
}

func TestDefault(t *testing.T) {
	run := defaultMachine(t)
	for _, test := range []struct {
		name     string
		call     string
		args     [6]uint64
		expected uint32
	}{
		{"read", "read", [6]uint64{}, allow},
		{"newest call of the profile", "mseal", [6]uint64{}, allow},
		{"newer call", "rseq_slice_yield", [6]uint64{}, enosys},
		{"clone3 hides its flags", "clone3", [6]uint64{}, enosys},
		{"clone of a thread", "clone", [6]uint64{unix.CLONE_VM | unix.CLONE_THREAD | unix.CLONE_SIGHAND}, allow},
		{"clone with a namespace", "clone", [6]uint64{unix.CLONE_NEWUSER}, eperm},
		{"unshare", "unshare", [6]uint64{}, eperm},
		{"mount", "mount", [6]uint64{}, eperm},
		{"keyctl", "keyctl", [6]uint64{}, eperm},
		{"io_uring", "io_uring_setup", [6]uint64{}, eperm},
		{"io_setup", "io_setup", [6]uint64{}, enosys},
		{"io_submit", "io_submit", [6]uint64{}, allow},
		{"personality", "personality", [6]uint64{0x20000}, allow},
		{"another personality", "personality", [6]uint64{0x40000}, eperm},
		{"TCGETS", "ioctl", [6]uint64{1: unix.TCGETS}, allow},
		{"TIOCSTI", "ioctl", [6]uint64{1: unix.TIOCSTI}, eperm},
		{"TIOCSTI, high bits", "ioctl", [6]uint64{1: high | unix.TIOCSTI}, eperm},
		{"TIOCLINUX", "ioctl", [6]uint64{1: unix.TIOCLINUX}, eperm},
		{"TIOCLINUX, high bits", "ioctl", [6]uint64{1: 1<<63 | unix.TIOCLINUX}, eperm},
		{"AF_UNIX", "socket", [6]uint64{unix.AF_UNIX}, allow},
		{"AF_NFC, between the two", "socket", [6]uint64{unix.AF_NFC}, allow},
		{"AF_XDP, above both", "socket", [6]uint64{unix.AF_XDP}, allow},
		{"AF_ALG", "socket", [6]uint64{unix.AF_ALG}, eperm},
		{"AF_ALG, high bits", "socket", [6]uint64{high | unix.AF_ALG}, eperm},
		{"AF_VSOCK", "socket", [6]uint64{unix.AF_VSOCK}, eperm},
		{"AF_VSOCK, high bits", "socket", [6]uint64{1<<32 | unix.AF_VSOCK}, eperm},
	} {
		assert.Equal(t, test.expected, run(event{numbers[test.call], native(), test.args}), test.name)
	}
	assert.Equal(t, enosys, run(event{number: 5000, arch: native()}))
}

func TestDefaultFollowsTheCapabilities(t *testing.T) {
	run := defaultMachine(t, "CAP_SYS_ADMIN", "CAP_SYS_BOOT")
	for _, call := range []string{"mount", "clone3", "setns", "reboot", "bpf"} {
		assert.Equal(t, allow, run(event{number: numbers[call], arch: native()}), call)
	}
	assert.Equal(t, allow, run(event{numbers["clone"], native(), [6]uint64{unix.CLONE_NEWUSER}}))
	for _, e := range []event{
		{numbers["ioctl"], native(), [6]uint64{1: high | unix.TIOCSTI}},
		{numbers["socket"], native(), [6]uint64{high | unix.AF_ALG}},
	} {
		assert.Equal(t, eperm, run(e))
	}
	assert.Equal(t, eperm, defaultMachine(t, "CAP_SYS_ADMIN")(event{number: numbers["reboot"], arch: native()}))
}

func TestDefaultIsNotShared(t *testing.T) {
	first, err := seccomp.Default(nil)
	require.NoError(t, err)
	want := asJSON(t, first)
	first.Syscalls[0].Names[0] = "read"
	*first.Syscalls[0].ErrnoRet = 7
	second, err := seccomp.Default(nil)
	require.NoError(t, err)
	assert.Equal(t, want, asJSON(t, second))
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "profile.json")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestLoadDockerFormat(t *testing.T) {
	path := write(t, `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":13,
		"archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],
		"syscalls":[
			{"name":"read","action":"SCMP_ACT_ALLOW"},
			{"names":["write"],"action":"SCMP_ACT_ALLOW","comment":"c","includes":{"minKernel":"3.10"}},
			{"names":["getuid"],"action":"SCMP_ACT_ALLOW","excludes":{"minKernel":"3.10"}},
			{"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
			{"names":["mseal"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["s390x"]}},
			{"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38,"excludes":{"caps":["CAP_SYS_ADMIN"]}}]}`)
	for _, test := range []struct {
		capabilities []string
		call         string
		expected     uint32
	}{
		{nil, "read", allow},
		{nil, "write", allow},
		{nil, "getuid", unix.SECCOMP_RET_ERRNO | 13},
		{nil, "mount", unix.SECCOMP_RET_ERRNO | 13},
		{[]string{"CAP_SYS_ADMIN"}, "mount", allow},
		{nil, "clone3", enosys},
		// No rule that is left names clone3 or a newer call, so the profile is too old for clone3.
		{[]string{"CAP_SYS_ADMIN"}, "clone3", enosys},
		{nil, "mseal", enosys},
	} {
		profile, err := seccomp.Load(path, test.capabilities)
		require.NoError(t, err)
		assert.Equal(t, test.expected, machine(t, compile(t, profile))(event{number: numbers[test.call], arch: native()}),
			"%s with %v", test.call, test.capabilities)
	}
}

func TestLoadOCIFormat(t *testing.T) {
	profile, err := seccomp.Load(write(t, `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],
		"flags":["SECCOMP_FILTER_FLAG_LOG"],"listenerPath":"/run/agent","listenerMetadata":"m",
		"syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY","args":[{"index":1,"value":18446744073709551615,"op":"SCMP_CMP_EQ"}]}]}`), nil)
	require.NoError(t, err)
	assert.Equal(t, &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86_64}, Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog},
		ListenerPath: "/run/agent", ListenerMetadata: "m",
		Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActNotify,
			Args: []specs.LinuxSeccompArg{{Index: 1, Value: 1<<64 - 1, Op: specs.OpEqualTo}}}},
	}, profile)
}

func TestLoadSaysWhereTheMistakeIs(t *testing.T) {
	start := "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\n\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"},"
	for content, expected := range map[string]string{
		``:                    `line 1: unexpected end of JSON input`,
		`null`:                `defaultAction: missing`,
		`{}`:                  `defaultAction: missing`,
		`[]`:                  `line 1: the whole file: expected object, found array`,
		`"a"`:                 `line 1: the whole file: expected object, found string`,
		"{\n\n\"a\":}":        `line 3: invalid character '}' looking for beginning of value`,
		`{"defaultAction":1}`: `line 1: defaultAction: expected string, found number`,
		`{"syscalls":{}}`:     `line 1: syscalls: expected array, found object`,
		`{"syscalls":[[],1]}`: `line 1: syscalls: expected object, found array`,
		start + `7]}`:         `line 2: syscalls: expected object, found number`,
		start + `null]}`:      `syscalls[1]: must not be null`,
		start + `{"x":[{}],"names":["read"],"action":["SCMP"]}]}`:                        `line 2: syscalls.action: expected string, found array`,
		start + `{"names":["read",{}]}]}`:                                                `line 2: syscalls.names: expected string, found object`,
		start + `{"names":["read"],"action":"SCMP_ACT_ALLOW","errnoRet":-1}]}`:           `line 2: syscalls.errnoRet: expected number from 0, found number -1`,
		start + `{"args":[{"index":0},{"index":"1"}]}]}`:                                 `line 2: syscalls.args.index: expected number from 0, found string`,
		start + `{"names":["read"],"action":"ALLOW"}]}`:                                  `syscalls[1].action: unknown action "ALLOW"`,
		start + `{"names":["x"],"action":"SCMP_ACT_LOG","args":[{"op":"SCMP_CMP_X"}]}]}`: `syscalls[1].args[0].op: unknown operator "SCMP_CMP_X"`,
		start + `{"name":"x","names":["x"],"action":"SCMP_ACT_LOG"}]}`:                   `both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'`,
		// Load also checks a rule for another machine.
		start + `{"includes":{"arches":["s390x"]},"names":["x"],"action":"SCMP_ACT_LOG"},{"names":["x"]}]}`: `syscalls[2].action: missing`,
		`{"defaultAction":"SCMP_ACT_ALLOW","flags":["LOG"]}`:                                                `flags[0]: unknown flag "LOG"`,
		start + `{"names":["x"],"action":"SCMP_ACT_LOG","includes":{"minKernel":"six"}}]}`:                  `invalid kernel version: "six", expected "<kernel>.<major>"`,
		`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{}]}`:               `both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'`,
	} {
		path := write(t, content)
		profile, err := seccomp.Load(path, nil)
		assert.EqualError(t, err, path+": "+expected, content)
		assert.Nil(t, profile)
	}
}

func TestLoadTakesOnlyFilesOfReasonableSize(t *testing.T) {
	folder := t.TempDir()
	fifo := filepath.Join(folder, "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	good := `{"defaultAction":"SCMP_ACT_ALLOW"}`
	large := write(t, good+strings.Repeat(" ", 1<<20-len(good)+1))
	start := time.Now()
	for path, expected := range map[string]string{
		folder:             folder + ": not a regular file",
		fifo:               fifo + ": not a regular file",
		"/dev/zero":        "/dev/zero: not a regular file",
		large:              large + ": must be at most 1048576 bytes",
		folder + "/absent": "open " + folder + "/absent: no such file or directory",
	} {
		_, err := seccomp.Load(path, nil)
		assert.EqualError(t, err, expected)
	}
	assert.Less(t, time.Since(start), time.Second)

	_, err := seccomp.Load(write(t, good+strings.Repeat(" ", 1<<20-len(good))), nil)
	assert.NoError(t, err)
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":1,"args":[{"index":"a"}]}]}`))
	f.Add([]byte(`{"syscalls":[{"includes":{"minKernel":"6.x"},"names":[[]]}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := write(t, string(content))
		profile, err := seccomp.Load(path, nil)
		if err != nil {
			assert.True(t, strings.HasPrefix(err.Error(), path+": "), err.Error())
			assert.NotContains(t, err.Error(), "\n")
			return
		}
		_, err = seccomp.Compile(profile)
		assert.NoError(t, err)
	})
}
