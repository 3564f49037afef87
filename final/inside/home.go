//go:build linux

package inside

import (
	"slices"
	"strconv"
	"strings"

	"container-workshop/final/spec"
)

// setHome sets HOME to the user's home directory if the configuration has no HOME or an empty one, because callers count on HOME. A user
// without a line in the container's /etc/passwd gets "/". passwd(5)
func (c *container) setHome() error {
	const home = "HOME="
	c.command.env = slices.DeleteFunc(c.command.env, func(variable string) bool { return variable == home })
	if slices.ContainsFunc(c.command.env, func(variable string) bool { return strings.HasPrefix(variable, home) }) {
		return nil
	}
	dir, uid := "/", strconv.FormatUint(uint64(c.User.UID), 10)
	// The container may have no such file, or something else in its place: then nobody has a line.
	passwd, _ := c.tree.ReadFileBy(c.proc, "/etc/passwd", spec.MaxRecords)
	for _, fields := range spec.Records(passwd, 6) {
		if fields[2] == uid && fields[5] != "" {
			dir = fields[5]
			break
		}
	}
	c.command.env = append(c.command.env, home+dir)
	return nil
}
