//go:build linux

package inside_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/inside"
	"container-workshop/final/more/idmap"
	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
	"container-workshop/internal/needs"
)

// A container is what a test asks for, and process 1 of it.
type container struct {
	*testing.T
	// root is the directory that becomes the root directory.
	root    string
	request *inside.Request
	// namespaces are the flags for clone.
	namespaces uintptr
	cmd        *exec.Cmd
	output     strings.Builder
	// stdout gets the output of the command instead.
	stdout *os.File
	socket int
	pidfd  int
	// joined is the process whose mount namespace process 1 joins, 0 for none.
	joined  int
	records []stage.Record
}

// newContainer prepares a container with a small root file system. It runs a shell script.
func newContainer(t *testing.T, script string) *container {
	t.Helper()
	needs.Root(t)
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs busybox: apt-get install busybox-static")
	}
	c := &container{T: t, root: t.TempDir(), namespaces: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC, pidfd: -1}
	for _, dir := range []string{"bin", "etc", "proc", "sys", "dev", "tmp"} {
		require.NoError(t, os.Mkdir(filepath.Join(c.root, dir), 0o755))
	}
	program, err := os.ReadFile(busybox)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(c.in("bin/busybox"), program, 0o755))
	for _, name := range []string{"sh", "cat", "ls", "stat", "mount", "touch", "tty", "grep", "umount", "cut"} {
		require.NoError(t, os.Symlink("busybox", c.in("bin/"+name)))
	}
	c.request = &inside.Request{
		Streams: [3]int{0, 1, 2},
		Spec: &specs.Spec{
			Root:    &specs.Root{Path: c.root},
			Process: &specs.Process{Args: []string{"sh", "-c", script}, Env: []string{"PATH=/sbin:/bin"}, Cwd: "/"},
			Linux:   &specs.Linux{},
		},
	}
	c.mount("proc", "proc", "/proc")
	c.mount("tmpfs", "tmpfs", "/dev", "nosuid", "strictatime", "mode=755", "size=65536k")
	c.mount("devpts", "devpts", "/dev/pts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")
	return c
}

func (c *container) in(name string) string { return filepath.Join(c.root, name) }

func (c *container) mount(kind, source, destination string, options ...string) {
	c.request.Spec.Mounts = append(c.request.Spec.Mounts, specs.Mount{Type: kind, Source: source, Destination: destination, Options: options})
}

// first is the ID on the host of user 0 in a user namespace.
const first = 100000

// userNamespace gives the container a user namespace of its own, and the root file system to its root.
func (c *container) userNamespace() {
	c.Helper()
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: first, Size: 1000}}
	c.request.IDs, c.request.UserNamespace = &idmap.IDs{Users: maps, Groups: maps}, true
	c.namespaces |= unix.CLONE_NEWUSER
	require.NoError(c, filepath.WalkDir(c.root, func(name string, _ os.DirEntry, err error) error {
		require.NoError(c, err)
		return os.Lchown(name, first, first)
	}))
}

// start starts process 1.
func (c *container) start() {
	c.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	require.NoError(c, err)
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	defer theirs.Close()
	c.socket = pair[0]
	c.cmd = exec.Command("/proc/self/exe")
	c.cmd.Env = append(os.Environ(), "PROCESS_1=yes")
	c.cmd.ExtraFiles = []*os.File{theirs}
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	if c.stdout != nil {
		c.cmd.Stdout = c.stdout
	}
	c.cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: c.namespaces, PidFD: &c.pidfd}
	if c.request.UserNamespace {
		for _, m := range c.request.IDs.Users {
			own := syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)}
			c.cmd.SysProcAttr.UidMappings = append(c.cmd.SysProcAttr.UidMappings, own)
			c.cmd.SysProcAttr.GidMappings = append(c.cmd.SysProcAttr.GidMappings, own)
		}
		c.cmd.SysProcAttr.Credential = &syscall.Credential{}
	}
	require.NoError(c, c.cmd.Start())
	c.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
		unix.Close(c.socket)
		unix.Close(c.pidfd)
	})
	var descriptors []int
	if c.joined != 0 {
		mounts, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", c.joined))
		require.NoError(c, err)
		defer mounts.Close()
		descriptors = []int{int(mounts.Fd())}
	}
	require.NoError(c, send(c.socket, orders{}, descriptors...))
	_, err = receive(c.socket, &orders{})
	require.NoError(c, err)
}

// filesystems has process 1 make the new file systems.
func (c *container) filesystems() (*inside.Filesystems, error) {
	var o orders
	var indexes []int
	for i := range c.request.Spec.Mounts {
		f, err := inside.NewFilesystem(&c.request.Spec.Mounts[i], "", len(c.request.Links) == 0)
		if err != nil {
			return nil, err
		}
		if f != nil {
			o.Filesystems, indexes = append(o.Filesystems, *f), append(indexes, i)
		}
	}
	o.Filesystems = append(o.Filesystems, inside.Proc, inside.Empty)
	if err := send(c.socket, o); err != nil {
		return nil, err
	}
	mounts, err := receive(c.socket, &o)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, c.output.String())
	}
	fresh := &inside.Filesystems{Proc: mounts[len(indexes)], Empty: mounts[len(indexes)+1], Mounts: map[int]int{}}
	for k, i := range indexes {
		fresh.Mounts[i] = mounts[k]
	}
	return fresh, nil
}

// make starts process 1 and makes the container.
func (c *container) make() (*inside.Made, error) {
	c.Helper()
	root, err := rootfs.OpenRoot(c.root)
	require.NoError(c, err)
	defer root.Close()
	c.request.Root, err = root.Clone(".", true)
	require.NoError(c, err)
	c.Cleanup(func() { unix.Close(c.request.Root) })
	require.NoError(c, rootfs.Change(c.request.Root, 0, 0, unix.MS_SLAVE, true))
	c.start()
	c.request.Filesystems = c.filesystems
	var made *inside.Made
	list := stage.List{Side: "inside", Explain: true}
	err = inside.Enter(c.cmd.Process.Pid, c.pidfd, c.request.IDs, func() (err error) {
		made, err = inside.Make(list.Line(), c.request)
		return err
	})
	c.records = list.Records
	return made, err
}

// run makes the container, and lets process 1 become the command.
func (c *container) run() {
	c.Helper()
	made, err := c.make()
	require.NoError(c, err)
	process := c.request.Spec.Process
	o := orders{
		Chroot: c.request.HostMounts || c.request.JoinedMounts || c.request.NoPivot, Path: made.Command, Cwd: process.Cwd,
		Args: process.Args, Env: append(process.Env, made.Home),
	}
	descriptors := []int{c.request.Root}
	for number, null := range made.Null {
		if null != -1 {
			o.Nulls, descriptors = append(o.Nulls, number), append(descriptors, null)
		}
	}
	require.NoError(c, send(c.socket, o, descriptors...))
	for _, fd := range descriptors[1:] {
		unix.Close(fd)
	}
}

// says runs the container to its end, and returns the output.
func (c *container) says() string {
	c.Helper()
	c.run()
	_ = c.cmd.Wait()
	return c.output.String()
}

// runs runs the container until its command says that it is ready.
func (c *container) runs() {
	c.Helper()
	ready, theirs, err := os.Pipe()
	require.NoError(c, err)
	defer ready.Close()
	c.stdout = theirs
	c.run()
	theirs.Close()
	line := make([]byte, 100)
	n, _ := ready.Read(line)
	require.Equal(c, "ready\n", string(line[:n]))
}

func kernelAtLeast(t *testing.T, major, minor int) bool {
	t.Helper()
	var name unix.Utsname
	require.NoError(t, unix.Uname(&name))
	var version [2]int
	_, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &version[0], &version[1])
	require.NoError(t, err)
	return version[0] > major || version[0] == major && version[1] >= minor
}
