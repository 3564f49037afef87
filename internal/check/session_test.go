//go:build linux

package check

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestARunThatHasEndedSaysHow(t *testing.T) {
	for script, says := range map[string]string{
		"echo ready; exit 3": `the command should still run, but the status is 3, and run printed "ready"`,
		"kill -KILL $$":      "the signal SIGKILL ended run itself",
	} {
		s, err := (&Program{Path: "/bin/sh"}).start(call{args: []string{"-c", script}})
		require.NoError(t, err)
		<-s.ended
		_, err = s.container()
		require.EqualError(t, err, says)
	}
}
