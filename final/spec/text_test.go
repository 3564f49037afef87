//go:build linux

package spec

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRecords(t *testing.T) {
	text := "root:x:0:0::/root:/bin/sh\n\n:x:1:1::/:\nshort:x:2\nnul:x:3:3::/\x00:\n  app:x:4:4::/a: \r\nlast:x:5:5::/l"
	assert.Equal(t, [][]string{
		{"root", "x", "0", "0", "", "/root", "/bin/sh"},
		{"app", "x", "4", "4", "", "/a", ""},
		{"last", "x", "5", "5", "", "/l"},
	}, Records([]byte(text), 6))
	assert.Empty(t, Records(nil, 1))
}

func TestCPUs(t *testing.T) {
	for list, want := range map[string]uint64{"0": 1, "0-3,5": 0b101111, "1, 1,0-1": 0b11} {
		mask, err := CPUs(list)
		assert.NoError(t, err, list)
		assert.Len(t, mask, MaxCPUs/64)
		assert.Equal(t, want, mask[0], list)
	}
	mask, err := CPUs("64,8191")
	assert.NoError(t, err)
	assert.Equal(t, []uint64{0, 1, 1 << 63}, []uint64{mask[0], mask[1], mask[127]})
	for _, list := range []string{"", ",", "1,", "x", "-1", "1-", "3-1", "1-2-3", "0 1", "1\n", "8192", "0-8192", "99999999999999999999"} {
		_, err := CPUs(list)
		assert.ErrorContains(t, err, "must be numbers below 8192 and ranges", list)
	}
}
