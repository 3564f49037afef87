//go:build linux

package seccomp_test

import (
	"encoding/json"
	"runtime"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/seccomp"
)

// Compile and Flags accept each word of the lists, and the lists have all words of the specification.
func TestFeatures(t *testing.T) {
	assert.Equal(t, []string{"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
		"SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"}, seccomp.Actions())
	for _, action := range seccomp.Actions() {
		compile(t, &specs.LinuxSeccomp{DefaultAction: specs.LinuxSeccompAction(action)})
	}

	assert.Equal(t, []string{"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
		"SCMP_CMP_NE"}, seccomp.Operators())
	for _, operator := range seccomp.Operators() {
		compile(t, &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{
			Names: []string{"read"}, Action: specs.ActTrap, Args: []specs.LinuxSeccompArg{{Op: specs.LinuxSeccompOperator(operator)}},
		}}})
	}

	archs := map[string][]string{
		"amd64": {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"},
		"arm64": {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"},
	}
	assert.Equal(t, archs[runtime.GOARCH], seccomp.Archs())

	assert.Equal(t, []string{"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
		"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}, seccomp.KnownFlags())
	for _, flag := range seccomp.KnownFlags() {
		_, err := seccomp.Flags(&specs.LinuxSeccomp{Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlag(flag)}})
		assert.NoError(t, err)
	}
}

// A flag is supported if the kernel takes a filter with this flag. The profile has an agent, because one flag needs an agent.
func TestSupportedFlags(t *testing.T) {
	supported := seccomp.SupportedFlags()
	assert.Subset(t, seccomp.KnownFlags(), supported)
	assert.Contains(t, supported, "SECCOMP_FILTER_FLAG_LOG", "all kernels since 4.14 have it")
	for _, flag := range seccomp.KnownFlags() {
		cmd, output := startChild(t, order{Profile: &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlag(flag)}, ListenerPath: "/run/agent",
			Syscalls: []specs.LinuxSyscall{{Names: []string{"reboot"}, Action: specs.ActNotify}},
		}})
		if flag == "SECCOMP_FILTER_FLAG_TSYNC" {
			// Flags removes this flag, so the kernel cannot refuse it.
			assert.True(t, cmd.ProcessState.Success(), output)
			continue
		}
		assert.Equal(t, slices.Contains(supported, flag), cmd.ProcessState.Success(), "%s: %s", flag, output)
	}
}

// A filter makes the kernel look like one that lacks a flag, and like one that lacks seccomp(2).
func TestSupportedFlagsOfOlderKernels(t *testing.T) {
	flag := []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpEqualTo, Value: unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW}}
	for _, test := range []struct {
		args     []specs.LinuxSeccompArg
		errno    uint
		expected []string
	}{
		{flag, uint(unix.EINVAL), slices.DeleteFunc(seccomp.SupportedFlags(), func(name string) bool {
			return name == "SECCOMP_FILTER_FLAG_SPEC_ALLOW"
		})},
		{nil, uint(unix.ENOSYS), []string{}},
	} {
		cmd, output := startChild(t, order{Flags: true, Profile: &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow,
			Syscalls:      []specs.LinuxSyscall{{Names: []string{"seccomp"}, Action: specs.ActErrno, ErrnoRet: &test.errno, Args: test.args}},
		}})
		require.True(t, cmd.ProcessState.Success(), output)
		var r report
		require.NoError(t, json.Unmarshal(output.Bytes(), &r))
		assert.Equal(t, test.expected, r.Flags)
	}
}
