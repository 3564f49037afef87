//go:build linux

package seccomp_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/seccomp"
)

func compile(t testing.TB, profile *specs.LinuxSeccomp) []unix.SockFilter {
	t.Helper()
	filter, err := seccomp.Compile(profile)
	require.NoError(t, err)
	return filter
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// compareWithReference runs the filter of a profile for many events. Nothing here is left to chance, so a difference that a second
// run does not show again comes from the machine.
func compareWithReference(t testing.TB, d dice, profile *specs.LinuxSeccomp, filter []unix.SockFilter, events int) {
	t.Helper()
	run := machine(t, filter)
	for range events {
		e := d.event(profile)
		if got, want := run(e), expected(profile, e); got != want {
			again, err := seccomp.Compile(profile)
			same := err == nil && slices.Equal(filter, again)
			t.Fatalf("got %#x (once more: %#x; compiled again, the filter is the same: %t), want %#x (once more: %#x) for %+v with %s",
				got, run(e), same, want, expected(profile, e), e, asJSON(t, profile))
		}
	}
}

func TestFiltersDecideAsTheProfileSays(t *testing.T) {
	for seed := range uint64(1500) {
		d := newDice(seed)
		// A few profiles are so long that a conditional jump does not reach over their filter.
		profile := d.profile(one(d, 3, 10, 10, 30, 120), names())
		filter, err := seccomp.Compile(profile)
		require.NoError(t, err, "seed %d", seed)
		compareWithReference(t, d, profile, filter, 60)
	}
}

func TestLongFilters(t *testing.T) {
	longest := 0
	for seed := range uint64(30) {
		d := newDice(seed)
		profile := d.profile(0, nil)
		for len(profile.Syscalls) < 80 {
			profile.Syscalls = append(profile.Syscalls, d.profile(20, []string{"getpid", "ioctl", "mseal"}).Syscalls...)
		}
		filter := compile(t, profile)
		longest = max(longest, len(filter))
		compareWithReference(t, d, profile, filter, 300)
	}
	assert.Greater(t, longest, 2000)
}

func TestTooLong(t *testing.T) {
	profile := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	add := func(value uint64) {
		profile.Syscalls = append(profile.Syscalls, specs.LinuxSyscall{
			Names: []string{"read"}, Action: specs.ActErrno,
			Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpEqualTo, Value: value << 32}},
		})
	}
	for i := range uint64(1000) {
		add(i)
	}
	assert.LessOrEqual(t, len(compile(t, profile)), unix.BPF_MAXINSNS)
	for i := range uint64(50) {
		add(i)
	}
	_, err := seccomp.Compile(profile)
	assert.ErrorContains(t, err, "longer than the 4096 instructions")

	// Many names times many conditions are too much.
	profile.Syscalls = profile.Syscalls[:1]
	profile.Syscalls[0].Names = strings.Split(strings.Repeat("read,", 50_000)+"read", ",")
	profile.Syscalls[0].Args = make([]specs.LinuxSeccompArg, 50_000)
	for i := range profile.Syscalls[0].Args {
		profile.Syscalls[0].Args[i].Op = specs.OpEqualTo
	}
	_, err = seccomp.Compile(profile)
	assert.ErrorContains(t, err, "seccomp.syscalls[0].args: the filter is longer than the 4096 instructions")
}

// The reference could have the same mistake as Compile. These cases are written out.
func TestDecisions(t *testing.T) {
	const big = 0x1_0000_0000
	tests := []struct {
		name     string
		profile  string
		call     string
		args     [6]uint64
		expected uint32
	}{
		{"default", `{"defaultAction":"SCMP_ACT_LOG"}`, "read", [6]uint64{}, unix.SECCOMP_RET_LOG},
		{"default errno", `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":13}`, "read", [6]uint64{}, unix.SECCOMP_RET_ERRNO | 13},
		{"errno 0 is success", `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":0}`, "read", [6]uint64{}, unix.SECCOMP_RET_ERRNO},
		{"trace", `{"defaultAction":"SCMP_ACT_TRACE","defaultErrnoRet":65535}`, "read", [6]uint64{}, unix.SECCOMP_RET_TRACE | 65535},
		{"newer than the profile", `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read","write"],"action":"SCMP_ACT_ALLOW"}]}`,
			"mseal", [6]uint64{}, unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{"older than the profile", `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["mseal"],"action":"SCMP_ACT_ALLOW"}]}`,
			"clone3", [6]uint64{}, unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{"newer, but allowed", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO"}]}`,
			"mseal", [6]uint64{}, unix.SECCOMP_RET_ALLOW},
		{"unknown names are ignored", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["no_such_call","read"],"action":"SCMP_ACT_TRAP"}]}`,
			"read", [6]uint64{}, unix.SECCOMP_RET_TRAP},
		{"conditions first", `{"defaultAction":"SCMP_ACT_KILL","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"},
			{"names":["read"],"action":"SCMP_ACT_TRAP","args":[{"index":2,"op":"SCMP_CMP_EQ","value":7}]}]}`,
			"read", [6]uint64{2: 7}, unix.SECCOMP_RET_TRAP},
		{"first condition decides", `{"defaultAction":"SCMP_ACT_KILL","syscalls":[
			{"names":["read"],"action":"SCMP_ACT_LOG","args":[{"index":2,"op":"SCMP_CMP_GE","value":7}]},
			{"names":["read"],"action":"SCMP_ACT_TRAP","args":[{"index":2,"op":"SCMP_CMP_EQ","value":7}]}]}`,
			"read", [6]uint64{2: 7}, unix.SECCOMP_RET_LOG},
		{"no condition holds", `{"defaultAction":"SCMP_ACT_KILL_PROCESS","syscalls":[
			{"names":["read"],"action":"SCMP_ACT_LOG","args":[{"index":2,"op":"SCMP_CMP_GT","value":7}]}]}`,
			"read", [6]uint64{2: 7}, unix.SECCOMP_RET_KILL_PROCESS},
		{"both must hold", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_TRAP",
			"args":[{"index":0,"op":"SCMP_CMP_EQ","value":1},{"index":5,"op":"SCMP_CMP_EQ","value":2}]}]}`,
			"read", [6]uint64{0: 1}, unix.SECCOMP_RET_ALLOW},
		{"one argument twice: either", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_TRAP",
			"args":[{"index":0,"op":"SCMP_CMP_EQ","value":1},{"index":0,"op":"SCMP_CMP_EQ","value":2}]}]}`,
			"read", [6]uint64{0: 2}, unix.SECCOMP_RET_TRAP},
		{"the high half counts", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_TRAP",
			"args":[{"index":0,"op":"SCMP_CMP_LE","value":5}]}]}`,
			"read", [6]uint64{0: big + 1}, unix.SECCOMP_RET_ALLOW},
		{"unsigned", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_TRAP",
			"args":[{"index":0,"op":"SCMP_CMP_GT","value":4294967296}]}]}`,
			"read", [6]uint64{0: 1<<64 - 1}, unix.SECCOMP_RET_TRAP},
		{"mask of the low half", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["ioctl"],"action":"SCMP_ACT_TRAP",
			"args":[{"index":1,"op":"SCMP_CMP_MASKED_EQ","value":4294967295,"valueTwo":21522}]}]}`,
			"ioctl", [6]uint64{1: 77*big + 21522}, unix.SECCOMP_RET_TRAP},
		{"bits outside of the mask", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["ioctl"],"action":"SCMP_ACT_TRAP",
			"args":[{"index":1,"op":"SCMP_CMP_MASKED_EQ","value":15,"valueTwo":4294967313}]}]}`,
			"ioctl", [6]uint64{1: 1}, unix.SECCOMP_RET_TRAP},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var profile specs.LinuxSeccomp
			require.NoError(t, json.Unmarshal([]byte(test.profile), &profile))
			run := machine(t, compile(t, &profile))
			assert.Equal(t, test.expected, run(event{numbers[test.call], native(), test.args}))
		})
	}
}

func TestErrors(t *testing.T) {
	entry := func(format string, args ...any) string {
		good := `{"names":["read"],"action":"SCMP_ACT_ALLOW"}`
		return `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[` + good + `,` + fmt.Sprintf(format, args...) + `]}`
	}
	for profile, expected := range map[string]string{
		`{}`:                                 `seccomp.defaultAction: missing`,
		`{"defaultAction":"SCMP_ACT_PANIC"}`: `seccomp.defaultAction: unknown action "SCMP_ACT_PANIC"`,
		`{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1}`:                               `seccomp.defaultErrnoRet: leave it out: SCMP_ACT_ALLOW takes no errno`,
		`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":4096}`:                            `seccomp.defaultErrnoRet: 4096: must be at most 4095`,
		`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86","SCMP_ARCH_VAX"]}`: `seccomp.architectures[1]: unknown architecture "SCMP_ARCH_VAX"`,

		entry(`{"names":["read"]}`):                                                  `seccomp.syscalls[1].action: missing`,
		entry(`{"names":["read"],"action":"allow"}`):                                 `seccomp.syscalls[1].action: unknown action "allow"`,
		entry(`{"names":["read"],"action":"SCMP_ACT_KILL","errnoRet":1}`):            `seccomp.syscalls[1].errnoRet: leave it out: SCMP_ACT_KILL takes no errno`,
		entry(`{"names":["read"],"action":"SCMP_ACT_TRACE","errnoRet":65536}`):       `seccomp.syscalls[1].errnoRet: 65536: must be at most 65535`,
		entry(`{"names":[],"action":"SCMP_ACT_KILL"}`):                               `seccomp.syscalls[1].names: missing: name a system call`,
		entry(`{"names":["read",""],"action":"SCMP_ACT_KILL"}`):                      `seccomp.syscalls[1].names[1]: must not be empty`,
		entry(`{"names":["no_such"],"action":"SCMP_ACT_KILL","args":[{}]}`):          `seccomp.syscalls[1].args[0].op: unknown operator ""`,
		entry(`{"names":["x"],"action":"SCMP_ACT_KILL","args":[{"op":"EQ"}]}`):       `seccomp.syscalls[1].args[0].op: unknown operator "EQ"`,
		entry(`{"names":["x"],"action":"SCMP_ACT_KILL","args":[{"index":6}]}`):       `seccomp.syscalls[1].args[0].index: 6: must be at most 5, the last argument of a system call`,
		entry(`{"names":["x"],"action":"SCMP_ACT_KILL","args":[{"op":"\n\u0007"}]}`): `seccomp.syscalls[1].args[0].op: unknown operator "\n\a"`,
	} {
		var parsed specs.LinuxSeccomp
		require.NoError(t, json.Unmarshal([]byte(profile), &parsed), profile)
		filter, err := seccomp.Compile(&parsed)
		assert.EqualError(t, err, expected)
		assert.Nil(t, filter)
	}
	_, err := seccomp.Compile(nil)
	assert.EqualError(t, err, "seccomp: no profile")
}

func TestFlags(t *testing.T) {
	notify := []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActNotify}}
	for _, test := range []struct {
		profile  specs.LinuxSeccomp
		expected uint
		err      string
	}{
		{specs.LinuxSeccomp{}, 0, ""},
		{specs.LinuxSeccomp{Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"}}, 6, ""},
		{specs.LinuxSeccomp{Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}}, 0, ""},
		{specs.LinuxSeccomp{Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}, Syscalls: notify, ListenerPath: "/a"}, 0x28, ""},
		{specs.LinuxSeccomp{DefaultAction: specs.ActNotify, ListenerPath: "/a", ListenerMetadata: "x"}, 8, ""},
		{specs.LinuxSeccomp{Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_LOG", "LOG"}}, 0, `seccomp.flags[1]: unknown flag "LOG"`},
		{specs.LinuxSeccomp{Syscalls: notify}, 0, `seccomp.listenerPath: missing: SCMP_ACT_NOTIFY needs it`},
	} {
		flags, err := seccomp.Flags(&test.profile)
		if test.err != "" {
			assert.EqualError(t, err, test.err)
		} else {
			assert.NoError(t, err)
		}
		assert.Equal(t, test.expected, flags)
	}
}

func TestTablesAreWhatTheGeneratorWrites(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is missing")
	}
	folder := t.TempDir()
	output, err := exec.Command("go", "run", "gen.go", folder).CombinedOutput()
	require.NoError(t, err, string(output))
	for _, arch := range []string{"amd64", "arm64"} {
		name := "syscalls_" + arch + ".go"
		want, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "%s is out of date: go generate ./final/seccomp", name)
	}
}

func FuzzCompile(f *testing.F) {
	for seed := range uint64(20) {
		f.Add([]byte(asJSON(f, newDice(seed).profile(6, names()))), seed)
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		var profile specs.LinuxSeccomp
		if json.Unmarshal(text, &profile) != nil {
			return
		}
		for _, entry := range profile.Syscalls {
			for _, name := range entry.Names {
				if _, ok := numbers[name]; !ok && !strings.HasPrefix(name, "no_such") && name != "zzz" {
					return
				}
			}
		}
		filter, err := seccomp.Compile(&profile)
		if err != nil {
			assert.NotContains(t, err.Error(), "\n")
			assert.True(t, strings.HasPrefix(err.Error(), "seccomp."), err.Error())
			return
		}
		assert.LessOrEqual(t, len(filter), unix.BPF_MAXINSNS)
		compareWithReference(t, newDice(seed), &profile, filter, 50)
	})
}

func BenchmarkCompileDefault(b *testing.B) {
	profile, err := seccomp.Default(nil)
	require.NoError(b, err)
	b.ReportMetric(float64(len(compile(b, profile))), "instructions")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := seccomp.Compile(profile); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDefault(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := seccomp.Default(nil); err != nil {
			b.Fatal(err)
		}
	}
}
