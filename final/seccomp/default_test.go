//go:build linux

package seccomp_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

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

func load(content string, capabilities ...string) (*specs.LinuxSeccomp, error) {
	return seccomp.Load(strings.NewReader(content), capabilities)
}

func TestLoadDockerFormat(t *testing.T) {
	const content = `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":13,
		"archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],
		"syscalls":[
			{"name":"read","action":"SCMP_ACT_ALLOW"},
			{"names":["write"],"action":"SCMP_ACT_ALLOW","comment":"c","includes":{"minKernel":"3.10"}},
			{"names":["getuid"],"action":"SCMP_ACT_ALLOW","excludes":{"minKernel":"3.10"}},
			{"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
			{"names":["mseal"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["s390x"]}},
			{"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38,"excludes":{"caps":["CAP_SYS_ADMIN"]}}]}`
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
		profile, err := load(content, test.capabilities...)
		require.NoError(t, err)
		assert.Equal(t, test.expected, machine(t, compile(t, profile))(event{number: numbers[test.call], arch: native()}),
			"%s with %v", test.call, test.capabilities)
	}
}

func TestLoadOCIFormat(t *testing.T) {
	profile, err := load(`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],
		"flags":["SECCOMP_FILTER_FLAG_LOG"],"listenerPath":"/run/agent","listenerMetadata":"m",
		"syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY","args":[{"index":1,"value":18446744073709551615,"op":"SCMP_CMP_EQ"}]}]}`)
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
		``:                    `line 1, column 0: unexpected end of JSON input`,
		`null`:                `defaultAction: missing`,
		`{}`:                  `defaultAction: missing`,
		`[]`:                  `line 1, column 1: the whole document: must be object, not array`,
		`"a"`:                 `line 1, column 3: the whole document: must be object, not string`,
		"{\n\n\"a\":}":        `line 3, column 5: invalid character '}' looking for beginning of value`,
		`{"defaultAction":1}`: `line 1, column 18: defaultAction: must be string, not number`,
		`{"syscalls":{}}`:     `line 1, column 13: syscalls: must be array, not object`,
		`{"syscalls":[[],1]}`: `line 1, column 14: syscalls: must be object, not array`,
		start + `7]}`:         `line 2, column 58: syscalls: must be object, not number`,
		start + `null]}`:      `syscalls[1]: must not be null`,
		start + `{"x":[{}],"names":["read"],"action":["SCMP"]}]}`:                        `line 2, column 94: syscalls.action: must be string, not array`,
		start + `{"names":["read",{}]}]}`:                                                `line 2, column 75: syscalls.names: must be string, not object`,
		start + `{"names":["read"],"action":"SCMP_ACT_ALLOW","errnoRet":-1}]}`:           `line 2, column 114: syscalls.errnoRet: must be uint, not number -1`,
		start + `{"args":[{"index":0},{"index":"1"}]}]}`:                                 `line 2, column 90: syscalls.args.index: must be uint, not string`,
		start + `{"names":["read"],"action":"ALLOW"}]}`:                                  `syscalls[1].action: unknown action "ALLOW"`,
		start + `{"names":["x"],"action":"SCMP_ACT_LOG","args":[{"op":"SCMP_CMP_X"}]}]}`: `syscalls[1].args[0].op: unknown operator "SCMP_CMP_X"`,
		start + `{"name":"x","names":["x"],"action":"SCMP_ACT_LOG"}]}`:                   `both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'`,
		// Load also checks a rule for another machine.
		start + `{"includes":{"arches":["s390x"]},"names":["x"],"action":"SCMP_ACT_LOG"},{"names":["x"]}]}`: `syscalls[2].action: missing`,
		`{"defaultAction":"SCMP_ACT_ALLOW","flags":["LOG"]}`:                                                `flags[0]: unknown flag "LOG"`,
		start + `{"names":["x"],"action":"SCMP_ACT_LOG","includes":{"minKernel":"six"}}]}`:                  `invalid kernel version: "six", expected "<kernel>.<major>"`,
		`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{}]}`:               `both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'`,
	} {
		profile, err := load(content)
		assert.EqualError(t, err, expected, content)
		assert.Nil(t, profile)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":1,"args":[{"index":"a"}]}]}`))
	f.Add([]byte(`{"syscalls":[{"includes":{"minKernel":"6.x"},"names":[[]]}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		profile, err := load(string(content))
		if err != nil {
			assert.NotContains(t, err.Error(), "\n")
			return
		}
		_, err = seccomp.Compile(profile)
		assert.NoError(t, err)
	})
}

// Names in the order of the alphabet are found sooner, and no later name is missed.
func TestTheOrderOfTheNamesMakesNoDifference(t *testing.T) {
	profile, err := seccomp.Default(nil)
	require.NoError(t, err)
	arch, _, _ := compat()
	profile.Architectures = append(profile.Architectures, arch, specs.ArchX32)
	shuffle := rand.New(rand.NewPCG(1, 2))
	sort := func(how func(names []string)) []unix.SockFilter {
		for i := range profile.Syscalls {
			profile.Syscalls[i].Names = slices.Clone(profile.Syscalls[i].Names)
			how(profile.Syscalls[i].Names)
		}
		return compile(t, profile)
	}
	sorted := sort(slices.Sort)
	for range 10 {
		assert.Equal(t, sorted, sort(func(names []string) {
			shuffle.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		}))
	}
	assert.Equal(t, sorted, sort(func(names []string) { slices.SortFunc(names, func(a, b string) int { return strings.Compare(b, a) }) }))
}
