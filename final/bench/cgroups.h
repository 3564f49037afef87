// The cgroups of calls.c: trees, limits and devices, on version 1 and version 2. Its includer has CALL and die.
#include <dirent.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/vfs.h>

#define TREES "/sys/fs/cgroup"
#define PIDS_LIMIT "64"

// The cgroup trees: the directories of /sys/fs/cgroup, or /sys/fs/cgroup itself on version 2. Version 1 has links to them besides,
// as from cpu to cpu,cpuacct.
static char trees[32][64], links[32][2][64];
static int tree_count, link_count, version2;

// text writes a text to memory that nobody frees: calls ends soon.
static char *text(const char *format, ...) {
	char *written;
	va_list values;
	va_start(values, format);
	CALL(vasprintf(&written, format, values));
	va_end(values);
	return written;
}

// in returns the name of a file in the container's cgroup of a tree.
static char *in(const char *tree, const char *cgroup, const char *name) {
	return text(TREES "%s%s/%s/%s", *tree ? "/" : "", tree, cgroup, name);
}

static void write_to(const char *name, const char *value) {
	int fd = open(name, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die(name);
	close(fd);
}

static void find_trees(void) {
	struct statfs fs;
	CALL(statfs(TREES, &fs));
	if ((version2 = fs.f_type == CGROUP2_SUPER_MAGIC)) {
		tree_count = 1;
		return;
	}
	DIR *dir = opendir(TREES);
	if (!dir)
		die(TREES);
	for (struct dirent *entry; (entry = readdir(dir));) {
		char *name = text(TREES "/%s", entry->d_name);
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof trees[0])
			continue;
		if (entry->d_type == DT_LNK && link_count < 32) {
			strcpy(links[link_count][0], entry->d_name);
			if (readlink(name, links[link_count][1], sizeof links[0][1] - 1) > 0)
				link_count++;
		} else if (tree_count < 32 && statfs(name, &fs) == 0 && fs.f_type == CGROUP_SUPER_MAGIC) {
			strcpy(trees[tree_count++], entry->d_name);
		}
	}
	closedir(dir);
}

// The devices that the container may use. It may make any device node, but open no other. A minor number of -1 stands for all.
static const int devices[][2] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}, {136, -1}};

// filter_devices loads the program that version 2 asks about each device: bpf(2). Its registers: r2 the type, r3 what is to be
// done, r4 and r5 the numbers of the device.
static void filter_devices(int cgroup) {
	struct bpf_insn program[64], *next = program;
#define LOAD(reg, offset) *next++ = (struct bpf_insn){BPF_LDX | BPF_MEM | BPF_W, reg, 1, offset, 0}
#define OP(op, reg, value, jump) *next++ = (struct bpf_insn){op, reg, 0, jump, value}
#define ANSWER(value) OP(BPF_ALU64 | BPF_MOV | BPF_K, 0, value, 0), OP(BPF_JMP | BPF_EXIT, 0, 0, 0)
	LOAD(2, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	LOAD(3, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	LOAD(4, offsetof(struct bpf_cgroup_dev_ctx, major));
	LOAD(5, offsetof(struct bpf_cgroup_dev_ctx, minor));
	OP(BPF_ALU64 | BPF_AND | BPF_K, 2, 0xffff, 0);
	OP(BPF_ALU64 | BPF_RSH | BPF_K, 3, 16, 0);
	OP(BPF_JMP | BPF_JNE | BPF_K, 3, BPF_DEVCG_ACC_MKNOD, 2);
	ANSWER(1);
	OP(BPF_JMP | BPF_JEQ | BPF_K, 2, BPF_DEVCG_DEV_CHAR, 2);
	ANSWER(0);
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
		int any = devices[i][1] < 0;
		OP(BPF_JMP | BPF_JNE | BPF_K, 4, devices[i][0], any ? 2 : 3);
		if (!any)
			OP(BPF_JMP | BPF_JNE | BPF_K, 5, devices[i][1], 2);
		ANSWER(1);
	}
	ANSWER(0);
	union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, .insns = (uintptr_t)program,
		.insn_cnt = next - program, .license = (uintptr_t)"GPL"};
	int fd = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
	if (fd < 0)
		die("bpf(BPF_PROG_LOAD)");
	union bpf_attr attach = {.target_fd = cgroup, .attach_bpf_fd = fd, .attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI};
	CALL(syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach));
	close(fd);
}

// copy gives a new cpuset the processors, or the memory nodes, of the cpuset above. Otherwise it takes no process.
static void copy(const char *cgroup, const char *name) {
	char value[256];
	char *above = text(TREES "/cpuset/%s/../%s", cgroup, name);
	int fd = open(above, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, value, sizeof value - 1);
	if (size < 0)
		die(above);
	value[size] = 0;
	close(fd);
	write_to(in("cpuset", cgroup, name), value);
}

// make_cgroups returns a descriptor of the cgroup on version 2, and -1 on version 1.
static int make_cgroups(const char *cgroup, const char *memory) {
	for (int i = 0; i < tree_count; i++)
		CALL(mkdir(in(trees[i], cgroup, ""), 0755));
	if (version2) {
		int fd = open(in("", cgroup, ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CALL(fd);
		write_to(in("", cgroup, "memory.max"), memory);
		write_to(in("", cgroup, "pids.max"), PIDS_LIMIT);
		filter_devices(fd);
		return fd;
	}
	for (int i = 0; i < tree_count; i++)
		if (strcmp(trees[i], "cpuset") == 0) {
			copy(cgroup, "cpuset.cpus");
			copy(cgroup, "cpuset.mems");
		}
	write_to(in("memory", cgroup, "memory.limit_in_bytes"), memory);
	write_to(in("pids", cgroup, "pids.max"), PIDS_LIMIT);
	write_to(in("devices", cgroup, "devices.deny"), "a");
	write_to(in("devices", cgroup, "devices.allow"), "c *:* m");
	write_to(in("devices", cgroup, "devices.allow"), "b *:* m");
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
		char *minor = devices[i][1] < 0 ? "*" : text("%d", devices[i][1]);
		write_to(in("devices", cgroup, "devices.allow"), text("c %d:%s rwm", devices[i][0], minor));
	}
	return -1;
}

// join moves this process. On version 1, a thread that moves itself does not wait for the rest of the kernel.
static void join(const char *cgroup) {
	for (int i = 0; i < tree_count; i++)
		write_to(in(trees[i], cgroup, version2 ? "cgroup.procs" : "tasks"), "0");
}

static void remove_cgroups(const char *cgroup) {
	for (int i = 0; i < tree_count; i++)
		while (rmdir(in(trees[i], cgroup, "")) < 0) {
			if (errno != EBUSY)
				die(cgroup);
			usleep(50);
		}
}
