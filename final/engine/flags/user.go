//go:build linux

package flags

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/spec"
)

// maxGroups is how many groups a process can have. NGROUPS_MAX, getgroups(2)
const maxGroups = 1 << 16

// isNumber reports whether a user or group is an ID. Digits are always an ID, even if the container has a user with this name.
func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// checkedUser refuses a text that cannot be USER[:GROUP], whatever the container's files say.
func checkedUser(text string) (string, error) {
	parts := strings.Split(text, ":")
	if len(parts) > 2 || slices.ContainsFunc(parts, func(part string) bool { return part == "" || part[0] == '-' || part[0] == '+' }) {
		return "", errors.New("must be USER or USER:GROUP, with names or numbers, such as nobody or 1000:1000")
	}
	for _, part := range parts {
		if isNumber(part) {
			if _, err := parseID(part); err != nil {
				return "", err
			}
		}
	}
	return text, spec.CheckPrintable(text)
}

// FindUser looks up USER[:GROUP] in the container's /etc/passwd and /etc/group, and also returns the user's home directory, or "/". "" is
// user 0. An ID need not be in the files: an unknown user ID has the same number as group ID. Without GROUP the user also has the groups
// that list the user. passwd(5), group(5)
//
// read reads one of the two files. If read is nil or returns [fs.ErrNotExist], the container has no such file.
func FindUser(text string, read func(name string) ([]byte, error)) (user specs.User, home string, err error) {
	text = cmp.Or(text, "0")
	if _, err := checkedUser(text); err != nil {
		return user, "", err
	}
	name, group, hasGroup := strings.Cut(text, ":")
	user, name, home, err = findAccount(name, read)
	switch {
	case err != nil:
	case hasGroup && isNumber(group):
		user.GID, err = parseID(group)
	case hasGroup || name != "":
		err = findGroups(&user, name, group, read)
	}
	if err != nil {
		return specs.User{}, "", err
	}
	return user, home, nil
}

// findAccount returns a user's IDs, name and home directory. An ID that is not in the file has no name.
func findAccount(text string, read func(name string) ([]byte, error)) (user specs.User, name, home string, err error) {
	number := isNumber(text)
	if number {
		if user.UID, err = parseID(text); err != nil {
			return user, "", "", err
		}
		user.GID = user.UID
	}
	records, err := readRecords("/etc/passwd", 6, read)
	for _, fields := range records {
		uid, err1 := parseID(fields[2])
		gid, err2 := parseID(fields[3])
		if err1 == nil && err2 == nil && (number && uid == user.UID || !number && fields[0] == text) {
			return specs.User{UID: uid, GID: gid}, fields[0], cmp.Or(fields[5], "/"), nil
		}
	}
	if err == nil && !number {
		err = fmt.Errorf("no user %q in /etc/passwd of the container: use a name from this file, or a number", text)
	}
	return user, "", "/", err
}

// findGroups sets the group with a name, or without a name the additional groups of a member.
func findGroups(user *specs.User, member, name string, read func(name string) ([]byte, error)) error {
	records, err := readRecords("/etc/group", 4, read)
	if err != nil {
		return err
	}
	for _, fields := range records {
		gid, err := parseID(fields[2])
		switch {
		case err != nil:
		case name != "" && fields[0] == name:
			user.GID = gid
			return nil
		case name == "" && gid != user.GID && slices.Contains(strings.Split(fields[3], ","), member):
			user.AdditionalGids = append(user.AdditionalGids, gid)
		}
	}
	if name != "" {
		return fmt.Errorf("no group %q in /etc/group of the container: use a name from this file, or a number", name)
	}
	slices.Sort(user.AdditionalGids)
	user.AdditionalGids = slices.Compact(user.AdditionalGids)
	if len(user.AdditionalGids) > maxGroups {
		return fmt.Errorf("%s is in more than %d groups: name one group, such as %s:%d", member, maxGroups, member, user.GID)
	}
	return nil
}

// readRecords returns the fields of each line of /etc/passwd or /etc/group.
func readRecords(name string, least int, read func(name string) ([]byte, error)) ([][]string, error) {
	if read == nil {
		return nil, nil
	}
	data, err := read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s of the container: %w", name, err)
	}
	return spec.Records(data, least), nil
}
