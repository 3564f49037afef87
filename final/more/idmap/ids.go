//go:build linux

package idmap

import (
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// IDs are the maps of a user namespace. Nil stands for the host's, in which every ID is itself. user_namespaces(7)
type IDs struct{ Users, Groups []specs.LinuxIDMapping }

// Read reads the maps of a process.
func Read(pid int) (*IDs, error) {
	ids := &IDs{}
	for name, list := range map[string]*[]specs.LinuxIDMapping{"uid_map": &ids.Users, "gid_map": &ids.Groups} {
		file := fmt.Sprintf("/proc/%d/%s", pid, name)
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(content)) {
			var m specs.LinuxIDMapping
			if _, err := fmt.Sscan(line, &m.ContainerID, &m.HostID, &m.Size); err != nil {
				return nil, fmt.Errorf("%s: unknown line %q", file, line)
			}
			*list = append(*list, m)
		}
	}
	return ids, nil
}

// Root returns who user 0 and group 0 of the namespace are on the host. ok is false if the namespace has not both.
func (ids *IDs) Root() (uid, gid int, ok bool) {
	uid, isUser := onHost(ids.Users, 0)
	gid, isGroup := onHost(ids.Groups, 0)
	return uid, gid, isUser && isGroup
}

// nobody is who a user namespace shows as the owner of a file if the owner has no ID there. /proc/sys/kernel/overflowuid, proc(5)
const nobody = 65534

// An Owner is the owner of a file as a user namespace shows it.
type Owner struct {
	// UID and GID are the IDs in the namespace, and Known says that they are true: otherwise at least one of them stands for an ID that the
	// namespace does not have.
	UID, GID uint32
	Known    bool
	// HostUID and HostGID are who UID and GID are on the host, -1 if the namespace does not have them.
	HostUID, HostGID int
}

// OwnerOf returns the owner of a file.
func (ids *IDs) OwnerOf(stat *unix.Stat_t) Owner {
	if ids == nil {
		return Owner{stat.Uid, stat.Gid, true, int(stat.Uid), int(stat.Gid)}
	}
	uid, isUser := inside(ids.Users, stat.Uid)
	gid, isGroup := inside(ids.Groups, stat.Gid)
	o := Owner{UID: uid, GID: gid, Known: isUser && isGroup, HostUID: -1, HostGID: -1}
	if id, ok := onHost(ids.Users, uid); ok {
		o.HostUID = id
	}
	if id, ok := onHost(ids.Groups, gid); ok {
		o.HostGID = id
	}
	return o
}

// RootMay reports whether root of the namespace has rights to a file: 4 to read, 2 to write, 1 to execute or search. Root has all rights to
// files whose owner and group are both known. To other files it is a user like any other. capabilities(7), "Interaction with user namespaces"
func (ids *IDs) RootMay(stat *unix.Stat_t, rights uint32) bool {
	owner, mode := ids.OwnerOf(stat), stat.Mode
	switch {
	case owner.Known:
		return true
	case owner.UID == 0:
		mode >>= 6
	case owner.GID == 0:
		mode >>= 3
	}
	return mode&rights == rights
}

// MayMake returns an error if root of the namespace may not make files in a directory.
func (ids *IDs) MayMake(dir int) error {
	const write, search = 2, 1
	var stat unix.Stat_t
	err := unix.Fstat(dir, &stat)
	if err == nil && !ids.RootMay(&stat, write|search) {
		err = unix.EACCES
	}
	return err
}

// onHost returns the ID on the host of an ID in the namespace.
func onHost(maps []specs.LinuxIDMapping, id uint32) (int, bool) {
	for _, m := range maps {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return int(m.HostID + id - m.ContainerID), true
		}
	}
	return 0, false
}

// inside returns the ID in the namespace of an ID on the host, or nobody.
func inside(maps []specs.LinuxIDMapping, id uint32) (uint32, bool) {
	for _, m := range maps {
		if id >= m.HostID && id-m.HostID < m.Size {
			return m.ContainerID + id - m.HostID, true
		}
	}
	return nobody, false
}
