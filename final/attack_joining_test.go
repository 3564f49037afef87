//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// processNamed finds a process by its only argument.
func processNamed(name string) (pid int, err error) {
	entries, err := os.ReadDir("/proc")
	for _, entry := range entries {
		if pid, _ = strconv.Atoi(entry.Name()); pid != 0 && cmdline(pid) == name+"\x00" {
			return pid, nil
		}
	}
	return 0, errors.Join(err, fmt.Errorf("no process %q", name))
}

// lookInto tells what can be seen of a process, by its only argument, in all ways. Further arguments are what to look for in its memory.
func lookInto(args []string) error {
	pid, err := processNamed(args[0])
	if err != nil {
		return err
	}
	proc, told := fmt.Sprintf("/proc/%d/", pid), map[string]bool{}
	link := func(name string) {
		target, err := os.Readlink(proc + name)
		if err != nil {
			target = nameOf(err)
		}
		if line := strings.Split(name, "/")[0] + " " + target; !told[line] {
			told[line] = true
			fmt.Println(line)
		}
	}
	link("exe")
	for _, name := range []string{"root", "cwd"} {
		var theirs, ours unix.Stat_t
		err := errors.Join(unix.Stat(proc+name, &theirs), unix.Stat("/", &ours))
		if err != nil || theirs.Dev == ours.Dev && theirs.Ino == ours.Ino {
			fmt.Println(name, nameOf(err))
		} else {
			fmt.Println(name, "of others")
		}
	}
	for _, dir := range []string{"fd", "map_files"} {
		entries, err := os.ReadDir(proc + dir)
		if err != nil {
			fmt.Println(dir, nameOf(err))
		}
		for _, entry := range entries {
			link(dir + "/" + entry.Name())
		}
	}
	fmt.Println("mem", search(proc, args[1:]))
	one := []byte{0}
	_, err = unix.ProcessVMReadv(pid, []unix.Iovec{{Base: &one[0], Len: 1}}, []unix.RemoteIovec{{Base: 0x400000, Len: 1}}, 0)
	fmt.Println("process_vm_readv", nameOf(err))
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	_, err = unix.PidfdGetfd(pidfd, 3, 0)
	fmt.Println("pidfd_getfd", nameOf(err))
	runtime.LockOSThread()
	fmt.Println("ptrace", nameOf(unix.PtraceSeize(pid)))
	return nil
}

// search looks for words in the memory of a process.
func search(proc string, words []string) string {
	maps, err := os.ReadFile(proc + "maps")
	if err != nil {
		return nameOf(err)
	}
	memory, err := os.Open(proc + "mem")
	if err != nil {
		return nameOf(err)
	}
	defer memory.Close()
	found := "read"
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil || strings.Contains(line, "[v") {
			continue
		}
		content := make([]byte, to-from)
		if _, err := memory.ReadAt(content, from); err != nil {
			return nameOf(err)
		}
		for _, word := range words {
			if bytes.Contains(content, []byte(word)) {
				found = "has " + word
			}
		}
	}
	return found
}

// traceToDeath kills a process, by its only argument, and as its tracer keeps others from waiting for its end.
func traceToDeath(args []string) error {
	pid, err := processNamed(args[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := errors.Join(unix.PtraceSeize(pid), unix.Kill(pid, unix.SIGKILL)); err != nil {
		return err
	}
	fmt.Println("killed")
	time.Sleep(time.Hour)
	return nil
}

// keepSocket takes the socket of a process, by its only argument, kills the process, and keeps the socket open.
func keepSocket(args []string) error {
	pid, err := processNamed(args[0])
	if err != nil {
		return err
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	if _, err := unix.PidfdGetfd(pidfd, 3, 0); err != nil {
		return err
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return err
	}
	fmt.Println("killed")
	time.Sleep(time.Hour)
	return nil
}

// looked looks from the container into the process of a call, as it stays at a stage, and returns what is seen.
func (c *bundled) looked(call *exec.Cmd, stage string, words ...string) string {
	c.Helper()
	call.Env = append(call.Env, ofTheCaller, fmt.Sprintf("%s=container %s %s", interruptEnv, stage, filepath.Join(c.TempDir(), "never")))
	require.NoError(c, call.Start())
	held := c.atStage()
	r := c.final(append([]string{"exec", c.id, "/attack", "attack", "look", "container"}, words...)...)
	require.NoError(c, call.Process.Kill())
	_ = call.Wait()
	c.until(func() bool { return cmdline(held) == "" }, func() string { return "it stays" })
	require.Empty(c, r.stderr)
	require.True(c, strings.HasSuffix(r.stdout, "\ndone\n"), r.stdout)
	return r.stdout
}

// endedBy starts an attack that kills the process of a call, and returns the status with which the call ends while the attack goes on.
func (c *bundled) endedBy(call *exec.Cmd, attack ...string) int {
	c.Helper()
	attacker := c.call(append([]string{"exec", c.id, "/attack", "attack"}, attack...)...)
	said, err := attacker.StdoutPipe()
	require.NoError(c, err)
	require.NoError(c, attacker.Start())
	defer func() { _ = attacker.Process.Kill(); _ = attacker.Wait() }()
	line, err := bufio.NewReader(said).ReadString('\n')
	require.NoError(c, err)
	require.Equal(c, "killed\n", line)
	late := time.AfterFunc(patience, func() { _ = call.Process.Kill() })
	_ = call.Wait()
	require.True(c, late.Stop(), "exec waits for the attacker")
	return call.ProcessState.ExitCode()
}

// capable gives the container capabilities beside its own.
func (c *bundled) capable(names ...string) {
	for _, set := range []*[]string{&c.spec.Process.Capabilities.Bounding, &c.spec.Process.Capabilities.Effective, &c.spec.Process.Capabilities.Permitted} {
		*set = append(*set, names...)
	}
}

// CVE-2016-9962
func TestNobodyLooksIntoWhatJoinsAContainer(t *testing.T) {
	for name, user := range map[string]bool{"without CAP_SYS_PTRACE": false, "with all capabilities in a user namespace": true} {
		t.Run(name, func(t *testing.T) {
			c := newBundle(t, "sleep", "1000")
			copySelf(t, filepath.Join(c.spec.Root.Path, "attack"), 0o755)
			if user {
				c.userNamespace()
				c.capable("CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH")
			}
			c.started()
			_, pid := c.status()
			other := c.beside()
			other.spec.Process.Args = []string{"true"}
			other.joins(pid, specs.PIDNamespace)
			if user {
				other.userNamespace()
				other.joins(pid, specs.UserNamespace)
				other.spec.Linux.UIDMappings, other.spec.Linux.GIDMappings = nil, nil
			}
			other.write()
			for name, args := range map[string][]string{
				"a command that joins it": {"exec", c.id, "true"},
				// Until it has its root directory, such a container has the host's.
				"a container in its PID namespace": {"run", "--bundle", other.dir, other.id},
			} {
				// At the first stage in the container, and at a late one.
				for _, stage := range []string{joined, "keyctl(KEYCTL_JOIN_SESSION_KEYRING)"} {
					assert.Equal(t, "exe EACCES\nroot EACCES\ncwd EACCES\nfd EACCES\nmap_files EACCES\nmem EACCES\n"+
						"process_vm_readv EPERM\npidfd_getfd EPERM\nptrace EPERM\ndone\n", c.looked(c.call(args...), stage), "%s: %s", name, stage)
				}
			}
			require.Equal(t, result{}, c.final("delete", "--force", c.id))
			c.nothingLeft()
		})
	}
}

// With CAP_SYS_PTRACE the container sees all of the process: so there is nothing of the host's to see. CVE-2016-9962, CVE-2019-5736
func TestWhatJoinsAContainerHasNothingOfTheHosts(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	copySelf(t, filepath.Join(c.spec.Root.Path, "attack"), 0o755)
	c.capable("CAP_SYS_PTRACE")
	c.started()
	self, err := os.Executable()
	require.NoError(t, err)
	// In itself this is the control: the container sees everything.
	seen := "exe LIST\nroot done\ncwd done\nfd OPEN\nmap_files LIST\nmem read\nprocess_vm_readv done\npidfd_getfd done\nptrace done\ndone\n"
	list := regexp.MustCompile(`/memfd:final:container \(deleted\)`)
	// Later the process has its root directory, the files by which it joins cgroups, and the container's /dev/null.
	for stage, open := range map[string]string{
		joined:                                `socket:\[\d+\]|pipe:\[\d+\]|anon_inode:\[pidfd\]`,
		"keyctl(KEYCTL_JOIN_SESSION_KEYRING)": `socket:\[\d+\]|pipe:\[\d+\]|anon_inode:\[pidfd\]|/|/dev/null|/\S*/container-workshop-` + c.id + `/tasks`,
	} {
		said := list.ReplaceAllString(c.looked(c.call("exec", c.id, "true"), stage, c.root, c.dir, self, ofTheCaller), "LIST")
		said = regexp.MustCompile(`(?m)(^fd (`+open+`)\n)+`).ReplaceAllString(said, "fd OPEN\n")
		assert.Equal(t, seen, said, stage)
	}
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// Only its tracer can wait for the end of a process, even if the process is a child of exec. ptrace(2)
func TestATracerInTheContainerHoldsUpNoExec(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	copySelf(t, filepath.Join(c.spec.Root.Path, "attack"), 0o755)
	c.started()
	prey := c.call("exec", c.id, "cat")
	input, err := prey.StdinPipe()
	require.NoError(t, err)
	defer input.Close()
	require.NoError(t, prey.Start())
	_, first := c.status()
	c.until(func() bool {
		return slices.ContainsFunc(c.processes(), func(pid int) bool { return pid != first && cmdline(pid) == "cat\x00" })
	},
		func() string { return "the command does not start" })

	require.Equal(t, 128+int(unix.SIGKILL), c.endedBy(prey, "trace", "cat"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// The socket to the host side is closed when the process becomes the command or ends. With CAP_SYS_PTRACE the container can keep it open.
func TestASocketThatIsKeptOpenHoldsUpNoExec(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	copySelf(t, filepath.Join(c.spec.Root.Path, "attack"), 0o755)
	c.capable("CAP_SYS_PTRACE")
	c.started()
	call := c.call("exec", c.id, "true")
	call.Env = append(call.Env, fmt.Sprintf("%s=container %s %s", interruptEnv, joined, filepath.Join(t.TempDir(), "never")))
	require.NoError(t, call.Start())
	c.atStage()
	require.Equal(t, failure("exec"), c.endedBy(call, "keep", "container"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}
