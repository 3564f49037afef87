//go:build linux

package calls_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
)

func TestAListBecomesACommand(t *testing.T) {
	l := calls.New("container", false)
	shell := l.Buffer(16)
	l.Do(unix.SYS_READ, 4, shell, shell.Size)
	script := `printf '%s|' "$0" "$@" "$A" "$B" >&5`
	args := l.StringPointers(shell, "-c", script, "name", l.Bytes([]byte("one\x00")), "")
	l.Do(unix.SYS_EXECVE, shell, args, l.Strings([]string{"A=a b", "B="}))
	read, write := pipe(t)
	out, in := pipe(t)
	_, err := write.WriteString("/bin/sh")
	require.NoError(t, err)
	p := start(t, l, read, in)
	in.Close()
	output := make([]byte, 100)
	n, err := out.Read(output)
	require.NoError(t, err)
	assert.Equal(t, "name|one||a b||", string(output[:n]))
	assert.Equal(t, 0, p.end(t))
}

func TestACommandThatCannotStartIsAFailure(t *testing.T) {
	l := calls.New("container", false)
	l.Stage("execve(/bin/no-such-command)", "execve(2)", 1)
	l.Do(unix.SYS_EXECVE, "/bin/no-such-command", l.Strings([]string{"x"}), l.Strings(nil))
	_, err := outcome(t, l)
	assert.EqualError(t, err, "execve(/bin/no-such-command): no such file or directory")
}

// CVE-2019-5736: a command executes the program of the list once more if the command is /proc/self/exe, has it after #!, or asks for it
// to load a program.
func TestASecondExecutionEndsAtOnce(t *testing.T) {
	script, program := t.TempDir()+"/script", t.TempDir()+"/program"
	require.NoError(t, os.WriteFile(script, []byte("#!/proc/self/exe\n"), 0o755))
	require.NoError(t, os.WriteFile(program, loadedBy(t, "/proc/self/exe"), 0o755))
	for _, command := range []string{"/proc/self/exe", script, program} {
		l := calls.New("container", false)
		l.Do(unix.SYS_WRITE, 4, "x", 1)
		l.Do(unix.SYS_FCNTL, calls.SocketSlot, unix.F_SETFD, unix.FD_CLOEXEC)
		l.Do(unix.SYS_EXECVE, command, l.Strings([]string{"again"}), l.Strings(nil))
		read, write := pipe(t)
		p := start(t, l, write)
		write.Close()
		written, err := io.ReadAll(read)
		require.NoError(t, err)
		assert.Equal(t, "x", string(written), "the second execution makes no call of the list")
		assert.Empty(t, p.receive(t))
		// Linux before 6.7 does not give an interpreter all of its memory: a signal ends the last one.
		assert.Error(t, p.Wait())
	}
}

// loadedBy is a program without code, and with an interpreter. elf(5)
func loadedBy(t *testing.T, interpreter string) []byte {
	t.Helper()
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	header := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_EXEC), Machine: uint16(machines[runtime.GOARCH]), Version: 1,
		Entry: 0x10000000, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 2,
	}
	name, size := interpreter+"\x00", uint64(64+2*56+len(interpreter)+1)
	segments := []elf.Prog64{
		{Type: uint32(elf.PT_INTERP), Off: 64 + 2*56, Filesz: uint64(len(name)), Memsz: uint64(len(name))},
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: 0x10000000, Filesz: size, Memsz: size, Align: 0x10000},
	}
	var file bytes.Buffer
	require.NoError(t, binary.Write(&file, binary.LittleEndian, header))
	require.NoError(t, binary.Write(&file, binary.LittleEndian, segments))
	file.WriteString(name)
	return file.Bytes()
}

// waiting starts a list that waits for the end of the test.
func waiting(t *testing.T) *process {
	l := calls.New("container", false)
	send(l)
	l.Do(unix.SYS_READ, 4, l.Buffer(1), 1)
	read, _ := pipe(t)
	p := start(t, l, read)
	assert.Empty(t, values(t, p.receive(t)))
	return p
}

func TestNoMemoryCanBeWrittenAndExecuted(t *testing.T) {
	p := waiting(t)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", p.Process.Pid))
	require.NoError(t, err)
	maps := string(text)
	assert.NotRegexp(t, `(?m)^\S+ .wx`, maps)
	assert.Regexp(t, `(?m)^\S+ rw-p .*\[stack\]$`, maps)
	assert.Regexp(t, `(?m)^\S+ r-xp .*/memfd:final:container `, maps)
	assert.Len(t, regexp.MustCompile(`(?m)^\S+ ..x. .*/memfd:`).FindAllString(maps, -1), 1)
	// Nothing of final is there: only the program, the stack, zeros, and what the kernel gives every process.
	for line := range strings.Lines(maps) {
		assert.Regexp(t, `(/memfd:final:container \(deleted\)|\[(stack|vdso|vvar|vvar_vclock|vsyscall|heap)\]| 0 *)\n$`, line)
	}
}

func TestNobodyCanChangeTheProgram(t *testing.T) {
	p := waiting(t)
	program := fmt.Sprintf("/proc/%d/exe", p.Process.Pid)
	for _, flags := range []int{os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC} {
		file, err := os.OpenFile(program, flags, 0)
		if err == nil {
			file.Close()
		}
		assert.ErrorIs(t, err, unix.ETXTBSY)
	}
	image, err := calls.New("container", false).Image()
	require.NoError(t, err)
	defer image.Close()
	_, err = image.WriteAt([]byte{0}, 0)
	assert.ErrorIs(t, err, unix.EPERM)
	assert.ErrorIs(t, image.Truncate(0), unix.EPERM)
	assert.ErrorIs(t, image.Truncate(1<<20), unix.EPERM)
	_, err = unix.Mmap(int(image.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	assert.ErrorIs(t, err, unix.EPERM)
	_, err = unix.FcntlInt(image.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE)
	assert.ErrorIs(t, err, unix.EPERM, "the seals are sealed")
	// A new descriptor does not help.
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", image.Fd()), os.O_RDWR, 0)
	require.NoError(t, err)
	defer again.Close()
	_, err = again.WriteAt([]byte{0}, 0)
	assert.ErrorIs(t, err, unix.EPERM)
}

// The kernel needs a few pages of stack for an execve(2), at a random place.
func TestAListNeedsNoStack(t *testing.T) {
	second := calls.New("container", false)
	send(second, calls.SocketSlot)
	second.Socket(3)
	image, err := second.Image()
	require.NoError(t, err)
	defer image.Close()
	first := calls.New("container", false)
	limit := unix.Rlimit{Cur: 32 << 10, Max: 32 << 10}
	first.Do(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_STACK, first.Struct(&limit), nil)
	first.Do(unix.SYS_EXECVE, "/proc/self/fd/4", first.Strings([]string{"second"}), first.Strings(nil))
	p := start(t, first, image)
	assert.Equal(t, []int{3}, values(t, p.receive(t)))
	assert.Equal(t, 0, p.end(t))
}

func TestALongList(t *testing.T) {
	l := calls.New("container", false)
	last := l.Slot()
	over := l.Label()
	l.Goto(over)
	for i := range 10000 {
		last = l.Slot()
		l.Set(last, i)
	}
	l.Mark(over)
	for i := range 10000 {
		l.Do(unix.SYS_GETPID)
		last = l.Slot()
		l.Set(last, i)
	}
	send(l, last)
	assert.Equal(t, [][]int{{9999}}, run(t, l))
}

func TestABigBufferIsZeroAndOwn(t *testing.T) {
	l := calls.New("container", false)
	first, second := l.Buffer(1), l.Buffer(500000)
	value, end := l.Slot(), l.Slot()
	l.Do(unix.SYS_READ, 4, second, second.Size)
	l.Load(value, second, second.Size-4, 1<<32-1)
	l.Load(end, second, 3, 1<<32-1)
	send(l, value, end)
	l.Do(unix.SYS_SENDTO, calls.SocketSlot, first, first.Size, 0, nil, 0)
	read, write := pipe(t)
	_, err := write.WriteString("abcd")
	require.NoError(t, err)
	p := start(t, l, read)
	assert.Equal(t, []int{0, 'd'}, values(t, p.receive(t)))
	assert.Equal(t, []byte{0}, p.receive(t))
}

func TestBuffersAreAligned(t *testing.T) {
	l := calls.New("container", false)
	l.Do(unix.SYS_CHDIR, "/ab")
	for _, buffer := range []calls.Buffer{l.Bytes([]byte("abc")), l.Strings([]string{"a"}), l.Struct(&struct{ A byte }{1}), l.Buffer(1), l.Buffer(17), l.Buffer(1)} {
		assert.Zero(t, buffer.At(0)%16)
	}
}

func TestImageReportsMistakes(t *testing.T) {
	type inner struct {
		Text *byte
	}
	for message, write := range map[string]func(l *calls.List){
		"type float64":                   func(l *calls.List) { l.Do(unix.SYS_GETPID, 3.5) },
		"type bool":                      func(l *calls.List) { l.Do(unix.SYS_GETPID, true) },
		"has 7 arguments":                func(l *calls.List) { l.Do(unix.SYS_GETPID, 1, 2, 3, 4, 5, 6, 7) },
		`"a\x00b" has a zero byte in it`: func(l *calls.List) { l.Do(unix.SYS_CHDIR, "a\x00b") },
		`"A=\x00" has a zero byte in it`: func(l *calls.List) { l.Strings([]string{"A=\x00"}) },
		"a int is no string":             func(l *calls.List) { l.StringPointers("a", 4) },
		"more than 4 cases":              func(l *calls.List) { l.Fail(1).Allow(1, 2, 3, 4, 5) },
		"call 2 has more than 4":         func(l *calls.List) { l.Fail(1).Allow(1, 2, 3, 4).On(5, l.Label()) },
		"a label that is nowhere":        func(l *calls.List) { l.Goto(l.Label()) },
		"offset 5 of a buffer of 8":      func(l *calls.List) { l.Store(l.Buffer(8), 5, calls.SocketSlot) },
		"offset -1 of a buffer of 8":     func(l *calls.List) { l.Load(calls.SocketSlot, l.Buffer(8), -1, 1) },
		"without pointers":               func(l *calls.List) { l.Struct(&struct{ A [2]inner }{}) },
		"only":                           func(l *calls.List) { l.Buffer(1 << 20) },
	} {
		l := calls.New("container", false)
		write(l)
		_, err := l.Image()
		assert.ErrorContains(t, err, message)
		assert.ErrorContains(t, err, "list of the container: ")
	}
	l := calls.New("guard", false)
	l.Stage("chdir", "chdir(2)", 0)
	l.Do(unix.SYS_CHDIR, true)
	_, err := l.Image()
	assert.EqualError(t, err, "list of the guard: an argument is of type bool (in the stage chdir)")
	l = calls.New("guard", true)
	for range 3000 {
		l.Stage("getpid", "getpid(2)", 0)
	}
	_, err = l.Image()
	assert.ErrorContains(t, err, "2048 stages")
}

// Linux before 6.3 does not know MFD_EXEC, and newer kernels may refuse it: vm.memfd_noexec.
func TestKernelsWithoutFilesToExecuteInMemory(t *testing.T) {
	var file *os.File
	var err error
	image := func() { file, err = calls.New("container", false).Image() }
	refuseMFDExec(t, unix.EINVAL, image)
	require.NoError(t, err)
	_, err = file.WriteAt([]byte{0}, 0)
	assert.ErrorIs(t, err, unix.EPERM)
	file.Close()
	refuseMFDExec(t, unix.EACCES, image)
	assert.ErrorIs(t, err, unix.EACCES)
	assert.ErrorContains(t, err, "make the program of the container: memfd_create: permission denied")
	assert.ErrorContains(t, err, "sysctl vm.memfd_noexec=1")
}

// refuseMFDExec calls do in a thread in which memfd_create(2) with MFD_EXEC fails with this error. seccomp(2)
func refuseMFDExec(t *testing.T, errno unix.Errno, do func()) {
	t.Helper()
	const load, end = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_RET | unix.BPF_K
	const equal, set = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: load, K: 0},
		{Code: equal, K: unix.SYS_MEMFD_CREATE, Jf: 3},
		{Code: load, K: 16 + 8},
		{Code: set, K: unix.MFD_EXEC, Jf: 1},
		{Code: end, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: end, K: unix.SECCOMP_RET_ALLOW},
	}
	failed := make(chan error)
	go func() {
		// The thread ends with the goroutine: nothing else of the test has the filter.
		runtime.LockOSThread()
		err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		if err == nil {
			program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
			err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
		}
		if err == nil {
			do()
		}
		failed <- err
	}()
	require.NoError(t, <-failed)
}
