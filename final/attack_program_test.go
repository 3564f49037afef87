//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// holdProgram keeps its own program open, becomes another one, so that nobody executes it here any more, and spoils it.
func holdProgram(args []string) error {
	fd, err := unix.Open("/proc/self/exe", unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return unix.Exec("/attack", append([]string{"/attack", "attack", "spoil", "/proc/self/fd/" + strconv.Itoa(fd)}, args...), nil)
}

// spoilProgram waits until no process executes a program, and then writes to the program.
func spoilProgram(args []string) (err error) {
	for ; ; time.Sleep(5 * time.Millisecond) {
		// To truncate comes before the kernel asks who executes it.
		fd, err := unix.Open(args[0], unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
		if err == nil {
			_, err = unix.Write(fd, []byte("spoiled"))
			unix.Close(fd)
		}
		if !errors.Is(err, unix.ETXTBSY) {
			return err
		}
	}
}

// huntProgram waits for processes that execute a program, by the number of its file, and writes to the file by each of them. It does the
// same with the lists of final.
func huntProgram(args []string) error {
	runtime.GOMAXPROCS(1)
	fmt.Println("ready")
	told := map[string]bool{}
	tell := func(what string) {
		if !told[what] {
			told[what] = true
			fmt.Println(what)
		}
	}
	for {
		entries, err := os.ReadDir("/proc")
		if err != nil {
			return err
		}
		for _, entry := range entries {
			// By descriptor: between a look and the next it may become another program.
			program, err := unix.Open("/proc/"+entry.Name()+"/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
			if errors.Is(err, unix.EACCES) {
				tell("hidden")
			}
			if err != nil {
				continue
			}
			place := "/proc/self/fd/" + strconv.Itoa(program)
			var stat unix.Stat_t
			err = unix.Fstat(program, &stat)
			if name, _ := os.Readlink(place); strings.HasPrefix(name, "/memfd:final:") {
				tell("list found")
				spoilList(place, tell)
			} else if err == nil && strconv.FormatUint(stat.Ino, 10) == args[0] && entry.Name() != "self" && entry.Name() != "thread-self" {
				// To truncate comes before the kernel asks who executes it.
				fd, err := unix.Open(place, unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
				if err == nil {
					unix.Close(fd)
				}
				tell("found " + nameOf(err))
			}
			unix.Close(program)
		}
	}
}

// spoilList waits until no process executes a list, and then tries each way to write to the list.
func spoilList(place string, tell func(string)) {
	before, err := os.ReadFile(place)
	if err != nil {
		tell("list " + nameOf(err))
		return
	}
	fd, err := unix.Open(place, unix.O_RDWR|unix.O_CLOEXEC, 0)
	// The list of a monitor is executed for long.
	for tries := 0; errors.Is(err, unix.ETXTBSY) && tries < 1000; tries++ {
		time.Sleep(time.Millisecond)
		fd, err = unix.Open(place, unix.O_RDWR|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		tell("list " + nameOf(err))
		return
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte("spoiled"))
	tell("list " + nameOf(err))
	tell("list " + nameOf(unix.Ftruncate(fd, 0)))
	tell("list " + nameOf(unix.Ftruncate(fd, int64(len(before))+1)))
	memory, err := unix.Mmap(fd, 0, len(before), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	tell("list " + nameOf(err))
	if err == nil {
		memory[0] = 0
		_ = unix.Munmap(memory)
	}
	if after, err := os.ReadFile(place); err != nil || string(after) != string(before) {
		tell("list changed")
	}
}

// A victim is a copy of this program, which nobody executes but who is attacked.
type victim struct {
	path    string
	content string
	number  string
}

func newVictim(t *testing.T) victim {
	t.Helper()
	needRootfs(t)
	path := filepath.Join(t.TempDir(), "victim")
	copySelf(t, path, 0o755)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(path, &stat))
	return victim{path, string(content), strconv.FormatUint(stat.Ino, 10)}
}

// call calls final, which is the victim.
func (v victim) call(args ...string) *exec.Cmd {
	cmd := exec.Command(v.path, inForm(args)...)
	cmd.Env = append(os.Environ(), "WORKSHOP_AS_PROGRAM=1")
	return cmd
}

// detached starts a container in the background.
func (v victim) detached(t *testing.T, args ...string) string {
	t.Helper()
	id := printed(t, v.call(append([]string{"run", "--detach"}, args...)...))
	t.Cleanup(func() { final(t, "delete", "--force", id) })
	return id
}

func (v victim) unharmed(t *testing.T) {
	t.Helper()
	content, err := os.ReadFile(v.path)
	require.NoError(t, err)
	// The two are too long to be printed.
	require.True(t, string(content) == v.content, "the program on the host has changed")
}

// What a process executes until it becomes the command is a list. As the command, a list ends at once. CVE-2019-5736
func TestAListEndsAtOnceAsTheCommand(t *testing.T) {
	dir := rootfsOf(t, map[string]string{"link": "-> /proc/self/exe", "script": "#!/proc/self/exe\n"})
	id := detached(t, "exec sleep 1000", "--rootfs", dir)
	for _, name := range []string{"/proc/self/exe", "/link", "/script"} {
		for _, args := range [][]string{{"run", "--rootfs", dir}, {"run", "--rootfs", dir, "--tty"}, {"exec", id}} {
			r := inTime(t, command(t, append(args, name, "attack", "ids")...))
			assert.Equal(t, result{"", "", 125}, r, "%v %s", args, name)
		}
	}
	// A container may be given the descriptor that the socket of the list has in others.
	c := newBundle(t, "/proc/self/exe")
	c.write()
	cmd := leaking(t, c.call("run", "--bundle", c.dir, "--preserve-fds", "7", c.id))
	assert.Equal(t, result{"", "", 125}, inTime(t, cmd))
	c.nothingLeft()
}

// With --init process 1 is the program, and so is its child, until that becomes the command. CVE-2019-5736
func TestTheProgramOnTheHostCannotBeWrittenByItsOwnProcess(t *testing.T) {
	v := newVictim(t)
	self, err := os.Executable()
	require.NoError(t, err)
	flags := []string{"run", "--init", "--rootfs", needRootfs(t), "--memory", "256m", "--volume", self + ":/attack:ro"}
	r := inTime(t, v.call(append(flags, "/proc/self/exe", "attack", "hold")...))
	assert.Equal(t, result{"EROFS\n", "", 0}, r)
	v.unharmed(t)
	t.Run("control: without a container", func(t *testing.T) {
		// The mounts are its own, so that /attack is, too.
		image := t.TempDir()
		for _, dir := range []string{"proc", "host"} {
			require.NoError(t, os.Mkdir(filepath.Join(image, dir), 0o755))
		}
		copySelf(t, filepath.Join(image, "attack"), 0o755)
		script := fmt.Sprintf("mount --make-rprivate / && mount -t proc proc %[1]s/proc && mount --bind %[2]s %[1]s/host && exec chroot %[1]s /host/victim attack hold", image, filepath.Dir(v.path))
		cmd := exec.Command("sh", "-c", script)
		cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
		assert.Equal(t, "done", printed(t, cmd))
		content, err := os.ReadFile(v.path)
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(string(content), "spoiled"))
	})
}

// CVE-2019-5736
func TestTheProgramOnTheHostCannotBeWrittenByAnotherProcess(t *testing.T) {
	v := newVictim(t)
	rootfs := needRootfs(t)
	script := "echo spoiled >/proc/1/exe; cat /dev/null >>/proc/1/exe; cp /bin/true /proc/1/exe; rm -f /proc/1/exe; chmod 0 /proc/1/exe; ls -l /proc/1/exe"
	for _, user := range []string{"0", "1"} {
		// With --init process 1 is the program.
		r := outcome(t, v.call("run", "--init", "--user", user, "--rootfs", rootfs, "/bin/sh", "-c", script))
		assert.Contains(t, r.stderr, "exe", user)
		if user == "0" {
			assert.Contains(t, r.stderr, "Read-only file system")
		}
		v.unharmed(t)
	}
	t.Run("control: without a container", func(t *testing.T) {
		sleeper := exec.Command(v.path, "attack", "hunt", "0")
		require.NoError(t, sleeper.Start())
		defer func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() }()
		r := outcome(t, exec.Command("sh", "-c", fmt.Sprintf("chmod 0 /proc/%d/exe", sleeper.Process.Pid)))
		assert.Equal(t, 0, r.status, r.stderr)
		info, err := os.Stat(v.path)
		require.NoError(t, err)
		assert.Zero(t, info.Mode().Perm())
	})
}

// CVE-2019-5736
func TestTheProgramOnTheHostCannotBeWrittenByTheInterpreterOfAScript(t *testing.T) {
	v := newVictim(t)
	dir := rootfsOf(t, map[string]string{"script": "#!/proc/self/exe\n", "hold": "#!/proc/self/exe attack\n", "link": "-> /proc/self/exe"})
	// In the container it is the program only with this, as it is a test binary.
	env := []string{"--env", "WORKSHOP_AS_PROGRAM=1"}
	id := v.detached(t, "--rootfs", dir, "/bin/sleep", "1000")
	for _, name := range []string{"/script", "/hold", "/link", "/proc/self/exe", "/proc/1/exe"} {
		for _, args := range [][]string{append([]string{"run", "--rootfs", dir}, env...), append(append([]string{"exec"}, env...), id)} {
			r := inTime(t, v.call(append(args, name, "no-such-verb")...))
			assert.NotEqual(t, 0, r.status, "%v %s: %s", args, name, r.stdout)
			v.unharmed(t)
		}
	}
}

// CVE-2019-5736, CVE-2016-9962
func TestTheProgramOnTheHostCannotBeWrittenWhenItJoinsAContainer(t *testing.T) {
	v := newVictim(t)
	self, err := os.Executable()
	require.NoError(t, err)
	hunting := func(flags ...string) (said func() string, join func()) {
		args := append([]string{"--rootfs", needRootfs(t), "--memory", "256m", "--volume", self + ":/attack:ro"}, flags...)
		id := v.detached(t, append(args, "/attack", "attack", "hunt", v.number)...)
		said = func() string { return final(t, "logs", id).stdout }
		join = func() {
			r := outcome(t, v.call("exec", id, "/bin/true"))
			require.Equal(t, 0, r.status, r.stderr)
		}
		until(t, "the hunt has begun", func() bool { return strings.HasPrefix(said(), "ready\n") })
		return said, join
	}
	for _, test := range []struct {
		flags []string
		seen  string
	}{
		// The joining process still has rights that the container lacks, so the container cannot see what it executes.
		{nil, "hidden\n"},
		// With CAP_SYS_PTRACE the container can: it sees a list, and cannot write to it.
		{[]string{"--cap-add", "SYS_PTRACE"}, "list found\nlist EPERM\n"},
		// The control: with --init process 1 is the program, and it is found.
		{[]string{"--init"}, "found EROFS\nhidden\n"},
	} {
		said, join := hunting(test.flags...)
		until(t, "it is seen", func() bool {
			join()
			return len(said()) >= len("ready\n"+test.seen)
		})
		for range 20 {
			join()
		}
		assert.Equal(t, "ready\n"+test.seen, said(), test.flags)
	}
	v.unharmed(t)
	t.Run("control: without a container", func(t *testing.T) {
		prey := exec.Command(v.path, "attack", "hunt", "0")
		require.NoError(t, prey.Start())
		hunter := onHost(t, "hunt", v.number)
		log := filepath.Join(t.TempDir(), "log")
		output, err := os.Create(log)
		require.NoError(t, err)
		defer output.Close()
		hunter.Stdout = output
		require.NoError(t, hunter.Start())
		defer func() {
			_, _, _, _ = hunter.Process.Kill(), hunter.Wait(), prey.Process.Kill(), prey.Wait()
		}()
		until(t, "it is found", func() bool {
			content, _ := os.ReadFile(log)
			return strings.Contains(string(content), "found ETXTBSY\n")
		})
	})
}
