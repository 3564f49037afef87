//go:build linux

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The configuration names the scope of a container whose state is lost, or leaves it to the default.
func TestSystemdHasTheScopeOfALostContainer(t *testing.T) {
	for _, named := range []bool{true, false} {
		c := newScope(t, named, "sleep", "1000")
		c.started()
		c.lose("")
		status, _ := c.status()
		assert.Equal(t, "running", status)
		refused(t, c.final("delete", c.id), 1, c.id, "running")
		c.inside(1)
		require.Equal(t, result{}, c.final("delete", "--force", c.id))
		c.nothingLeft()
	}
}
