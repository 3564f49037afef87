//go:build linux

package cgroup

import (
	"path"
)

// OOMKills returns how many processes the kernel has killed because the container used more memory than its limit, and the limit in
// bytes or -1. Call OOMKills before Remove, to explain why a command ended by SIGKILL. Without a memory controller, and after Remove,
// OOMKills returns 0 and -1. cgroup-v2.rst, "memory.events"
func (c *Cgroup) OOMKills() (kills uint64, limit int64, err error) {
	d := c.DirOf("memory")
	if d == nil {
		return 0, -1, nil
	}
	events, max := "memory.oom_control", "memory.limit_in_bytes"
	if d.Version == 2 {
		events, max = "memory.events", "memory.max"
	}
	text, err := readFile(path.Join(d.Path, events))
	if err == nil {
		limit, err = readNumber(path.Join(d.Path, max))
	}
	if IsGone(err) {
		return 0, -1, nil
	}
	return Field(string(text), "oom_kill"), limit, err
}
