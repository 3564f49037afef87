//go:build linux

package calls

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A shape is how Print writes a system call: its name, how many arguments it always has, and words for some of its arguments.
type shape struct {
	nr    uint64
	name  string
	count int
	args  args
}

// Args are the words for each argument, nil for a number.
type args [6]*words

// Words are the names of the values that an argument can have. The values of flags can be combined.
type words struct {
	kind  kind
	names []named
}

type kind int

const (
	one kind = iota
	flags
	octal
)

type named struct {
	value uint64
	name  string
}

// text is the text of a value.
func (w *words) text(value uint64) string {
	var all []string
	rest := value
	for _, n := range w.names {
		if n.value == value {
			return n.name
		}
		if w.kind == flags && rest&n.value == n.value {
			all = append(all, n.name)
			rest &^= n.value
		}
	}
	switch {
	case w.kind == octal:
		return fmt.Sprintf("%#o", value)
	case w.kind == one || value == 0:
		return fmt.Sprint(int64(value))
	case rest != 0:
		all = append(all, fmt.Sprintf("%#x", rest))
	}
	return strings.Join(all, "|")
}

// shapeOf returns the shape of a system call. It returns one without words if lists do not use the call.
func shapeOf(nr uint64) *shape {
	for i := range shapes {
		if shapes[i].nr == nr {
			return &shapes[i]
		}
	}
	return &shape{name: fmt.Sprintf("syscall_%d", nr)}
}

// Nothing here is a map, and nothing is made when the program starts: most programs that start never print a list.
var (
	fsopening  = words{one, []named{{unix.FSOPEN_CLOEXEC, "FSOPEN_CLOEXEC"}}}
	fsmounting = words{one, []named{{unix.FSMOUNT_CLOEXEC, "FSMOUNT_CLOEXEC"}}}
	directory  = words{one, []named{{1<<64 + unix.AT_FDCWD, "AT_FDCWD"}}}
	at         = words{flags, []named{{unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"}, {unix.AT_RECURSIVE, "AT_RECURSIVE"}}}
	treeing    = words{flags, []named{{unix.OPEN_TREE_CLONE, "OPEN_TREE_CLONE"}, {unix.OPEN_TREE_CLOEXEC, "OPEN_TREE_CLOEXEC"}, {unix.AT_RECURSIVE, "AT_RECURSIVE"}}}
	opening    = words{flags, []named{{unix.O_WRONLY, "O_WRONLY"}, {unix.O_CLOEXEC, "O_CLOEXEC"}}}
	socketType = words{flags, []named{{unix.SOCK_DGRAM, "SOCK_DGRAM"}, {unix.SOCK_CLOEXEC, "SOCK_CLOEXEC"}}}
	messages   = words{flags, []named{{unix.MSG_CMSG_CLOEXEC, "MSG_CMSG_CLOEXEC"}, {unix.MSG_NOSIGNAL, "MSG_NOSIGNAL"}}}
	all        = words{one, []named{{1<<32 - 1, "~0"}}}
	resources  = words{one, []named{
		{unix.RLIMIT_CPU, "RLIMIT_CPU"}, {unix.RLIMIT_FSIZE, "RLIMIT_FSIZE"}, {unix.RLIMIT_DATA, "RLIMIT_DATA"},
		{unix.RLIMIT_STACK, "RLIMIT_STACK"}, {unix.RLIMIT_CORE, "RLIMIT_CORE"}, {unix.RLIMIT_RSS, "RLIMIT_RSS"},
		{unix.RLIMIT_NPROC, "RLIMIT_NPROC"}, {unix.RLIMIT_NOFILE, "RLIMIT_NOFILE"}, {unix.RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"},
		{unix.RLIMIT_AS, "RLIMIT_AS"}, {unix.RLIMIT_LOCKS, "RLIMIT_LOCKS"}, {unix.RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING"},
		{unix.RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"}, {unix.RLIMIT_NICE, "RLIMIT_NICE"}, {unix.RLIMIT_RTPRIO, "RLIMIT_RTPRIO"},
		{unix.RLIMIT_RTTIME, "RLIMIT_RTTIME"},
	}}
	cloning = words{flags, []named{
		{unix.CLONE_PARENT, "CLONE_PARENT"}, {unix.CLONE_NEWTIME, "CLONE_NEWTIME"},
		{unix.CLONE_NEWNS, "CLONE_NEWNS"}, {unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"}, {unix.CLONE_NEWUTS, "CLONE_NEWUTS"},
		{unix.CLONE_NEWIPC, "CLONE_NEWIPC"}, {unix.CLONE_NEWUSER, "CLONE_NEWUSER"}, {unix.CLONE_NEWPID, "CLONE_NEWPID"},
		{unix.CLONE_NEWNET, "CLONE_NEWNET"}, {uint64(unix.SIGCHLD), "SIGCHLD"},
	}}
	mountFlags = words{flags, []named{
		{unix.MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY"}, {unix.MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID"},
		{unix.MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV"}, {unix.MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC"},
		{unix.MOUNT_ATTR_NOATIME, "MOUNT_ATTR_NOATIME"}, {unix.MOUNT_ATTR_STRICTATIME, "MOUNT_ATTR_STRICTATIME"},
		{unix.MOUNT_ATTR_NODIRATIME, "MOUNT_ATTR_NODIRATIME"}, {unix.MOUNT_ATTR_NOSYMFOLLOW, "MOUNT_ATTR_NOSYMFOLLOW"},
	}}
	filters = words{flags, []named{
		{unix.SECCOMP_FILTER_FLAG_TSYNC, "SECCOMP_FILTER_FLAG_TSYNC"}, {unix.SECCOMP_FILTER_FLAG_LOG, "SECCOMP_FILTER_FLAG_LOG"},
		{unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"},
		{unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, "SECCOMP_FILTER_FLAG_NEW_LISTENER"},
		{unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"},
	}}
	processes = words{one, []named{
		{unix.PR_SET_DUMPABLE, "PR_SET_DUMPABLE"}, {unix.PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG"},
		{unix.PR_CAPBSET_DROP, "PR_CAPBSET_DROP"}, {unix.PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS"}, {unix.PR_CAP_AMBIENT, "PR_CAP_AMBIENT"},
		{unix.PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS"},
	}}
	descriptors = words{one, []named{{unix.F_GETFD, "F_GETFD"}, {unix.F_SETFD, "F_SETFD"}, {unix.F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC"}}}
	requests    = words{one, []named{{unix.SIOCSIFFLAGS, "SIOCSIFFLAGS"}, {unix.TIOCSCTTY, "TIOCSCTTY"}}}
	closing     = words{one, []named{{unix.CLOSE_RANGE_CLOEXEC, "CLOSE_RANGE_CLOEXEC"}}}
	keys        = words{one, []named{{unix.KEYCTL_JOIN_SESSION_KEYRING, "KEYCTL_JOIN_SESSION_KEYRING"}}}
	filtering   = words{one, []named{{unix.SECCOMP_SET_MODE_FILTER, "SECCOMP_SET_MODE_FILTER"}}}
	families    = words{one, []named{{unix.AF_INET, "AF_INET"}}}
	detaching   = words{flags, []named{{unix.MNT_DETACH, "MNT_DETACH"}}}
	masking     = words{one, []named{{unix.SIG_BLOCK, "SIG_BLOCK"}, {unix.SIG_SETMASK, "SIG_SETMASK"}}}
	signals     = words{flags, []named{{unix.SFD_CLOEXEC, "SFD_CLOEXEC"}}}
	mode        = words{kind: octal}
	configuring = words{one, []named{
		{unix.FSCONFIG_SET_FLAG, "FSCONFIG_SET_FLAG"}, {unix.FSCONFIG_SET_STRING, "FSCONFIG_SET_STRING"},
		{unix.FSCONFIG_CMD_CREATE, "FSCONFIG_CMD_CREATE"},
	}}
)

// shapes are the system calls that lists use. A test wants a shape for each.
var shapes = []shape{
	{unix.SYS_ACCEPT4, "accept4", 4, args{3: &socketType}},
	{unix.SYS_CAPSET, "capset", 2, args{}},
	{unix.SYS_CHDIR, "chdir", 1, args{}},
	{unix.SYS_CHROOT, "chroot", 1, args{}},
	{unix.SYS_CLOCK_GETTIME, "clock_gettime", 2, args{}},
	{unix.SYS_CLONE, "clone", 1, args{&cloning}},
	{unix.SYS_CLOSE, "close", 1, args{}},
	{unix.SYS_CLOSE_RANGE, "close_range", 3, args{1: &all, 2: &closing}},
	{unix.SYS_DUP3, "dup3", 3, args{}},
	{unix.SYS_EXECVE, "execve", 3, args{}},
	{unix.SYS_EXECVEAT, "execveat", 5, args{4: &at}},
	{unix.SYS_EXIT_GROUP, "exit_group", 1, args{}},
	{unix.SYS_FCHDIR, "fchdir", 1, args{}},
	{unix.SYS_FCHOWN, "fchown", 3, args{}},
	{unix.SYS_FCNTL, "fcntl", 2, args{1: &descriptors}},
	{unix.SYS_FSCONFIG, "fsconfig", 5, args{1: &configuring}},
	{unix.SYS_FSMOUNT, "fsmount", 3, args{1: &fsmounting, 2: &mountFlags}},
	{unix.SYS_FSOPEN, "fsopen", 2, args{1: &fsopening}},
	{unix.SYS_GETCWD, "getcwd", 2, args{}},
	{unix.SYS_IOCTL, "ioctl", 2, args{1: &requests}},
	{unix.SYS_IOPRIO_SET, "ioprio_set", 3, args{}},
	{unix.SYS_KEYCTL, "keyctl", 2, args{&keys}},
	{unix.SYS_MOUNT_SETATTR, "mount_setattr", 5, args{2: &at}},
	{unix.SYS_OPENAT, "openat", 3, args{0: &directory, 2: &opening}},
	{unix.SYS_OPENAT2, "openat2", 4, args{}},
	{unix.SYS_OPEN_TREE, "open_tree", 3, args{0: &directory, 2: &treeing}},
	{unix.SYS_PERSONALITY, "personality", 1, args{}},
	{unix.SYS_PIVOT_ROOT, "pivot_root", 2, args{}},
	{unix.SYS_PPOLL, "ppoll", 4, args{}},
	{unix.SYS_PRCTL, "prctl", 2, args{&processes}},
	{unix.SYS_PRLIMIT64, "prlimit64", 4, args{1: &resources}},
	{unix.SYS_READ, "read", 3, args{}},
	{unix.SYS_RECVMSG, "recvmsg", 3, args{2: &messages}},
	{unix.SYS_RT_SIGACTION, "rt_sigaction", 4, args{}},
	{unix.SYS_RT_SIGPROCMASK, "rt_sigprocmask", 4, args{&masking}},
	{unix.SYS_SCHED_SETAFFINITY, "sched_setaffinity", 3, args{}},
	{unix.SYS_SCHED_SETATTR, "sched_setattr", 3, args{}},
	{unix.SYS_SECCOMP, "seccomp", 3, args{0: &filtering, 1: &filters}},
	{unix.SYS_SENDMSG, "sendmsg", 3, args{2: &messages}},
	{unix.SYS_SENDTO, "sendto", 4, args{3: &messages}},
	{unix.SYS_SETDOMAINNAME, "setdomainname", 2, args{}},
	{unix.SYS_SETGROUPS, "setgroups", 2, args{}},
	{unix.SYS_SETHOSTNAME, "sethostname", 2, args{}},
	{unix.SYS_SETNS, "setns", 2, args{1: &cloning}},
	{unix.SYS_SETRESGID, "setresgid", 3, args{}},
	{unix.SYS_SETRESUID, "setresuid", 3, args{}},
	{unix.SYS_SETSID, "setsid", 0, args{}},
	{unix.SYS_SET_MEMPOLICY, "set_mempolicy", 3, args{}},
	{unix.SYS_SIGNALFD4, "signalfd4", 4, args{3: &signals}},
	{unix.SYS_SOCKET, "socket", 3, args{&families, &socketType}},
	{unix.SYS_UMASK, "umask", 1, args{&mode}},
	{unix.SYS_UMOUNT2, "umount2", 2, args{1: &detaching}},
	{unix.SYS_UNSHARE, "unshare", 1, args{&cloning}},
	{unix.SYS_WRITE, "write", 3, args{}},
	{unix.SYS_WRITEV, "writev", 3, args{}},
}
