//go:build linux

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHierarchies(t *testing.T) {
	for name, test := range map[string]struct {
		mounts, memberships string
		want                []hierarchy
	}{
		"version 2": {
			"30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
			"0::/user.slice/session-1.scope\n",
			[]hierarchy{{Kind: "cgroup2", Target: root, parent: root}},
		},
		"version 1": {
			"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
				"33 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n" +
				"34 31 0:30 / /mnt/cpuset rw - cgroup cgroup rw,cpuset\n",
			"3:cpuset:/\n2:cpu,cpuacct:/user.slice\n1:name=systemd:/user.slice/session-1.scope\n",
			[]hierarchy{
				{Kind: "cgroup", Options: "cpu,cpuacct", Target: root + "/cpu,cpuacct", parent: root + "/cpu,cpuacct/user.slice"},
				{Kind: "cgroup", Options: "none,name=systemd", Target: root + "/systemd",
					parent: root + "/systemd/user.slice/session-1.scope"},
			},
		},
		"hybrid, in a container": {
			"35 31 0:32 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
				"36 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"4:memory:/docker/1/child\n0::/docker/1\n",
			[]hierarchy{
				{Kind: "cgroup", Options: "memory", Target: root + "/memory", parent: root + "/memory/child"},
				{Kind: "cgroup2", Target: root + "/unified", parent: root + "/unified"},
			},
		},
		"a controller that is mounted nowhere": {"", "2:cpu:/\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := parseHierarchies(test.mounts, test.memberships)
			require.NoError(t, err)
			require.Equal(t, test.want, found)
		})
	}
}
