//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine"
)

// program returns the beginning of a 64-bit program for a kind of processor, which names an interpreter if that is not "". elf(5)
func program(machine uint16, interpreter string) string {
	const header, segment, executable, current, interp = 64, 56, 2, 1, 3
	var b bytes.Buffer
	b.WriteString("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9))
	name := interpreter + "\x00"
	for _, field := range []any{
		uint16(executable), machine, uint32(current), uint64(0x400000), uint64(header), uint64(0), uint32(0),
		uint16(header), uint16(segment), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(interp), uint32(4), uint64(header + segment), uint64(0), uint64(0), uint64(len(name)), uint64(len(name)), uint64(1),
	} {
		_ = binary.Write(&b, binary.LittleEndian, field)
	}
	return b.String() + name
}

// thisMachine is the kind of processor that the tests run on.
func thisMachine(t *testing.T) uint16 {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	file, err := os.Open(self)
	require.NoError(t, err)
	defer file.Close()
	head := make([]byte, 20)
	_, err = file.Read(head)
	require.NoError(t, err)
	return binary.LittleEndian.Uint16(head[18:])
}

func TestACommandThatCannotBeStartedIsToldWhy(t *testing.T) {
	const s390 = 22
	rootfs := rootfsOf(t, map[string]string{
		"no-linker":      program(thisMachine(t), "/lib/ld-none.so.1"),
		"other":          program(s390, "/lib/ld.so.1"),
		"cut":            "\x7fELF\x02\x01\x01",
		"of-32-bits":     "\x7fELF\x01\x01\x01" + strings.Repeat("\x00", 60),
		"crlf":           "#!/bin/sh\r\necho hello\r\n",
		"no-interpreter": "#!/usr/bin/none -x\n",
		"text":           "echo hello\n",
		"empty":          "",
		"script":         "#!/bin/sh\necho hello\n",
		"data":           "x",
		"dir/":           "",
		"link":           "-> /nowhere",
		"loop":           "-> loop",
	})
	require.NoError(t, os.Chmod(filepath.Join(rootfs, "data"), 0o644))
	require.NoError(t, unix.Mkfifo(filepath.Join(rootfs, "fifo"), 0o755))
	for _, m := range []struct {
		command string
		status  int
		words   []string
	}{
		{"/no-linker", 127, []string{`"/no-linker"`, "interpreter \"/lib/ld-none.so.1\"", "missing"}},
		{"/other", 126, []string{`"/other"`, "exec format error", "another kind of processor"}},
		{"/cut", 126, []string{`"/cut"`, "exec format error"}},
		{"/of-32-bits", 126, []string{`"/of-32-bits"`, "exec format error"}},
		{"/crlf", 127, []string{`"/crlf"`, "carriage return", "Windows", "sed"}},
		{"/no-interpreter", 127, []string{`"/no-interpreter"`, "interpreter \"/usr/bin/none\"", "missing"}},
		{"/text", 126, []string{`"/text"`, "exec format error"}},
		{"/empty", 126, []string{`"/empty"`, "exec format error"}},
		{"/data", 126, []string{`"/data"`, "permission denied"}},
		{"/dir", 126, []string{`"/dir"`, "directory", "permission denied"}},
		{"/fifo", 126, []string{`"/fifo"`, "permission denied"}},
		{"/link", 127, []string{`"/link"`, "no such file or directory"}},
		{"/loop", 126, []string{`"/loop"`, "symbolic links"}},
		{"/none/of/it", 127, []string{`"/none/of/it"`, "no such file or directory"}},
		{"none", 127, []string{`"none"`, "not found in $PATH"}},
	} {
		t.Run(m.command, func(t *testing.T) {
			c := newTrial(t)
			refused(t, c.final("run", "--rootfs", rootfs, "--name", c.id, "--env", c.mark, m.command), m.status, m.words...)
			c.nothingLeft()
		})
	}
	require.Equal(t, result{"hello\n", "", 0}, final(t, "run", "--rootfs", rootfs, "/script"))
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data"), []byte("x"), 0o644))
	refused(t, final(t, "run", "--rootfs", rootfs, "-v", dir+":/bin", "data"), 126, "data", "permission denied")
}

// A mistake is flags that run refuses, and words of the message.
type mistake struct{ flags, words []string }

// badInput returns mistakes, with files in a directory.
func badInput(t *testing.T, dir string) []mistake {
	t.Helper()
	file := func(name, content string) string {
		place := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(place, []byte(content), 0o600))
		return place
	}
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	profile := func(content string) string { return "seccomp=" + file("profile.json", content) }
	return []mistake{
		{[]string{"--volume", dir + "/none:/data"}, []string{dir + "/none", "--volume"}},
		{[]string{"--volume", "name:/data"}, []string{"name", "named volumes"}},
		{[]string{"--volume", dir}, []string{"SRC:DST"}},
		{[]string{"--volume", dir + ":data"}, []string{"data", "absolute"}},
		{[]string{"--volume", dir + ":/data:rx"}, []string{`"rx"`, "ro or rw"}},
		{[]string{"--volume", dir + ":/proc/1"}, []string{"/proc/1", "kernel's"}},
		{[]string{"--volume", dir + ":/data/../proc"}, []string{"/proc", "kernel's"}},
		{[]string{"--volume", dir + ":/sys/fs"}, []string{"/sys/fs", "kernel's"}},
		{[]string{"--volume", dir + ":/"}, []string{"--rootfs"}},
		{[]string{"--tmpfs", "/proc"}, []string{"/proc", "kernel's"}},
		{[]string{"--tmpfs", "/x:sise=1"}, []string{"sise=1", "size="}},
		{[]string{"--device", "/dev/no-such-device"}, []string{"/dev/no-such-device", "no such device"}},
		{[]string{"--device", file("plain", "")}, []string{"plain", "not a device", "--volume"}},
		{[]string{"--device", "/dev/null:/dev/x:rq"}, []string{`"rq"`}},
		{[]string{"--cap-add", "NET_ADMNI"}, []string{"NET_ADMNI", "unknown capability"}},
		{[]string{"--cap-drop", "CHWON"}, []string{"CHWON", "unknown capability"}},
		{[]string{"--security-opt", "seccomp=" + dir + "/none.json"}, []string{dir + "/none.json", "no such file"}},
		{[]string{"--security-opt", "seccomp=" + dir + "/fifo"}, []string{dir + "/fifo", "regular file"}},
		{[]string{"--security-opt", profile(`{"defaultAction":`)}, []string{"profile.json", "line 1"}},
		{[]string{"--security-opt", "seccomp=" + file("b.json", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_EXPLODE"}]}`)}, []string{"b.json", "syscalls[0].action", "SCMP_ACT_EXPLODE"}},
		{[]string{"--security-opt", "seccomp=" + file("c.json", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":"mkdir"}]}`)}, []string{"c.json", "line 1, column ", "syscalls.names", "must be array"}},
		{[]string{"--security-opt", "apparmor=none"}, []string{"apparmor", "seccomp=FILE"}},
		{[]string{"--user", "no-such-user"}, []string{"no-such-user", "/etc/passwd"}},
		{[]string{"--user", "root:no-such-group"}, []string{"no-such-group", "/etc/group"}},
		{[]string{"--user", "-1"}, []string{"--user"}},
		{[]string{"--user", "4294967295"}, []string{"4294967295"}},
		{[]string{"--workdir", "etc"}, []string{"absolute"}},
		{[]string{"--env", "=x"}, []string{"KEY=VALUE"}},
		{[]string{"--env-file", dir + "/none"}, []string{dir + "/none", "no such file"}},
		{[]string{"--env-file", file("env", "A=1\nB C=2\n")}, []string{"env", "line 2"}},
		{[]string{"--ulimit", "files=1"}, []string{`"files"`, "nofile"}},
		{[]string{"--ulimit", "nofile=2:1"}, []string{"soft", "hard"}},
		{[]string{"--sysctl", "kernel.core_pattern=x"}, []string{"kernel.core_pattern", "host"}},
		{[]string{"--sysctl", "net.ipv4.ip_forward=1", "--network", "host"}, []string{"net.ipv4.ip_forward", "host's"}},
		{[]string{"--network", "../x"}, []string{`"../x"`, "none, bridge, host"}},
		{[]string{"--memory", "64m", "--memory-swap", "32m"}, []string{"--memory-swap"}},
		{[]string{"--cpuset-cpus", "1-0"}, []string{"0-3,5"}},
		{[]string{"--name", ""}, []string{"--name"}},
		{[]string{"--name", "../x"}, []string{"../x"}},
		{[]string{"--name", ".x"}, []string{`".x"`}},
		{[]string{"--name", "-x"}, []string{`"-x"`}},
		{[]string{"--name", "a b"}, []string{`"a b"`}},
		{[]string{"--name", strings.Repeat("x", 256)}, []string{"255"}},
	}
}

func TestBadInputIsRefusedBeforeAnythingIsMade(t *testing.T) {
	for _, m := range badInput(t, t.TempDir()) {
		t.Run(strings.ReplaceAll(strings.Join(m.flags, " "), "/", "|"), func(t *testing.T) {
			c := newTrial(t)
			require.NoError(t, os.Remove(c.root))
			refused(t, c.final(c.runArgs(m.flags, "true")...), 125, m.words...)
			refused(t, c.final(c.runArgs(append([]string{"--detach"}, m.flags...), "true")...), 125, m.words...)
			require.NoDirExists(t, c.root)
			c.nothingLeft()
		})
	}
}

func TestWhatCannotBeMadeInTheContainerIsToldInOneLine(t *testing.T) {
	dir := t.TempDir()
	for _, m := range []struct {
		flags []string
		words []string
	}{
		{[]string{"--volume", dir + ":/etc/passwd"}, []string{"/etc/passwd", "directory"}},
		{[]string{"--tmpfs", "/etc/passwd"}, []string{"/etc/passwd", "directory"}},
		{[]string{"--workdir", "/etc/passwd"}, []string{`working directory: chdir to cwd ("/etc/passwd")`, "not a directory"}},
		{[]string{"--workdir", "/etc/passwd/below"}, []string{`working directory: chdir to cwd ("/etc/passwd/below")`, "not a directory"}},
		{[]string{"--sysctl", "net.ipv4.no_such_thing=1"}, []string{"/proc/sys/net/ipv4/no_such_thing"}},
		{[]string{"--sysctl", "net.ipv4.ip_forward=many"}, []string{`"many"`, "ip_forward"}},
		{[]string{"--cpuset-cpus", "4000"}, []string{"cpuset"}},
		{[]string{"--ulimit", "nofile=4294967296"}, []string{"RLIMIT_NOFILE", "fs.nr_open"}},
	} {
		t.Run(strings.ReplaceAll(strings.Join(m.flags, " "), "/", "|"), func(t *testing.T) {
			for _, first := range [][]string{nil, {"--detach"}} {
				c := newTrial(t)
				refused(t, c.final(c.runArgs(append(first, m.flags...), "true")...), 125, m.words...)
				c.nothingLeft()
			}
		})
	}
}

func TestAnOverlayOnAnOverlayIsToldWithTheRemedy(t *testing.T) {
	rootfs := rootfsOf(t, nil)
	c := newTrial(t)
	dir := t.TempDir()
	var options []string
	for _, name := range []string{"lowerdir", "upperdir", "workdir"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
		options = append(options, name+"="+filepath.Join(dir, name))
	}
	require.NoError(t, os.MkdirAll(engine.Storage(), 0o711))
	if err := unix.Mount("overlay", engine.Storage(), "overlay", 0, strings.Join(options, ",")); err != nil {
		t.Skipf("needs a temporary directory that can take an overlay: %v", err)
	}
	defer unix.Unmount(engine.Storage(), unix.MNT_DETACH)
	c.mounts = c.mountTable()
	refused(t, c.final("run", "--rootfs", rootfs, "--name", c.id, "--env", c.mark, "true"), 125, "overlay", engine.Storage(), "is on an overlay itself")
	c.nothingLeft()
}

func TestRootThatMayNotMakeContainersIsToldSo(t *testing.T) {
	c := newTrial(t)
	// What this thread starts is root without it, as in a container.
	require.NoError(t, unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_ADMIN, 0, 0, 0))
	refused(t, c.final(c.runArgs(nil, "true")...), 125, "not permitted", "CAP_SYS_ADMIN", "--privileged")
	c.nothingLeft()
}

func TestADirectoryOfStateThatCannotBeMadeIsNamed(t *testing.T) {
	refused(t, final(t, "--root", "/proc/nosuch", "run", "--rootfs", needRootfs(t), "true"), 125, "--root: mkdir /proc/nosuch: ")
}

func TestAFileOfTheProcessThatIsMissingIsNamed(t *testing.T) {
	refused(t, final(t, "exec", "--process", "/proc/nosuch", "some"), 255, "--process: open /proc/nosuch: ")
}

// Who comes from Docker types the verbs of Docker, and the name of an image in place of the command.
func TestHabitsFromDockerAreAnswered(t *testing.T) {
	for line, words := range map[string][]string{
		"stop web":     {`"stop"`, "final kill ID", "final delete --force ID"},
		"tag one two":  {`"tag"`, "final save IMAGE | final load NAME"},
		"rm -f web":    {`"rm"`, "final delete ID"},
		"container ls": {`"container"`, "final list"},
		"help":         {"final --help"},
		"nosuch":       {`"nosuch"`, "run [flags] COMMAND"},
	} {
		refused(t, final(t, strings.Fields(line)...), 125, words...)
	}
	for line, words := range map[string]string{
		"--mount type=bind,src=/,dst=/x true": "unknown flag: --mount: use --volume SRC:DST",
		"-P true":                             "use --publish PORT",
		"--nosuch true":                       "unknown flag: --nosuch (see final run --help)",
	} {
		refused(t, final(t, append([]string{"run"}, strings.Fields(line)...)...), 125, words)
	}
	for _, line := range []string{"ps", "ps -a"} {
		refused(t, final(t, strings.Fields(line)...), 1, "ps --help", "final list")
	}
	root := needRootfs(t)
	refused(t, final(t, "run", "--rootfs", root, "nosuch:13"), 127, "not found in $PATH", "final pull nosuch:13, and final run --image nosuch:13")
	refused(t, final(t, "run", "--detach", "--rootfs", root, "nosuch"), 127, "final run --image nosuch")
	require.NotContains(t, final(t, "run", "--rootfs", root, "/nosuch").stderr, "--image")
}
