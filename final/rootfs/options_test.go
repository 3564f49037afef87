//go:build linux

package rootfs

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		words    []string
		expected Options
	}{
		{nil, Options{}},
		{[]string{"defaults", "rw", "relatime"}, Options{Clear: unix.MOUNT_ATTR_RDONLY}},
		{[]string{"ro", "nosuid", "nodev", "noexec"}, Options{Set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}},
		{[]string{"ro", "rw"}, Options{Clear: unix.MOUNT_ATTR_RDONLY}},
		{[]string{"rw", "ro"}, Options{Set: unix.MOUNT_ATTR_RDONLY}},
		{[]string{"bind", "rro"}, Options{Bind: true, SetAll: unix.MOUNT_ATTR_RDONLY}},
		{[]string{"rbind", "rprivate"}, Options{Bind: true, Recursive: true, Propagation: unix.MS_PRIVATE, PropagationAll: true}},
		{[]string{"slave"}, Options{Propagation: unix.MS_SLAVE}},
		{[]string{"size=16m", "mode=1777", "tmpcopyup"}, Options{Data: []string{"size=16m", "mode=1777"}, CopyUp: true}},
	} {
		options, err := ParseOptions(test.words)
		assert.NoError(t, err)
		assert.Equal(t, test.expected, options, "%q", test.words)
	}
	_, err := ParseOptions([]string{"bind", "size=1m"})
	assert.ErrorContains(t, err, "size=1m")
}
