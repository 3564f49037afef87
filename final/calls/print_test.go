//go:build linux

package calls_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
)

func TestPrintSaysWhatTheProcessDoes(t *testing.T) {
	l := calls.New("test", false)
	l.Socket(7)
	fs, mount, again, out := l.Slot(), l.Slot(), l.Label(), l.Label()
	path := l.Named("<path>", 100)
	l.Stage("fsopen(tmpfs)", "fsopen(2)", 7)
	l.Mark(again)
	l.Do(unix.SYS_FSOPEN, "tmpfs", unix.FSOPEN_CLOEXEC).To(fs).On(-int64(unix.EINTR), again)
	l.Do(unix.SYS_FSCONFIG, fs, unix.FSCONFIG_SET_STRING, "size", "16m", 0).Text(fs).Allow(unix.EINVAL, unix.EPERM)
	l.Do(unix.SYS_FSMOUNT, fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV).To(mount)
	l.Do(unix.SYS_UNSHARE, unix.CLONE_NEWNS|1<<40).Ignore()
	l.Stage("execve(command)", "execve(2)", 0)
	l.Do(unix.SYS_SETHOSTNAME, []byte("a name"), 6)
	number := l.Buffer(8)
	l.Store(number, 4, fs)
	l.Load(mount, number, 4, 0xff).On(1, out)
	l.Set(mount, fs)
	l.Set(mount, -1)
	l.Fail(unix.EXDEV)
	l.Goto(again)
	l.Mark(out)
	l.Do(unix.SYS_CAPSET, l.Struct(&[2]uint32{1, 2}), number)
	l.Do(unix.SYS_CHDIR, path)
	l.Do(1000, 3, 0, fs)
	l.Do(unix.SYS_EXECVE, path, l.Strings([]string{"a", "b c"}), l.StringPointers("X=1", path))
	var text strings.Builder
	l.Print(&text)
	const begin = "      s0 = 7\n      fcntl(s0, F_GETFD)\n"
	assert.Equal(t, begin+`07    fsopen(tmpfs)                                              fsopen(2)
    L1:
      fsopen("tmpfs", FSOPEN_CLOEXEC) = s1; EINTR: go to L1
      fsconfig(s1, FSCONFIG_SET_STRING, "size", "16m", 0); EINVAL: go on; EPERM: go on
      fsmount(s1, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV) = s2
      unshare(CLONE_NEWNS|0x10000000000); any error: go on
-     execve(command)                                            execve(2)
      sethostname("a name", 6)
      32 bits at b1<8 bytes>+4 = s1
      s2 = 32 bits at b1<8 bytes>+4 & 0xff; 1: go to L2
      s2 = s1
      s2 = -1
      fail with EXDEV
      go to L1
    L2:
      capset(b2<8 bytes>, b1<8 bytes>)
      chdir(<path>)
      syscall_1000(3, 0, s1)
      execve(<path>, ["a", "b c"], ["X=1", <path>])
`, text.String())

	// A list that has become a program looks the same.
	image, err := l.Image()
	assert.NoError(t, err)
	image.Close()
	before := text.String()
	text.Reset()
	l.Print(&text)
	assert.Equal(t, before, text.String())
}
