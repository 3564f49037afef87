//go:build linux

package spec

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestValidateID(t *testing.T) {
	for _, id := range []string{"a", "0", "_", "+", "A.b-c_d+9", strings.Repeat("x", 255)} {
		assert.NoError(t, ValidateID(id), id)
	}
	for _, id := range []string{"", ".", "..", ".a", "-a", "-", "a/b", "../../x", "a b", "a\x00", "ä", "a:b", "a@b", strings.Repeat("x", 256), strings.Repeat("/", 300)} {
		err := ValidateID(id)
		require.Error(t, err, id)
		assert.Less(t, len(err.Error()), 250)
	}
}

func TestMakeID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id, err := MakeID()
		require.NoError(t, err)
		require.NoError(t, ValidateID(id))
		require.Len(t, id, 12)
		require.Empty(t, strings.Trim(id, "0123456789abcdef"))
		seen[id] = true
	}
	assert.Len(t, seen, 1000)
}
