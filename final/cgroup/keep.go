//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// keepQuota fills in the quota of a cgroup of version 2 where only a period is given: both are in one file there.
func (c *Cgroup) keepQuota(resources *specs.LinuxResources) (*specs.LinuxResources, error) {
	d := c.DirOf("cpu")
	cpu := resources.CPU
	if d == nil || d.Version == 1 || cpu == nil || isSet(cpu.Quota) || !isSet(cpu.Period) {
		return resources, nil
	}
	text, err := os.ReadFile(path.Join(d.Path, "cpu.max"))
	if errors.Is(err, fs.ErrNotExist) {
		return resources, nil
	}
	if err != nil {
		return nil, fmt.Errorf("linux.resources.cpu.period: %w", err)
	}
	quota, _, _ := strings.Cut(string(text), " ")
	number, err := strconv.ParseInt(quota, 10, 64)
	if err != nil {
		return resources, nil
	}
	r, withQuota := *resources, *cpu
	withQuota.Quota = &number
	r.CPU = &withQuota
	return &r, nil
}

// keepTCP fills in the limit on the memory of sockets of version 1 where it has been set to less than that on memory, which is given
// now: it stays. Otherwise it goes with that on memory, see memoryOfTCP.
func (c *Cgroup) keepTCP(resources *specs.LinuxResources) *specs.LinuxResources {
	d := c.DirOf("memory")
	memory := resources.Memory
	if d == nil || d.Version == 2 || memory == nil || !isSet(memory.Limit) || isSet(memory.KernelTCP) {
		return resources
	}
	tcp, err := readNumber(path.Join(d.Path, "memory.kmem.tcp.limit_in_bytes"))
	limit, err2 := readNumber(path.Join(d.Path, "memory.limit_in_bytes"))
	if err != nil || err2 != nil || tcp >= limit && limit != -1 || tcp == -1 {
		return resources
	}
	r, withTCP := *resources, *memory
	withTCP.KernelTCP = &tcp
	r.Memory = &withTCP
	return &r
}
