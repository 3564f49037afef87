//go:build linux

package idmap

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/needs"
)

func TestReadReturnsTheMapsOfAProcess(t *testing.T) {
	needs.Root(t)
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 10}, {ContainerID: 20, HostID: 5, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 200000, Size: 30}},
	}
	require.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	ids, err := Read(cmd.Process.Pid)
	require.NoError(t, err)
	assert.Equal(t, &IDs{
		Users:  []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 10}, {ContainerID: 20, HostID: 5, Size: 1}},
		Groups: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200000, Size: 30}},
	}, ids)
	uid, gid, ok := ids.Root()
	assert.Equal(t, []any{100000, 200000, true}, []any{uid, gid, ok})

	assert.Equal(t, Owner{3, 4, true, 100003, 200004}, ids.OwnerOf(&unix.Stat_t{Uid: 100003, Gid: 200004}))
	assert.Equal(t, Owner{20, nobody, false, 5, -1}, ids.OwnerOf(&unix.Stat_t{Uid: 5, Gid: 0}))
	assert.Equal(t, Owner{7, 8, true, 7, 8}, (*IDs)(nil).OwnerOf(&unix.Stat_t{Uid: 7, Gid: 8}))
	ids.Users = ids.Users[1:]
	_, _, ok = ids.Root()
	assert.False(t, ok)
	_, err = Read(1 << 30)
	assert.Error(t, err)
}
