//go:build linux

package stage_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/stage"
)

func TestALineStopsAtTheCallThatFails(t *testing.T) {
	failure := errors.New("mount: permission denied")
	var made []string
	call := func(name string, err error) (string, string, func() error) {
		return name, name + "(2)", func() error { made = append(made, name); return err }
	}
	list := stage.List{Side: "host", Explain: true}
	line := list.Line()
	name, man, do := call("clone", nil)
	line.Do(name, man, 1, do)
	line.Tell("  NEWPID", "pid_namespaces(7)", 3)
	name, man, do = call("recvmsg", nil)
	line.Wait(name, man, do)
	require.NoError(t, line.Err)
	name, man, do = call("mount", failure)
	line.Do(name, man, 5, do)
	name, man, do = call("execve", nil)
	line.Do(name, man, 1, do)
	line.Tell("never", "never(2)", 0)
	assert.Equal(t, failure, line.Err)
	assert.Equal(t, []string{"clone", "recvmsg", "mount"}, made)
	assert.Equal(t, []string{"clone", "  NEWPID", "recvmsg", "mount"}, calls(list.Records))
	assert.Equal(t, []bool{false, false, true, false}, []bool{list.Records[0].Waiting, list.Records[1].Waiting, list.Records[2].Waiting, list.Records[3].Waiting})
	assert.Equal(t, 3, list.Records[1].Step)

	// The caller can clean up after a failure: a new line makes calls again.
	again := list.Line()
	name, man, do = call("rmdir", nil)
	again.Do(name, man, 0, do)
	require.NoError(t, again.Err)
	assert.Equal(t, "rmdir", made[len(made)-1])
}
