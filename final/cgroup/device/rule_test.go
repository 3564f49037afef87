//go:build linux

package device

import (
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/spec"
)

func denyAll(more ...specs.LinuxDeviceCgroup) []specs.LinuxDeviceCgroup {
	return append([]specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}, more...)
}

// decide is what the rules mean: for each kind of access, the last one that matches.
func decide(rules []Rule, kind byte, major, minor int64, request access) bool {
	for bit := mknod; bit <= write; bit <<= 1 {
		allowed := true
		for _, r := range rules {
			if r.covers(Rule{kind: kind, major: major, minor: minor}) && r.access&bit != 0 {
				allowed = r.Allow
			}
		}
		if request&bit != 0 && !allowed {
			return false
		}
	}
	return true
}

// interpret runs a program as the kernel would, for the few instructions that ours have.
func interpret(t *testing.T, program []instruction, context map[int16]uint32) uint32 {
	t.Helper()
	var r [11]uint32
	for pc := 0; pc < len(program); pc++ {
		i := program[pc]
		to, from, k := &r[i.registers&15], r[i.registers>>4], uint32(i.immediate)
		taken := false
		switch i.code {
		case unix.BPF_LDX | unix.BPF_MEM | unix.BPF_W:
			require.EqualValues(t, rContext, i.registers>>4)
			*to = context[i.offset]
		case unix.BPF_ALU | unix.BPF_MOV | unix.BPF_X:
			*to = from
		case unix.BPF_ALU | unix.BPF_MOV | unix.BPF_K:
			*to = k
		case unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K:
			*to >>= k
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			*to &= k
		case unix.BPF_JMP32 | unix.BPF_JNE | unix.BPF_K:
			taken = *to != k
		case unix.BPF_JMP32 | unix.BPF_JSET | unix.BPF_K:
			taken = *to&k != 0
		case unix.BPF_JMP | unix.BPF_JA:
			taken = true
		case unix.BPF_JMP | unix.BPF_EXIT:
			return r[rResult]
		default:
			t.Fatalf("unknown instruction %#v", i)
		}
		if taken {
			require.GreaterOrEqual(t, i.offset, int16(0))
			pc += int(i.offset)
		}
	}
	t.Fatal("the program does not end")
	return 0
}

// kernelV1 does what the kernel does with the lines of version 1, which is simple enough to say again. security/device_cgroup.c
func kernelV1(lines []Rule, kind byte, major, minor int64, request access) bool {
	allowed, list := true, []Rule(nil)
	for _, line := range lines {
		if line.String() == "a" {
			allowed, list = line.Allow, nil
			continue
		}
		found := false
		for i := range list {
			if o := &list[i]; o.kind == line.kind && o.major == line.major && o.minor == line.minor {
				found = true
				if line.Allow == allowed {
					o.access &^= line.access
				} else {
					o.access |= line.access
				}
			}
		}
		if !found && line.Allow != allowed {
			list = append(list, line)
		}
	}
	for _, o := range list {
		if o.covers(Rule{kind: kind, major: major, minor: minor}) && o.access&request != 0 {
			return !allowed
		}
	}
	return allowed
}

func randomRules(random *rand.Rand) []Rule {
	pick := func(values ...int64) int64 { return values[random.IntN(len(values))] }
	rules := make([]Rule, random.IntN(9))
	for i := range rules {
		rules[i] = Rule{
			Allow: random.IntN(2) == 0, kind: "abc"[random.IntN(3)], major: pick(-1, 1, 2), minor: pick(-1, 3, 4),
			access: access(pick(1, 2, 4, 3, 6, 7, 7, 7)), index: i,
		}
	}
	return rules
}

func TestBothVersionsDoWhatTheRulesMean(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	exact, refused := 0, 0
	for range 3000 {
		rules := randomRules(random)
		program := compile(rules)
		lines, err := Lines(rules)
		if err != nil {
			refused++
		} else {
			exact++
		}
		for _, kind := range []byte("bc") {
			for major := int64(1); major <= 3; major++ {
				for minor := int64(3); minor <= 5; minor++ {
					for request := mknod; request <= anyAccess; request++ {
						want := decide(rules, kind, major, minor, request)
						number := map[byte]uint32{'b': kindBlock, 'c': kindChar}[kind]
						got := interpret(t, program, map[int16]uint32{
							contextAccessType: uint32(request)<<16 | number, contextMajor: uint32(major), contextMinor: uint32(minor),
						})
						require.Equal(t, want, got == 1, "v2: %v: %c %d:%d %v", rules, kind, major, minor, request)
						if err == nil && (request == mknod || request == read || request == write) {
							require.Equal(t, want, kernelV1(lines, kind, major, minor, request), "v1: %v as %v: %c %d:%d %v", rules, lines, kind, major, minor, request)
						}
					}
				}
			}
		}
	}
	assert.Greater(t, exact, 500)
	assert.Greater(t, refused, 500)
}

func TestTheKernelAcceptsThePrograms(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		rules := randomRules(random)
		fd, err := loadProgram(compile(rules))
		if err == unix.EPERM {
			t.Skip("needs root: make test")
		}
		require.NoError(t, err, "%v", rules)
		require.NoError(t, unix.Close(fd))
	}
}

func TestLines(t *testing.T) {
	rules, err := Parse(denyAll(spec.DefaultDevices(true)...))
	require.NoError(t, err)
	lines, err := Lines(rules)
	require.NoError(t, err)
	var texts []string
	for _, line := range lines {
		texts = append(texts, map[bool]string{true: "allow ", false: "deny "}[line.Allow]+line.String())
	}
	assert.Equal(t, []string{
		"deny a", "allow c *:* m", "allow b *:* m", "allow c 1:3 rwm", "allow c 1:5 rwm", "allow c 1:7 rwm", "allow c 1:8 rwm", "allow c 1:9 rwm",
		"allow c 5:0 rwm", "allow c 5:1 rwm", "allow c 5:2 rwm", "allow c 136:* rwm",
	}, texts)
}

func TestParseRefuses(t *testing.T) {
	for want, rule := range map[string]specs.LinuxDeviceCgroup{
		`linux.resources.devices[0]: type "x": must be a, b or c`:             {Type: "x"},
		`linux.resources.devices[0]: access "rx": must be made of r, w and m`: {Access: "rx"},
		`linux.resources.devices[0]: number 4096: must be from 0 to 4095`:     {Major: new(int64(4096))},
		`linux.resources.devices[0]: number -2: must be from 0 to 1048575`:    {Minor: new(int64(-2))},
	} {
		_, err := Parse([]specs.LinuxDeviceCgroup{rule})
		assert.EqualError(t, err, want)
	}
	rules, err := Parse(denyAll(specs.LinuxDeviceCgroup{Allow: true, Type: "c", Access: "rwm"}, specs.LinuxDeviceCgroup{Type: "c", Major: new(int64(1)), Minor: new(int64(5)), Access: "rw"}))
	require.NoError(t, err)
	_, err = Lines(rules)
	assert.EqualError(t, err, `linux.resources.devices[2]: cgroup v1 cannot make an exception to an exception: "c 1:5 rw" from "c *:* rwm"`)
}
