//go:build linux

package network

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestANamespaceIsPassed(t *testing.T) {
	ours, its, err := Passage()
	require.NoError(t, err)
	defer ours.Close()
	defer its.Close()
	namespace, err := os.Open("/proc/self/ns/net")
	require.NoError(t, err)
	defer namespace.Close()
	require.NoError(t, Pass(ours, namespace))
	passed, err := Passed(its)
	require.NoError(t, err)
	defer passed.Close()
	want, err := namespace.Stat()
	require.NoError(t, err)
	got, err := passed.Stat()
	require.NoError(t, err)
	assert.True(t, os.SameFile(want, got))
}

// final has failed, or somebody has killed it. Nobody waits for ever then.
func TestNobodyPassesANamespaceAnyMore(t *testing.T) {
	ours, its, err := Passage()
	require.NoError(t, err)
	defer its.Close()
	require.NoError(t, ours.Close())
	_, err = Passed(its)
	assert.ErrorIs(t, err, errNoNamespace)
}
