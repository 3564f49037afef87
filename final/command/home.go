//go:build linux

package command

import (
	"slices"
	"strconv"
	"strings"

	"container-workshop/final/spec"
)

// Home returns HOME=… with the user's home directory if the environment has no HOME or an empty one, because callers count on HOME. Otherwise it
// returns "". A user without a line in the container's /etc/passwd gets "/". passwd(5)
func (p *Place) Home(uid uint32, env []string) string {
	const home = "HOME="
	if slices.ContainsFunc(env, func(variable string) bool { return strings.HasPrefix(variable, home) && variable != home }) {
		return ""
	}
	dir, id := "/", strconv.FormatUint(uint64(uid), 10)
	// The container may have no such file, or another kind of file there: then nobody has a line.
	passwd, _ := p.Root.ReadFileBy(p.Proc, "/etc/passwd", spec.MaxRecords)
	for _, fields := range spec.Records(passwd, 6) {
		if fields[2] == id && fields[5] != "" {
			dir = fields[5]
			break
		}
	}
	return home + dir
}
