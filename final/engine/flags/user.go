//go:build linux

package flags

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/spec"
)

// MaxAccounts is how much of the container's /etc/passwd and /etc/group is read, in bytes.
const MaxAccounts = 1 << 20

// maxGroups is how many groups a process can have. NGROUPS_MAX, getgroups(2)
const maxGroups = 1 << 16

// parseID reads a user or group ID: digits only, without leading zeros. The last number of 32 bits is none: to the kernel
// it says "leave it as it is", which is root. setresuid(2)
func parseID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == math.MaxUint32 || len(text) > 1 && text[0] == '0' {
		return 0, fmt.Errorf("ID %q: must be a number from 0 to %d", text, uint32(math.MaxUint32)-1)
	}
	return uint32(n), nil
}

// isNumber reports whether a user or group is meant as an ID. There may be a name of digits too: the number wins.
func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// checkedUser refuses what cannot be USER[:GROUP], whatever the container's files say.
func checkedUser(text string) (string, error) {
	user, group, hasGroup := strings.Cut(text, ":")
	signed := strings.HasPrefix(user, "-") || strings.HasPrefix(user, "+") || strings.HasPrefix(group, "-") || strings.HasPrefix(group, "+")
	if user == "" || hasGroup && group == "" || strings.Contains(group, ":") || signed {
		return "", errors.New("must be USER or USER:GROUP, with names or numbers, such as nobody or 1000:1000")
	}
	for _, part := range []string{user, group} {
		if err := spec.CheckPrintable(part); err != nil {
			return "", err
		}
		if isNumber(part) {
			if _, err := parseID(part); err != nil {
				return "", err
			}
		}
	}
	return text, nil
}

// An account is what a line of /etc/passwd says. passwd(5)
type account struct {
	name     string
	uid, gid uint32
	home     string
}

// FindUser looks USER[:GROUP] up in the container's own files, and returns the home directory too ("/" if there is none).
// "" is user 0. A number need not be in the files: without entry and group its group has the same number. The groups that
// list the user are the additional ones, unless a group is given. passwd(5), group(5)
//
// A nil function, or one that returns [fs.ErrNotExist], stands for no file. At most 1 MiB of each is read.
func FindUser(text string, passwd, group func() (io.ReadCloser, error)) (specs.User, string, error) {
	if text == "" {
		text = "0"
	}
	if _, err := checkedUser(text); err != nil {
		return specs.User{}, "", err
	}
	name, groupName, hasGroup := strings.Cut(text, ":")
	found, err := findAccount(name, passwd)
	if err != nil {
		return specs.User{}, "", err
	}
	user := specs.User{UID: found.uid, GID: found.gid}
	switch {
	case hasGroup && isNumber(groupName):
		user.GID, err = parseID(groupName)
	case hasGroup || found.name != "":
		err = findGroups(&user, found.name, groupName, group)
	}
	if err != nil {
		return specs.User{}, "", err
	}
	return user, found.home, nil
}

// findAccount returns an account without a name if the user is a number that has none.
func findAccount(user string, passwd func() (io.ReadCloser, error)) (account, error) {
	number := isNumber(user)
	found := account{home: "/"}
	if number {
		id, err := parseID(user)
		if err != nil {
			return found, err
		}
		found.uid, found.gid = id, id
	}
	lines, err := accounts("/etc/passwd", passwd)
	if err != nil {
		return found, err
	}
	for _, line := range lines {
		fields := strings.Split(line, ":")
		if len(fields) < 6 || fields[0] == "" {
			continue
		}
		uid, err1 := parseID(fields[2])
		gid, err2 := parseID(fields[3])
		if err1 != nil || err2 != nil || number && uid != found.uid || !number && fields[0] != user {
			continue
		}
		home := fields[5]
		if home == "" {
			home = "/"
		}
		return account{fields[0], uid, gid, home}, nil
	}
	if !number {
		return found, fmt.Errorf("no user %q in /etc/passwd of the container: use a name from this file, or a number", user)
	}
	return found, nil
}

// findGroups sets the group that is named, or else the additional groups of the user.
func findGroups(user *specs.User, member, name string, group func() (io.ReadCloser, error)) error {
	lines, err := accounts("/etc/group", group)
	if err != nil {
		return err
	}
	for _, line := range lines {
		fields := strings.Split(line, ":")
		if len(fields) < 4 || fields[0] == "" {
			continue
		}
		gid, err := parseID(fields[2])
		if err != nil {
			continue
		}
		if name != "" && fields[0] == name {
			user.GID = gid
			return nil
		}
		if name == "" && gid != user.GID && slices.Contains(strings.Split(fields[3], ","), member) {
			user.AdditionalGids = append(user.AdditionalGids, gid)
		}
	}
	slices.Sort(user.AdditionalGids)
	user.AdditionalGids = slices.Compact(user.AdditionalGids)
	if len(user.AdditionalGids) > maxGroups {
		return fmt.Errorf("%s is in more than %d groups: name one group, such as %s:%d", member, maxGroups, member, user.GID)
	}
	if name != "" {
		return fmt.Errorf("no group %q in /etc/group of the container: use a name from this file, or a number", name)
	}
	return nil
}

// accounts returns the lines of a file. A line with a NUL is no line of text, and left out.
func accounts(name string, open func() (io.ReadCloser, error)) ([]string, error) {
	if open == nil {
		return nil, nil
	}
	file, err := open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s of the container: %w", name, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, MaxAccounts+1))
	if err != nil {
		return nil, fmt.Errorf("%s of the container: %w", name, err)
	}
	if len(data) > MaxAccounts {
		return nil, fmt.Errorf("%s of the container: must be at most 1 MiB", name)
	}
	var lines []string
	for line := range bytes.Lines(data) {
		if !bytes.ContainsRune(line, 0) {
			lines = append(lines, strings.TrimSpace(string(line)))
		}
	}
	return lines, nil
}
