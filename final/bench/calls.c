// calls makes a container with bare system calls: the least that a runtime must do for the configuration that final spec writes.
// make bench compiles calls and measures it beside final and other runtimes.
//
//	calls run ROOTFS CGROUP MEMORY SOURCE N COMMAND [ARG ...]
//	calls exec PID CGROUP COMMAND [ARG ...]
//
// run makes the namespaces, mounts, covers, devices, cgroups, limits and capabilities of that configuration, with N read-only bind
// mounts of SOURCE at /binds/0, /binds/1, and so on. CGROUP is a path below each cgroup tree, MEMORY is a number of bytes. exec runs
// a command in a container of run, where PID is process 1.
//
// calls is no runtime. It reads no configuration, keeps no state, handles no signals, cleans up nothing after a failure, and its
// whole message is the name of the call that failed. A test compares its container with that of final from inside.
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAFE (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static void die(const char *what) {
	fprintf(stderr, "calls: %s: %s\n", what, strerror(errno));
	exit(125);
}

// A failed call ends the program, with the text of the call.
#define CALL(call) do { if ((call) < 0) die(#call); } while (0)

#include "cgroups.h"

static void mount_at(const char *type, const char *source, const char *target, unsigned long flags, const char *options) {
	if (mount(source, target, type, flags, options) < 0)
		die(target);
}

static void bind_mount(const char *source, const char *target, unsigned long flags) {
	mount_at(NULL, source, target, MS_BIND | (flags & MS_REC), NULL);
	if (flags & ~MS_REC)
		mount_at(NULL, NULL, target, MS_REMOUNT | MS_BIND | (flags & ~MS_REC), NULL);
}

// mount_cgroups mounts the container's own cgroups at ./sys/fs/cgroup, read-only.
static void mount_cgroups(const char *cgroup) {
	if (version2) {
		CALL(unshare(CLONE_NEWCGROUP));
		mount_at("cgroup2", "cgroup", "." TREES, SAFE | MS_RDONLY, NULL);
		return;
	}
	mount_at("tmpfs", "tmpfs", "." TREES, SAFE, "mode=755");
	for (int i = 0; i < tree_count; i++) {
		char *target = text("." TREES "/%s", trees[i]);
		CALL(mkdir(target, 0755));
		bind_mount(in(trees[i], cgroup, ""), target, SAFE | MS_RDONLY);
	}
	for (int i = 0; i < link_count; i++)
		CALL(symlink(links[i][1], text("." TREES "/%s", links[i][0])));
	mount_at(NULL, NULL, "." TREES, MS_REMOUNT | MS_BIND | MS_RDONLY | SAFE, NULL);
}

static const char *masked[] = {"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"};
static const char *read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

static void fill_dev(void) {
	static const struct { const char *name; int major, minor; } nodes[] = {
		{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
	static const char *links[][2] = {{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
		{"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"}};
	CALL(chdir("dev"));
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		CALL(mknod(nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		CALL(symlink(links[i][0], links[i][1]));
	CALL(mkdir("pts", 0755));
	CALL(mkdir("shm", 0755));
	CALL(mkdir("mqueue", 0755));
	CALL(chdir(".."));
}

// make_root mounts the root file system and everything below, and makes it the root directory.
static void make_root(const char *rootfs, const char *cgroup, const char *source, int binds) {
	mount_at(NULL, NULL, "/", MS_REC | MS_SLAVE, NULL);
	bind_mount(rootfs, rootfs, MS_REC);
	CALL(chdir(rootfs));
	mount_at("proc", "proc", "proc", SAFE, NULL);
	mount_at("tmpfs", "tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	fill_dev();
	mount_at("devpts", "devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	mount_at("sysfs", "sysfs", "sys", SAFE | MS_RDONLY, NULL);
	mount_cgroups(cgroup);
	mount_at("mqueue", "mqueue", "dev/mqueue", SAFE, NULL);
	mount_at("tmpfs", "shm", "dev/shm", SAFE, "mode=1777,size=64m");
	for (int i = 0; i < binds; i++)
		bind_mount(source, text("binds/%d", i), MS_RDONLY);
	CALL(syscall(SYS_pivot_root, ".", "."));
	CALL(umount2(".", MNT_DETACH));
	for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++)
		if (access(read_only[i], F_OK) == 0)
			bind_mount(read_only[i], read_only[i], MS_REC | MS_RDONLY | SAFE);
	for (size_t i = 0; i < sizeof masked / sizeof *masked; i++)
		if (mount("tmpfs", masked[i], "tmpfs", SAFE | MS_RDONLY, "nr_blocks=1,nr_inodes=1") < 0 && errno != ENOENT)
			bind_mount("/dev/null", masked[i], 0);
	mount_at(NULL, NULL, "/", MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
}

// become gives up all capabilities but three, and becomes the command.
static void become(char **command) {
	const unsigned kept = 1 << CAP_KILL | 1 << CAP_NET_BIND_SERVICE | 1 << CAP_AUDIT_WRITE;
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct sets[2] = {{kept, kept, 0}, {0, 0, 0}};
	char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm",
		"HOME=/root", NULL};
	CALL(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL));
	CALL(setgroups(0, NULL));
	for (int c = 0; c < 64; c++)
		if ((c >= 32 || !(kept >> c & 1)) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			break;
	CALL(syscall(SYS_capset, &header, sets));
	CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CALL(syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC));
	execve(command[0], command, environment);
	die(command[0]);
}

static int wait_for(pid_t child) {
	int status;
	CALL(waitpid(child, &status, 0));
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run(char **args) {
	int cgroup = make_cgroups(args[1], args[2]);
	struct clone_args how = {.exit_signal = SIGCHLD,
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | (version2 ? CLONE_INTO_CGROUP : 0),
		.cgroup = version2 ? cgroup : 0};
	pid_t child = syscall(SYS_clone3, &how, sizeof how);
	CALL(child);
	if (child == 0) {
		CALL(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
		CALL(setsid());
		umask(0);
		if (!version2)
			join(args[1]);
		CALL(sethostname("container", strlen("container")));
		struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
		int internet = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		CALL(ioctl(internet, SIOCSIFFLAGS, &loopback));
		make_root(args[0], args[1], args[3], atoi(args[4]));
		umask(022);
		become(args + 5);
	}
	int status = wait_for(child);
	remove_cgroups(args[1]);
	return status;
}

static int exec_in(char **args) {
	int process = syscall(SYS_pidfd_open, atoi(args[0]), 0);
	CALL(process);
	join(args[1]);
	CALL(setns(process, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | (version2 ? CLONE_NEWCGROUP : 0)));
	pid_t child = fork();
	CALL(child);
	if (child == 0) {
		CALL(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
		CALL(setsid());
		become(args + 2);
	}
	return wait_for(child);
}

int main(int count, char **args) {
	find_trees();
	if (count > 7 && strcmp(args[1], "run") == 0)
		return run(args + 2);
	if (count > 4 && strcmp(args[1], "exec") == 0)
		return exec_in(args + 2);
	fprintf(stderr, "calls run ROOTFS CGROUP MEMORY SOURCE N COMMAND [ARG ...], or calls exec PID CGROUP COMMAND [ARG ...]\n");
	return 125;
}
