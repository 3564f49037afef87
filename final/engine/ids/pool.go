//go:build linux

package ids

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Owner is the user whose subordinate IDs containers get, as for podman run --userns auto. subuid(5), subgid(5)
const Owner = "containers"

const subuid, subgid = "/etc/subuid", "/etc/subgid"

// Pool returns all ranges that containers may have. root is the root directory of the host. It returns an error if only one of the two
// files has the user, or if there is no room for a range.
func Pool(root string) ([]Range, error) {
	users, err := starts(filepath.Join(root, subuid))
	if err != nil {
		return nil, err
	}
	groups, err := starts(filepath.Join(root, subgid))
	if err != nil {
		return nil, err
	}
	if users == nil && groups == nil {
		users = split(nil, first, last-first+1)
		groups = users
	}
	var pool []Range
	for i := range min(len(users), len(groups)) {
		pool = append(pool, Range{users[i], groups[i]})
	}
	if pool == nil {
		return nil, fmt.Errorf("%s and %s: the user %s needs at least %d IDs in each file: write %s:%d:%d into both, or remove the user from both",
			subuid, subgid, Owner, Size, Owner, first, 64*Size)
	}
	return pool, nil
}

// starts returns where the ranges of the owner start. It is nil if the file is missing, or does not name the owner.
func starts(name string) ([]uint32, error) {
	content, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []uint32
	for line := range strings.Lines(string(content)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if fields[0] != Owner {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("%s: line %q: must be NAME:FIRST:COUNT", name, strings.TrimSpace(line))
		}
		begin, err1 := strconv.ParseUint(fields[1], 10, 32)
		count, err2 := strconv.ParseUint(fields[2], 10, 32)
		// The kernel has no user with the highest ID, and below Size are the users of the host.
		if err1 != nil || err2 != nil || begin < Size || begin+count >= 1<<32 {
			return nil, fmt.Errorf("%s: line %q: must be NAME:FIRST:COUNT, with IDs from %d to %d", name, strings.TrimSpace(line), Size, uint32(1<<32-2))
		}
		all = split(all, begin, count)
		if all == nil {
			all = []uint32{}
		}
	}
	return all, nil
}

// split adds the starts of the ranges that count IDs have room for.
func split(all []uint32, begin, count uint64) []uint32 {
	for ; count >= Size; begin, count = begin+Size, count-Size {
		all = append(all, uint32(begin))
	}
	return all
}
