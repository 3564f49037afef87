//go:build linux

package rootless

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Range is a part of an ID map: Size IDs from Inside on, in the user namespace, are the IDs from Host on.
type Range struct{ Inside, Host, Size uint64 }

// maps are the ID maps of a user, and the programs that write them. With one ID there are no programs: a user may write such a map.
type maps struct {
	uids, gids           []Range
	newuidmap, newgidmap string
}

// ids returns the maps of the user who runs final: the user is root in the user namespace, and the ranges of /etc/subuid and /etc/subgid
// follow. If the user has no ranges, or nobody can write such maps, root is the only ID. why says what is missing. subuid(5), newuidmap(1)
func (h *Host) ids() (m maps, why error) {
	uid, gid := os.Getuid(), os.Getgid()
	one := maps{uids: []Range{{0, uint64(uid), 1}}, gids: []Range{{0, uint64(gid), 1}}}
	m = one
	for _, file := range []struct {
		name, program string
		ranges        *[]Range
		path          *string
	}{{"/etc/subuid", "newuidmap", &m.uids, &m.newuidmap}, {"/etc/subgid", "newgidmap", &m.gids, &m.newgidmap}} {
		more, count, err := subordinate(filepath.Join(h.Root, file.name), []string{strconv.Itoa(uid), h.User}, (*file.ranges)[0])
		if err != nil {
			return one, err
		}
		if err := h.NoRange(file.name, count); count == 0 {
			return one, err
		} else if why == nil {
			why = err
		}
		*file.ranges = append(*file.ranges, more...)
		if *file.path, err = h.NoProgram(file.program); err != nil {
			return one, err
		}
	}
	return m, why
}

// maxRanges bounds how many ranges a map has. The kernel takes 340. user_namespaces(7)
const maxRanges = 300

// subordinate reads the ranges of a user from a file, and counts their IDs. The IDs inside are 1, 2, …, without a gap. The kernel takes no ID
// twice, so a range is left out if it overlaps an earlier one or the range of the user's own ID.
func subordinate(file string, names []string, own Range) (ranges []Range, count uint64, err error) {
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, 0, err
	}
	next := uint64(1)
	for line := range strings.Lines(string(content)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) != 3 || len(ranges) == maxRanges {
			continue
		}
		start, err := strconv.ParseUint(fields[1], 10, 32)
		size, err2 := strconv.ParseUint(fields[2], 10, 32)
		if errors.Join(err, err2) != nil || size == 0 || fields[0] != names[0] && fields[0] != names[len(names)-1] {
			continue
		}
		overlaps := func(r Range) bool { return start < r.Host+r.Size && r.Host < start+size }
		if overlaps(own) || slices.ContainsFunc(ranges, overlaps) {
			continue
		}
		ranges = append(ranges, Range{next, start, size})
		next += size
	}
	return ranges, next - 1, nil
}

// arguments are those of newuidmap and newgidmap for a process.
func arguments(program string, pid int, ranges []Range) []string {
	args := []string{program, strconv.Itoa(pid)}
	for _, r := range ranges {
		args = append(args, fmt.Sprint(r.Inside), fmt.Sprint(r.Host), fmt.Sprint(r.Size))
	}
	return args
}

// lines are the ranges as the kernel reads them.
func lines(ranges []Range) []byte {
	var all []byte
	for _, r := range ranges {
		all = fmt.Appendf(all, "%d %d %d\n", r.Inside, r.Host, r.Size)
	}
	return all
}

// One reports whether the user namespace of this process has only one user or only one group.
func One() bool {
	for _, file := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		content, err := os.ReadFile(file)
		fields := strings.Fields(string(content))
		if err == nil && len(fields) == 3 && fields[2] == "1" {
			return true
		}
	}
	return false
}

// outerNamespace opens the user namespace that final has made for a process: the process may be in a further one below.
func outerNamespace(pid int) (int, error) {
	var ours unix.Stat_t
	if err := unix.Stat("/proc/self/ns/user", &ours); err != nil {
		return -1, fmt.Errorf("stat /proc/self/ns/user: %w", err)
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/user", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EACCES) {
		err = fmt.Errorf("%w (does it execute a program that you may not read? then you can only kill and delete this container)", err)
	}
	if err != nil {
		return -1, fmt.Errorf("open the user namespace of process %d: %w", pid, err)
	}
	for {
		above, err := unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
		if err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("the user namespace of process %d: %w (is this container of another user?)", pid, err)
		}
		var stat unix.Stat_t
		err = unix.Fstat(above, &stat)
		if err == nil && stat.Ino == ours.Ino && stat.Dev == ours.Dev {
			unix.Close(above)
			return fd, nil
		}
		unix.Close(fd)
		fd = above
	}
}
