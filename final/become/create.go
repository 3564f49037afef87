//go:build linux

package become

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/final/spec"
)

// First returns the list of process 1 of a new container.
func First(q *Request) (*Program, error) {
	p := newProgram(q)
	p.enter()
	p.begin()
	p.queues()
	p.hostnames()
	if spec.MakesNamespace(q.Config.Linux.Namespaces, "network") {
		p.loopback()
	}
	if err := p.filesystems(); err != nil {
		return nil, err
	}
	p.openProc(len(q.Config.Linux.Sysctl) > 0 || hasLabels(q.Process))
	// Meanwhile a thread of the host side attaches mounts and makes devices.
	p.receive()
	p.outliveHost()
	p.changeRoot()
	if err := p.propagate(); err != nil {
		return nil, err
	}
	p.sysctls()
	p.labels()
	p.workingDirectory()
	p.streams()
	if q.Pauses {
		p.ready()
	}
	return p, p.last()
}

// Joined returns the list of a process that joins a container.
func Joined(q *Request) (*Program, error) {
	p := newProgram(q)
	p.joins = true
	p.enter()
	p.begin()
	if err := p.initialAffinity(); err != nil {
		return nil, err
	}
	// With CAP_SYS_PTRACE the container can reach this proc by /proc/PID/fd, so it shows only processes, and no /proc/sys. proc(5)
	p.openProc(hasLabels(q.Process), "subset=pid")
	p.receive()
	p.outliveHost()
	p.Stage(`chroot("/proc/PID/root")`, "chroot(2)", 0)
	p.Do(unix.SYS_FCHDIR, p.orders.root)
	p.chroot()
	p.labels()
	p.workingDirectory()
	p.streams()
	return p, p.last()
}

// queues makes the IPC namespace of a container that has a user namespace. /dev/mqueue belongs to the user who makes the IPC namespace, so
// process 1 makes it as user 0 of the container. A container without a user namespace gets its IPC namespace by clone. ipc_namespaces(7)
func (p *Program) queues() {
	if !p.Namespaces.HasUser() || !spec.MakesNamespace(p.Config.Linux.Namespaces, specs.IPCNamespace) {
		return
	}
	p.Stage("unshare(CLONE_NEWIPC)", "ipc_namespaces(7)", 0)
	p.Do(unix.SYS_UNSHARE, unix.CLONE_NEWIPC).Fails(func(err error, _ string) error {
		return fmt.Errorf("make an IPC namespace: %w", err)
	})
}

// hostnames sets the hostname and the domain name of the UTS namespace.
func (p *Program) hostnames() {
	name := func(call string, number uintptr, what, name string, step int) {
		if name == "" {
			return
		}
		p.Stage(fmt.Sprintf("%s(%q)", call, name), call+"(2)", step)
		p.Do(number, []byte(name), len(name)).Fails(func(err error, _ string) error {
			return fmt.Errorf("set %s %q (at most 64 bytes): %w", what, name, err)
		})
	}
	name("sethostname", unix.SYS_SETHOSTNAME, "hostname", p.Config.Hostname, 2)
	name("setdomainname", unix.SYS_SETDOMAINNAME, "domainname", p.Config.Domainname, 0)
}

// loopback brings up the loopback interface of a new network namespace. The request goes to any socket in this namespace. netdevice(7)
func (p *Program) loopback() {
	request := struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{name: [unix.IFNAMSIZ]byte{'l', 'o'}, flags: unix.IFF_UP | unix.IFF_RUNNING}
	socket := p.Slot()
	p.Stage(`ioctl(SIOCSIFFLAGS, "lo", IFF_UP)`, "netdevice(7)", 0)
	p.Do(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0).To(socket)
	p.Do(unix.SYS_IOCTL, socket, unix.SIOCSIFFLAGS, p.Struct(&request)).Fails(func(err error, _ string) error {
		return fmt.Errorf("bring up the interface lo: %w", err)
	})
	p.Do(unix.SYS_CLOSE, socket)
}

// changeRoot makes the mount of the orders the root directory. The thread of the host side has attached it in the host's tree.
func (p *Program) changeRoot() {
	namespaces := p.Config.Linux.Namespaces
	p.Stage("fchdir(rootfs)", "chdir(2)", 4)
	p.Do(unix.SYS_FCHDIR, p.orders.root).Fails(func(err error, _ string) error {
		return fmt.Errorf("change to the root file system: %w", err)
	})
	if p.NoPivot || !spec.MakesNamespace(namespaces, "mount") {
		// pivot_root would change the root directory of all processes in this mount namespace, and some are not the container's.
		p.Stage(`chroot(".")`, "chroot(2)", 4)
		p.chroot()
		return
	}
	// With the same directory for both arguments, the kernel mounts the old root on top of the new one.
	p.Stage(`pivot_root(".", ".")`, "pivot_root(2)", 4)
	p.Do(unix.SYS_PIVOT_ROOT, ".", ".").Fails(func(err error, _ string) error {
		if err == unix.EINVAL {
			return fmt.Errorf("pivot_root: %w (the host's root directory is an initramfs, which pivot_root cannot replace: switch to a mounted file system first)", err)
		}
		return fmt.Errorf("pivot_root: %w", err)
	})
	// From here on, the mount namespace has no mount of the host any more, so no process can walk out to the host's tree, as after chroot(2).
	p.Stage(`umount2(".", MNT_DETACH)`, "umount2(2)", 4)
	p.Do(unix.SYS_UMOUNT2, ".", unix.MNT_DETACH).Fails(func(err error, _ string) error {
		return fmt.Errorf("detach the old root: %w", err)
	})
	p.Do(unix.SYS_CHDIR, "/")
}

func (p *Program) chroot() {
	p.Do(unix.SYS_CHROOT, ".").Fails(func(err error, _ string) error { return fmt.Errorf("change the root directory: %w", err) })
	p.Do(unix.SYS_CHDIR, "/")
}

// propagate sets the mount propagation of the root directory. config-linux.md, "Rootfs Mount Propagation"
func (p *Program) propagate() error {
	word := p.Config.Linux.RootfsPropagation
	options, err := rootfs.ParseOptions([]string{word})
	if err != nil || options.Propagation == 0 {
		return err
	}
	flags := unix.AT_EMPTY_PATH
	if options.PropagationAll {
		flags |= unix.AT_RECURSIVE
	}
	attr := p.Struct(&unix.MountAttr{Propagation: options.Propagation})
	p.Stage(fmt.Sprintf("mount_setattr(%q, %s)", "/", word), "mount_namespaces(7)", 0)
	p.Do(unix.SYS_MOUNT_SETATTR, p.orders.root, "", flags, attr, attr.Size)
	return nil
}

// workingDirectory goes to the working directory. A path such as /proc/self/fd/7 can lead to a directory of the host. Then getcwd(2) returns
// a path that does not begin with a slash. CVE-2024-21626
func (p *Program) workingDirectory() {
	cwd := p.Process.Cwd
	p.Stage(fmt.Sprintf("chdir(%q)", cwd), "chdir(2)", 0)
	p.Do(unix.SYS_CHDIR, cwd).Fails(func(err error, _ string) error {
		// Callers look for these words.
		return fmt.Errorf("working directory: chdir to cwd (%q): %w", cwd, err)
	})
	outside := func(error, string) error {
		return fmt.Errorf("working directory %s: is outside of the container", cwd)
	}
	seen, first, inside := p.Buffer(unix.PathMax), p.Slot(), p.Label()
	p.Do(unix.SYS_GETCWD, seen, unix.PathMax).Fails(outside)
	p.Load(first, seen, 0, 0xff).On('/', inside)
	p.Fail(unix.EXDEV).Fails(outside)
	p.Mark(inside)
}

// streams replaces standard streams by the terminal or by the container's /dev/null, and makes the user of the command the owner of pipes.
func (p *Program) streams() {
	if p.Process.Terminal {
		p.terminal()
		return
	}
	for stream, null := range p.Null {
		if null {
			p.Stage(fmt.Sprintf(`dup3("/dev/null", %d)`, stream), "null(4)", 0)
			p.Do(unix.SYS_DUP3, p.orders.null[stream], stream, 0)
		}
	}
	uid := p.Process.User.UID
	for stream, give := range p.Give {
		if !give || uid == 0 {
			continue
		}
		p.Stage(fmt.Sprintf("fchown(%d, %d)", stream, uid), "fchown(2)", 0)
		// In a user namespace the owner of the pipe may have no ID.
		p.Do(unix.SYS_FCHOWN, stream, uid, -1).Allow(unix.EPERM).Fails(func(err error, _ string) error {
			return fmt.Errorf("give stream %d to the user %d: %w", stream, uid, err)
		})
	}
}

// terminal makes the terminal the three standard streams, and the controlling terminal of the session. pts(4)
func (p *Program) terminal() {
	p.Stage("dup3(terminal, 0 to 2), ioctl(TIOCSCTTY)", "TIOCSCTTY(2const)", 0)
	for stream := range 3 {
		p.Do(unix.SYS_DUP3, p.orders.slave, stream, 0).Fails(func(err error, _ string) error { return fmt.Errorf("use a terminal: %w", err) })
	}
	if uid := p.Process.User.UID; uid != 0 {
		p.Do(unix.SYS_FCHOWN, 0, uid, -1).Fails(func(err error, _ string) error {
			return fmt.Errorf("give the terminal to the user %d: %w", uid, err)
		})
	}
	p.Do(unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0).Fails(func(err error, _ string) error {
		return fmt.Errorf("make the terminal the controlling terminal: %w", err)
	})
}

// ready tells the host side that the process has followed its orders up to the cgroups, and waits for a byte.
func (p *Program) ready() {
	p.Stage("write(ready), read(go on)", "unix(7)", 0).Waiting = true
	if p.Explain {
		p.SendTimes(WordTimes)
	}
	p.tell(WordReady)
	p.wait()
}
