//go:build linux

package check

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"container-workshop/internal/trace"
)

// wrongRoot are mistakes about the root directory.
var wrongRoot = []mistake{
	{4, []string{starts}, func(e *evidence) string {
		root, self := e.first("chroot"), e.first("execve", "/proc/self/exe")
		if root >= 0 && root < self && !e.by("run", root) {
			return "Chroot in SysProcAttr acts before the kernel looks up /proc/self/exe. The root directory has to change in child."
		}
		return ""
	}},
	{4, []string{starts, ownRoot}, func(e *evidence) string {
		if e.by("run", e.first("chroot")) {
			return "run changes its own root directory: that is the work of child."
		}
		return ""
	}},
	{4, []string{ownRoot}, func(e *evidence) string {
		if e.never("chroot") && e.never("pivot_root") {
			return "Nothing changes the root directory of the command."
		}
		return ""
	}},
	{4, []string{startsAtTop}, func(e *evidence) string {
		root := e.first("chroot")
		if e.cut || root < 0 || e.next(root, "chdir") >= 0 || e.next(root, "fchdir") >= 0 {
			return ""
		}
		if e.first("chdir") >= 0 {
			return "You changed the working directory before chroot, so it is a directory of the host."
		}
		return "After chroot, the working directory is still a directory of the host: nothing changes it."
	}},
	{4, []string{ownPath}, func(e *evidence) string {
		if e.first("chroot") < 0 {
			return ""
		}
		return "The command is looked up before chroot, or with the PATH of the host."
	}},
}

// onlyTop is the diagnosis for MS_PRIVATE without MS_REC.
const onlyTop = "You made only the mount on / private. The mounts below it are still shared with the host."

// wrongMounts are mistakes about proc and the propagation of mounts.
var wrongMounts = []mistake{
	{5, []string{starts}, func(e *evidence) string {
		root, private := e.first("chroot"), e.private()
		if root < 0 || private < root || e.calls[private].Err == 0 {
			return ""
		}
		return "You make the mounts private after chroot. The call needs a mount point, and the new / is an ordinary directory."
	}},
	{5, []string{procMounted}, func(e *evidence) string {
		if !strings.Contains(e.seen, "the container has no proc") {
			return ""
		}
		return e.misplaced("proc", "/proc")
	}},
	{5, []string{procMounted, tmpfsMounted}, func(e *evidence) string {
		leaks := strings.Contains(e.seen, "the host has")
		// mount is the first mount that could reach the host.
		mount := slices.IndexFunc(e.calls, func(c trace.Call) bool { return c.Name == "mount" && (c.Has(`"proc"`) || c.Has(`"tmpfs"`)) })
		switch private := e.private(); {
		case !leaks:
			return ""
		case private < 0 && e.cut:
			return ""
		case private < 0:
			return "You did not make the mounts private. Where / is shared, every mount of the container appears on the host."
		case e.by("run", private):
			return "run makes the mounts private, and run is in the mount namespace of the host."
		case mount >= 0 && mount < private:
			return "You make the mounts private too late: an earlier mount has reached the host already."
		case !e.calls[private].Has("MS_REC"):
			return onlyTop
		}
		return ""
	}},
	{5, []string{procShared}, func(e *evidence) string {
		if i := e.private(); i >= 0 && !e.calls[i].Has("MS_REC") {
			return onlyTop
		}
		return ""
	}},
}

// private returns the index of the call that keeps later mounts from the host, or -1.
func (c calls) private() int {
	return slices.IndexFunc(c, func(call trace.Call) bool {
		return call.Name == "mount" && (call.Has("MS_PRIVATE") || call.Has("MS_SLAVE") || call.Has("MS_UNBINDABLE"))
	})
}

// misplaced says why the container does not see a mount of this type.
func (e *evidence) misplaced(fstype, place string) string {
	root := e.first("chroot")
	switch i := e.first("mount", `"`+fstype+`"`); {
	case e.never("mount", `"`+fstype+`"`):
		return fmt.Sprintf("Nothing mounts a %s for the container.", fstype)
	case e.by("run", i):
		return fmt.Sprintf("run mounts the %s, and run is on the host.", fstype)
	case i >= 0 && i < root:
		return fmt.Sprintf("You mount the %s before chroot, so the mount is on the %s of the host. Nothing is mounted in the new root directory.", fstype, place)
	}
	return ""
}

// wrongCgroups are mistakes about cgroups.
var wrongCgroups = []mistake{
	{6, []string{starts, inCgroups}, func(e *evidence) string {
		root := e.first("chroot")
		if root < 0 || e.next(root, "mkdir", "cgroup") < 0 && !strings.Contains(e.seen, "/sys/fs/cgroup") || e.first("mkdir", "cgroup") >= 0 && e.first("mkdir", "cgroup") < root {
			return ""
		}
		return "You join the cgroups after chroot, where the /sys of the host is out of sight."
	}},
	{6, []string{inCgroups}, func(e *evidence) string {
		switch {
		case e.never("mkdir", "cgroup"):
			return "Nothing makes a cgroup for the container."
		case e.never("write", "cgroup.procs"):
			return "The cgroup is there, but nothing puts the command into it."
		}
		return ""
	}},
	{6, []string{neverOutside}, func(e *evidence) string {
		if e.by("run", e.first("write", "cgroup.procs")) {
			return "run puts child into the cgroup, but child is already running by then."
		}
		return ""
	}},
	{6, []string{swapLimited}, func(e *evidence) string {
		if e.never("write", "memory.swap.max") && e.never("write", "memory.memsw.limit_in_bytes") {
			return "You limit memory, but not swap: what does not fit goes to the disk of the host."
		}
		return ""
	}},
	{6, []string{cgroupsGone, cgroupsPileUp}, func(e *evidence) string {
		removals := slices.DeleteFunc(slices.Clone(e.calls), func(c trace.Call) bool { return c.Name != "rmdir" || !mentions(c, "cgroup") })
		switch {
		case e.cut:
			// run removes the cgroups at the end.
			return ""
		case len(removals) == 0:
			return "Nothing removes the cgroups of the container."
		case !slices.ContainsFunc(removals, func(c trace.Call) bool { return c.Process == "run" }):
			return "The container tries to remove the cgroup that it is still in. Only run can do that, after the container has ended."
		}
		made := e.first("mkdir", "cgroup")
		name := func(c trace.Call) string { return filepath.Base(strings.Trim(c.Args[0], `"`)) }
		if made >= 0 && !slices.ContainsFunc(removals, func(c trace.Call) bool { return name(c) == name(e.calls[made]) }) {
			return fmt.Sprintf("You make a cgroup %s, and remove a cgroup %s, which does not exist.", name(e.calls[made]), name(removals[0]))
		}
		return ""
	}},
}

// wrongTmpfs are mistakes about the tmpfs.
var wrongTmpfs = []mistake{
	{7, []string{tmpfsMounted}, func(e *evidence) string {
		if !strings.Contains(e.seen, "the container has no tmpfs") {
			return ""
		}
		return e.misplaced("tmpfs", "/mytemp")
	}},
	{7, []string{starts, tmpfsElsewhere}, func(e *evidence) string {
		i := e.first("mount", `"tmpfs"`)
		switch noDirectory := strings.Contains(e.seen, "no such file or directory"); {
		case i < 0 || !noDirectory || e.first("chroot") > i:
			return ""
		case strings.Contains(e.seen, "mkdir"):
			return "You make the last directory of the path, but not the directories above it."
		}
		return "Nothing makes the directory for the tmpfs. A mount needs a directory to be mounted on."
	}},
	{7, []string{tmpfsSize}, func(e *evidence) string {
		if i := e.first("mount", `"tmpfs"`); i >= 0 && !mentions(e.calls[i], "size=") {
			return "The tmpfs has no size, so it can take half of the memory of the host."
		}
		return ""
	}},
}

// refusedCall is the last resort: it names the call that failed.
var refusedCall = []mistake{
	{1, []string{starts}, func(e *evidence) string {
		call, refused := e.refused()
		if !refused {
			return ""
		}
		return "The kernel refuses " + call.String() + "."
	}},
}
