//go:build linux

package capability_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
)

func TestParse(t *testing.T) {
	for name, number := range map[string]uint{
		"CAP_CHOWN": 0, "CAP_NET_RAW": 13, "cap_net_raw": 13, "net_raw": 13, "NET_RAW": 13, "Net_Raw": 13, "CAP_SYS_ADMIN": 21,
		"CAP_AUDIT_READ": 37, "checkpoint_restore": 40,
	} {
		got, err := capability.Parse(name)
		assert.NoError(t, err, name)
		assert.Equal(t, number, got, name)
	}
	for name, quoted := range map[string]string{
		"CAP_NET_RWA": `"CAP_NET_RWA"`, "sysadmin": `"sysadmin"`, "CAP_SYS_ADMINS": `"CAP_SYS_ADMINS"`, "CAP_CAP_KILL": `"CAP_CAP_KILL"`,
		"ALL": `"ALL"`, "CAP_": `"CAP_"`, "": `""`, "CAP_KILL ": `"CAP_KILL "`, "41": `"41"`,
		"KIL\u212a": `"KIL\u212a"`, "kıll": `"k\u0131ll"`, "\u017fETUID": `"\u017fETUID"`,
		"a\nb": `"a\nb"`, strings.Repeat("A", 100): `"` + strings.Repeat("A", 64) + `"`,
	} {
		_, err := capability.Parse(name)
		assert.EqualError(t, err, "unknown capability "+quoted+" (capabilities(7) has all names)")
	}
}

func TestAllNamesHaveTheNumbersOfTheKernel(t *testing.T) {
	all := capability.All()
	assert.Len(t, all, unix.CAP_LAST_CAP+1)
	for number, name := range all {
		got, err := capability.Parse(name)
		assert.NoError(t, err)
		assert.EqualValues(t, number, got, name)
	}
	for name, number := range map[string]int{"CAP_SETPCAP": 8, "CAP_SYS_PTRACE": 19, "CAP_MKNOD": 27, "CAP_WAKE_ALARM": 35, "CAP_BPF": 39} {
		assert.Equal(t, name, all[number])
	}
}

func TestDefault(t *testing.T) {
	assert.Equal(t, "CAP_CHOWN,CAP_DAC_OVERRIDE,CAP_FOWNER,CAP_FSETID,CAP_KILL,CAP_SETGID,CAP_SETUID,CAP_SETPCAP,"+
		"CAP_NET_BIND_SERVICE,CAP_SYS_CHROOT,CAP_SETFCAP", capability.Default.String())
	assert.True(t, capability.Default.Has(unix.CAP_KILL))
	assert.False(t, capability.Default.Has(unix.CAP_NET_RAW))
}

func TestSet(t *testing.T) {
	assert.EqualValues(t, 1, capability.UpTo(0))
	assert.EqualValues(t, uint64(0x1ffffffffff), capability.UpTo(40))
	assert.EqualValues(t, ^uint64(0), capability.UpTo(63))
	assert.Equal(t, []string{"CAP_CHECKPOINT_RESTORE", "CAP_41", "CAP_63"}, (capability.Set(1<<40 | 1<<41 | 1<<63)).Names())
	assert.Equal(t, []string{}, capability.Set(0).Names())
}

func TestFromSpec(t *testing.T) {
	sets, err := capability.FromSpec(&specs.LinuxCapabilities{
		Bounding: []string{"CAP_KILL", "CAP_BPF"}, Effective: []string{"CAP_KILL"}, Permitted: []string{"CAP_KILL", "CAP_CHOWN", "CAP_KILL"},
		Inheritable: []string{"cap_fowner"}, Ambient: []string{"SETUID"},
	})
	require.NoError(t, err)
	assert.Equal(t, capability.Sets{Bounding: 1<<5 | 1<<39, Effective: 1 << 5, Permitted: 1<<5 | 1, Inheritable: 1 << 3, Ambient: 1 << 7}, sets)
	assert.Equal(t, &specs.LinuxCapabilities{
		Bounding: []string{"CAP_KILL", "CAP_BPF"}, Effective: []string{"CAP_KILL"}, Permitted: []string{"CAP_CHOWN", "CAP_KILL"},
		Inheritable: []string{"CAP_FOWNER"}, Ambient: []string{"CAP_SETUID"},
	}, sets.Spec())

	sets, err = capability.FromSpec(nil)
	require.NoError(t, err)
	assert.Zero(t, sets)
}

func TestFromSpecNamesTheFieldOfUnknownNames(t *testing.T) {
	sets, err := capability.FromSpec(&specs.LinuxCapabilities{
		Bounding: []string{"CAP_KILL", "CAP_KIL"}, Effective: []string{"TEST_CAP"}, Permitted: []string{"CAP_CHOWN"},
		Inheritable: []string{"x"}, Ambient: []string{"y", "CAP_CHOWN"},
	})
	const all = " (capabilities(7) has all names)"
	assert.EqualError(t, err, `process.capabilities.bounding[1]: unknown capability "CAP_KIL"`+all+
		`; process.capabilities.effective[0]: unknown capability "TEST_CAP"`+all+
		`; process.capabilities.inheritable[0]: unknown capability "x"`+all+`; process.capabilities.ambient[0]: unknown capability "y"`+all)
	assert.Equal(t, capability.Sets{Bounding: 1 << 5, Permitted: 1, Ambient: 1}, sets)
}

func TestLimit(t *testing.T) {
	all := capability.Sets{Bounding: 0b11111, Effective: 0b1111, Permitted: 0b1110, Inheritable: 0b101100, Ambient: 0b1110}
	limited, missing := all.Limit(0b110111)
	assert.Equal(t, capability.Sets{Bounding: 0b10111, Effective: 0b0110, Permitted: 0b0110, Inheritable: 0b0100, Ambient: 0b0100}, limited)
	assert.EqualValues(t, 0b101011, missing)

	same, missing := limited.Limit(capability.UpTo(63))
	assert.Equal(t, limited, same)
	assert.Zero(t, missing)
}

// status reads the sets from a status file of /proc, while Own asks with system calls. proc_pid_status(5)
func status(t *testing.T, text string) capability.Sets {
	t.Helper()
	var sets capability.Sets
	for field, set := range map[string]*capability.Set{
		"CapBnd": &sets.Bounding, "CapEff": &sets.Effective, "CapPrm": &sets.Permitted, "CapInh": &sets.Inheritable, "CapAmb": &sets.Ambient,
	} {
		_, rest, found := strings.Cut(text, field+":")
		require.True(t, found, field)
		value, err := strconv.ParseUint(strings.Fields(rest)[0], 16, 64)
		require.NoError(t, err)
		*set = capability.Set(value)
	}
	return sets
}

func TestOwn(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	text, err := os.ReadFile("/proc/thread-self/status")
	require.NoError(t, err)
	own, err := capability.Own()
	require.NoError(t, err)
	assert.Equal(t, status(t, string(text)), own)
	assert.Equal(t, own.Permitted&own.Bounding, own.Grantable())
}

// TestMain also runs the child of TestCallsGiveTheSets: a process that makes the prepared calls, and prints the sets that it has then.
func TestMain(m *testing.M) {
	wanted := os.Getenv("CAPABILITY_TEST_CHILD")
	if wanted == "" {
		os.Exit(m.Run())
	}
	runtime.LockOSThread()
	if err := child(wanted); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(wanted string) error {
	var sets capability.Sets
	if err := json.Unmarshal([]byte(wanted), &sets); err != nil {
		return err
	}
	own, err := capability.Own()
	if err != nil {
		return err
	}
	calls := sets.Calls(own.Bounding)
	for _, number := range calls.Drop {
		if _, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, number, 0); errno != 0 {
			return fmt.Errorf("PR_CAPBSET_DROP %d: %w", number, errno)
		}
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&calls.Header)), uintptr(unsafe.Pointer(&calls.Data[0])), 0); errno != 0 {
		return fmt.Errorf("capset: %w", errno)
	}
	if _, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("PR_CAP_AMBIENT_CLEAR_ALL: %w", errno)
	}
	for _, number := range calls.Ambient {
		if _, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, number, 0, 0, 0); errno != 0 {
			return fmt.Errorf("PR_CAP_AMBIENT_RAISE %d: %w", number, errno)
		}
	}
	if own, err = capability.Own(); err != nil {
		return err
	}
	text, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return err
	}
	fmt.Printf("%s\n%s", toJSON(own), text)
	return nil
}

func toJSON(sets capability.Sets) string {
	text, err := json.Marshal(sets)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestCallsGiveTheSets(t *testing.T) {
	own, err := capability.Own()
	require.NoError(t, err)
	if !own.Permitted.Has(unix.CAP_SETPCAP) {
		t.Skip("CAP_SETPCAP is missing")
	}
	grantable := own.Grantable()
	for _, wanted := range []capability.Sets{
		{},
		{Bounding: capability.Default, Effective: capability.Default, Permitted: capability.Default},
		{Bounding: grantable, Effective: grantable, Permitted: grantable, Inheritable: grantable, Ambient: grantable},
		{Bounding: 1 << 40, Permitted: 1<<40 | 1<<3, Effective: 1 << 3, Inheritable: 1<<40 | 1<<33, Ambient: 1 << 40},
		{Bounding: 1, Permitted: 1<<31 | 1<<32, Inheritable: 1<<31 | 1<<32, Ambient: 1 << 32},
	} {
		wanted, _ = wanted.Limit(grantable)
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "CAPABILITY_TEST_CHILD="+toJSON(wanted))
		output, err := cmd.Output()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		require.NoError(t, err)
		seen, text, _ := strings.Cut(string(output), "\n")
		assert.Equal(t, wanted, status(t, text))
		assert.Equal(t, toJSON(wanted), seen, "Own in the child")
	}
}

func TestCallsDropWhatTheTableDoesNotKnow(t *testing.T) {
	calls := capability.Sets{Bounding: capability.Default}.Calls(capability.UpTo(41))
	assert.Contains(t, calls.Drop, uintptr(41))
	assert.NotContains(t, calls.Drop, uintptr(unix.CAP_CHOWN))
	assert.Len(t, calls.Drop, 42-11)
	assert.Empty(t, capability.Sets{}.Calls(0).Drop)
}

func FuzzParse(f *testing.F) {
	f.Add("CAP_NET_RWA")
	f.Add("kıll\x00")
	f.Fuzz(func(t *testing.T, name string) {
		number, err := capability.Parse(name)
		if err == nil {
			upper := strings.ToUpper(name)
			assert.Contains(t, []string{upper, "CAP_" + upper}, capability.All()[number])
			return
		}
		assert.NotContains(t, err.Error(), "\n")
		assert.Less(t, len(err.Error()), 400)
	})
}
