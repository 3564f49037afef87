//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openToWrite opens files to write to them, and writes nothing.
func openToWrite(names []string) error {
	var first error
	for _, name := range names {
		fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		} else {
			first = err
		}
		fmt.Println(name, nameOf(err))
	}
	return first
}

// mountAnywhere mounts a file system of a type, with options, on a new directory.
func mountAnywhere(args []string) error {
	if err := unix.Mkdir("/tmp/place", 0o755); err != nil {
		return err
	}
	return unix.Mount("none", "/tmp/place", args[0], 0, strings.Join(args[1:], ","))
}

func openFilesystem(args []string) error {
	_, err := unix.Fsopen(args[0], unix.FSOPEN_CLOEXEC)
	return err
}

func unmountHere(args []string) error { return unix.Unmount(args[0], unix.MNT_DETACH) }

// remountWritable clears the flag that makes a mount read-only.
func remountWritable(args []string) error {
	return unix.Mount("", args[0], "", unix.MS_REMOUNT|unix.MS_BIND, "")
}

// makeCgroup makes a cgroup in each directory, and removes it.
func makeCgroup(dirs []string) error {
	var first error
	for _, dir := range dirs {
		below := filepath.Join(dir, "below")
		err := unix.Mkdir(below, 0o755)
		if err == nil {
			err = unix.Rmdir(below)
		} else {
			first = err
		}
		fmt.Println(dir, nameOf(err))
	}
	return first
}

// enterNamespaces tries another attack as root of a user namespace, with all capabilities in it.
func enterNamespaces(args []string) error {
	cmd := exec.Command("/proc/self/exe", append([]string{"attack"}, args...)...)
	attr := &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWCGROUP}
	// Root is root.
	attr.UidMappings = slices.Grow(attr.UidMappings, 1)[:1]
	attr.UidMappings[0].Size = 1
	attr.GidMappings = attr.UidMappings
	cmd.SysProcAttr = attr
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// CVE-2025-52881
func TestASysctlLandsInTheContainer(t *testing.T) {
	const name = "/proc/sys/net/ipv4/ip_default_ttl"
	host, err := os.ReadFile(name)
	require.NoError(t, err)
	// What the image has in /proc is below what is mounted.
	dir := rootfsOf(t, map[string]string{"proc/sys/net/ipv4/ip_default_ttl": "of the image", "proc/thread-self": "-> /tmp", "proc/self": "-> /tmp", "tmp/fd/": ""})
	for _, flags := range [][]string{{"--sysctl", "net.ipv4.ip_default_ttl=77"}, {"--sysctl", "net/ipv4/ip_default_ttl=77", "--read-only"}, {"--sysctl", "net.ipv4.ip_default_ttl=77", "--privileged"}} {
		r := final(t, append(append([]string{"run", "--rootfs", dir}, flags...), "/bin/cat", name)...)
		assert.Equal(t, "77\n", r.stdout, r.stderr)
		unchanged(t, name, string(host))
	}
	assert.NotEqual(t, "77\n", final(t, "run", "--rootfs", dir, "/bin/cat", name).stdout, "without the flag")
	image, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	assert.Equal(t, "of the image", string(image))
	for _, key := range []string{"kernel.core_pattern", "kernel/core_pattern", "net/../kernel/core_pattern", "net..core_pattern", "/net/ipv4/ip_default_ttl", "kernel.shm/../core_pattern", "fs.mqueue/../../kernel.core_pattern", "vm.swappiness"} {
		refused(t, run(t, "true", "--sysctl", key+"=1"), 125, "--sysctl")
	}
}

// runc issue 2128, proc_sys_kernel(5)
func TestFilesOfTheKernelAreReadOnly(t *testing.T) {
	names := []string{"/proc/sys/kernel/core_pattern"}
	for _, name := range []string{
		"/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug", "/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/sysrq", "/proc/sys/fs/suid_dumpable",
		"/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/sys/kernel/uevent_helper", "/sys/kernel/profiling", "/sys/power/state",
		"/sys/kernel/mm/transparent_hugepage/enabled", "/sys/devices/system/cpu/cpu0/online",
	} {
		if _, err := os.Stat(name); err == nil {
			names = append(names, name)
		}
	}
	args := append([]string{"write"}, names...)
	results := attacked(t, nil, args...)
	for _, name := range names {
		assert.Contains(t, results, name+" EROFS\n")
	}
	assert.Contains(t, attacked(t, []string{"--privileged"}, args...), names[0]+" done\n", "control")
	// What tells of the host is empty.
	for _, name := range []string{"/proc/interrupts", "/proc/keys", "/proc/timer_list"} {
		if _, err := os.Stat(name); err == nil {
			assert.Empty(t, run(t, "cat "+name).stdout, name)
			assert.NotEmpty(t, run(t, "cat "+name, "--privileged").stdout, name+", control")
		}
	}
}

// CVE-2022-0185, CVE-2023-0386
func TestNothingIsMountedInTheContainer(t *testing.T) {
	for _, test := range []struct {
		attack, filtered string
	}{
		{"mount proc", "EPERM"}, {"mount sysfs", "EPERM"}, {"mount tmpfs", "EPERM"},
		{"fsopen proc", "EPERM"}, {"unmount /proc/keys", "EPERM"}, {"unmount /proc", "EPERM"}, {"writable /proc/sys", "EPERM"}, {"writable /sys", "EPERM"},
	} {
		args := strings.Fields(test.attack)
		assert.Equal(t, "EPERM", attacked(t, nil, args...), test.attack)
		// The filter is one defence. The other is that the container has no CAP_SYS_ADMIN.
		assert.Equal(t, "EPERM", attacked(t, []string{"--security-opt", "seccomp=unconfined"}, args...), "%s without a filter", test.attack)
		assert.Equal(t, "done", attacked(t, []string{"--cap-add", "SYS_ADMIN"}, args...), "%s, control", test.attack)
	}
}

// A user namespace has all capabilities, but what is masked in a proc is not to be seen in another one. user_namespaces(7)
func TestAUserNamespaceShowsNoFreshProc(t *testing.T) {
	mount := []string{"namespace", "mount", "proc"}
	assert.Equal(t, "EPERM", attacked(t, nil, mount...), "the filter keeps it from having one")
	control := attacked(t, []string{"--privileged"}, mount...)
	if !strings.HasPrefix(control, "done\n") {
		t.Skipf("a user namespace, which a container without a filter could make, is missing: %s", control)
	}
	assert.Equal(t, "EPERM\ndone", attacked(t, []string{"--security-opt", "seccomp=unconfined"}, mount...))
	// Mounts that come from another mount namespace are locked. mount_namespaces(7)
	assert.Equal(t, "EINVAL\ndone", attacked(t, []string{"--security-opt", "seccomp=unconfined"}, "namespace", "unmount", "/proc/keys"))
	assert.Equal(t, "EPERM\ndone", attacked(t, []string{"--security-opt", "seccomp=unconfined"}, "namespace", "writable", "/proc/sys"))
}

// cgroupTrees are the mounts of cgroups on the host, by their places, with the options that mount another one of the same.
func cgroupTrees(t *testing.T) (dirs []string, mounts [][]string) {
	t.Helper()
	info, err := os.ReadFile("/proc/self/mounts")
	require.NoError(t, err)
	for line := range strings.Lines(string(info)) {
		fields := strings.Fields(line)
		if !strings.HasPrefix(fields[1], "/sys/fs/cgroup") || !strings.HasPrefix(fields[2], "cgroup") {
			continue
		}
		dirs = append(dirs, fields[1])
		mount := []string{"mount", fields[2]}
		for _, option := range strings.Split(fields[3], ",") {
			switch {
			case fields[2] == "cgroup2", option == "rw", option == "ro", option == "relatime", strings.HasPrefix(option, "no"), strings.HasPrefix(option, "release_agent="):
			case strings.HasPrefix(option, "name="):
				mount = append(mount, "none", option)
			default:
				mount = append(mount, option)
			}
		}
		mounts = append(mounts, mount)
	}
	require.NotEmpty(t, dirs)
	return dirs, mounts
}

// CVE-2022-0492
func TestNoCgroupsAreMountedInTheContainer(t *testing.T) {
	dirs, mounts := cgroupTrees(t)
	unconfined := []string{"--security-opt", "seccomp=unconfined"}
	for _, mount := range append([][]string{{"mount", "cgroup", "none", "name=attack"}}, mounts[0]) {
		assert.Equal(t, "EPERM", attacked(t, nil, mount...))
		assert.Equal(t, "EPERM", attacked(t, unconfined, mount...), "without a filter")
	}
	assert.Equal(t, "EPERM\ndone", attacked(t, unconfined, "namespace", "mount", "cgroup", "none", "name=attack"))
	assert.Equal(t, "done", attacked(t, []string{"--privileged"}, mounts[0]...), "control")
	// The program that the kernel runs when a cgroup is empty is a matter of the root cgroup, which no container sees.
	for i, dir := range dirs {
		agent := filepath.Join(dir, "release_agent")
		if mounts[i][1] == "cgroup" && unix.Access(agent, unix.F_OK) == nil {
			for _, flags := range [][]string{nil, unconfined, {"--privileged"}} {
				assert.Equal(t, agent+" ENOENT\nENOENT", attacked(t, flags, "write", agent))
			}
			assert.Equal(t, agent+" done\ndone", printed(t, onHost(t, "write", agent)), "control")
		}
	}
}

// CVE-2023-25809
func TestTheCgroupsOfAContainerAreItsOwnAndReadOnly(t *testing.T) {
	other := detached(t, "exec sleep 1000")
	dirs, _ := cgroupTrees(t)
	// A container need not show all of them, as one that has no controller.
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return run(t, "ls -d "+dir).status != 0 })
	require.NotEmpty(t, dirs)
	all := strings.Join(dirs, " ")
	assert.NotContains(t, run(t, "ls "+all).stdout, "container-workshop")
	make := append([]string{"cgroup"}, dirs...)
	readOnly, writable := attacked(t, nil, make...), attacked(t, []string{"--privileged"}, make...)
	unconfined := attacked(t, []string{"--security-opt", "seccomp=unconfined", "--cap-add", "DAC_READ_SEARCH"}, make...)
	for _, dir := range dirs {
		assert.Contains(t, readOnly, dir+" EROFS\n")
		assert.Contains(t, unconfined, dir+" EROFS\n")
		assert.Contains(t, writable, dir+" done\n", "control")
		// Only the container's own processes are there: the shell, and cat.
		processes := strings.Count(run(t, "cat "+filepath.Join(dir, "cgroup.procs")).stdout, "\n")
		assert.Contains(t, []int{1, 2}, processes, dir)
	}
	assert.NotContains(t, final(t, "exec", other, "/bin/cat", "/proc/self/cgroup").stdout, "container-workshop")
	// The control: so it is for the host.
	var state struct{ Pid int }
	require.NoError(t, json.Unmarshal([]byte(final(t, "state", other).stdout), &state))
	host, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", state.Pid))
	require.NoError(t, err)
	assert.Contains(t, string(host), "container-workshop-"+other)
}
