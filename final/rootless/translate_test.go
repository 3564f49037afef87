//go:build linux

package rootless

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMapsOfAConfigurationNameIDsOfTheHost(t *testing.T) {
	ours := []Range{{0, 1000, 1}, {1, 100000, 10}, {11, 100010, 5}}
	for name, c := range map[string]struct{ list, want []specs.LinuxIDMapping }{
		"one's own ID":       {[]specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}}, []specs.LinuxIDMapping{{ContainerID: 0, HostID: 0, Size: 1}}},
		"the second half":    {[]specs.LinuxIDMapping{{ContainerID: 7, HostID: 100005, Size: 5}}, []specs.LinuxIDMapping{{ContainerID: 7, HostID: 6, Size: 5}}},
		"two ranges of ours": {[]specs.LinuxIDMapping{{ContainerID: 0, HostID: 100009, Size: 3}}, []specs.LinuxIDMapping{{ContainerID: 0, HostID: 10, Size: 1}, {ContainerID: 1, HostID: 11, Size: 2}}},
	} {
		got, err := translate(c.list, ours)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got, name)
	}
	for _, wrong := range []specs.LinuxIDMapping{{HostID: 0, Size: 1}, {HostID: 1000, Size: 2}, {HostID: 100014, Size: 2}} {
		_, err := translate([]specs.LinuxIDMapping{wrong}, ours)
		assert.ErrorIs(t, err, errNotYours)
	}
}

func TestRangesOfAUser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subuid")
	require.NoError(t, os.WriteFile(file, []byte("# comment\nbob:1:2\nalice:100000:65536\n\nalice:x:1\n1000:300000:10\nalice:400000:0\nalice2:1:1\n"), 0o600))
	ranges, count, err := subordinate(file, []string{"1000", "alice"}, Range{0, 1000, 1})
	require.NoError(t, err)
	assert.EqualValues(t, 65546, count)
	assert.Equal(t, []Range{{1, 100000, 65536}, {65537, 300000, 10}}, ranges)
	assert.Equal(t, []string{"newuidmap", "7", "0", "1000", "1", "1", "100000", "65536", "65537", "300000", "10"},
		arguments("newuidmap", 7, append([]Range{{0, 1000, 1}}, ranges...)))
	for _, nobody := range []string{file, file + "-missing"} {
		ranges, count, err = subordinate(nobody, []string{"5", "carol"}, Range{0, 5, 1})
		require.NoError(t, err)
		assert.Empty(t, ranges)
		assert.Zero(t, count)
	}
}

// The kernel refuses a map that has an ID twice.
func TestARangeThatOverlapsAnotherOneIsLeftOut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subuid")
	require.NoError(t, os.WriteFile(file, []byte("alice:900:101\nalice:1001:5\n1000:1001:5\nalice:995:5\nalice:1005:2\nalice:990:100\n"), 0o600))
	ranges, count, err := subordinate(file, []string{"1000", "alice"}, Range{0, 1000, 1})
	require.NoError(t, err)
	assert.EqualValues(t, 10, count)
	assert.Equal(t, []Range{{1, 1001, 5}, {6, 995, 5}}, ranges)
}

func TestWhereTheStateIs(t *testing.T) {
	own, session := fmt.Sprintf("/tmp/container-workshop-%d", os.Getuid()), fmt.Sprintf("/run/user/%d", os.Getuid())
	if _, err := os.Lstat(session); err == nil {
		own = session + "/container-workshop"
	}
	t.Setenv("XDG_RUNTIME_DIR", "/run/here")
	assert.Equal(t, "/run/here/container-workshop", Root())
	for _, wrong := range []string{"", "relative"} {
		t.Setenv("XDG_RUNTIME_DIR", wrong)
		assert.Equal(t, own, Root())
	}
}
