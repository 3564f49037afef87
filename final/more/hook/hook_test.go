//go:build linux

package hook

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shell is a hook that runs a script. PATH is for the script.
func shell(script string, env ...string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: append([]string{"PATH=/usr/bin:/bin"}, env...)}
}

func TestHooksRunInOrderWithTheStateOnTheirInput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "said")
	hooks := []specs.Hook{shell("cat >>" + file), shell("pwd >>" + file), shell("cat >>" + file + "; echo ' '$NAME >>" + file)}
	hooks[2].Env = append(hooks[2].Env, "NAME=third")
	require.NoError(t, Run("prestart", hooks, []byte("{state}"), Place{Dir: "/usr"}))
	said, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "{state}/usr\n{state} third\n", string(said))
}

func TestTheFirstHookThatFailsEndsTheList(t *testing.T) {
	file := filepath.Join(t.TempDir(), "said")
	err := Run("createRuntime", []specs.Hook{shell("true"), shell("echo why; exit 3"), shell("touch " + file)}, nil, Place{})
	require.Error(t, err)
	assert.Equal(t, "error running createRuntime hook #1: /bin/sh: exit status 3, and printed: why", err.Error())
	assert.NoFileExists(t, file)

	err = RunOne("poststop", []specs.Hook{shell("true"), shell("exit 4")}, 1, nil, Place{})
	assert.ErrorContains(t, err, "poststop hook #1: /bin/sh: exit status 4")
}

func TestOfWhatAHookPrintsTheEndIsTold(t *testing.T) {
	err := Run("prestart", []specs.Hook{shell("yes first | head -n 10000; echo last; false")}, nil, Place{})
	require.Error(t, err)
	assert.True(t, strings.HasSuffix(err.Error(), "first\nlast"), err)
	assert.Less(t, len(err.Error()), 2*most)
}

// The hook is killed: it waits for input that never ends. Without a limit it would never end.
func TestAHookThatTakesTooLongIsKilled(t *testing.T) {
	slow := shell("exec tail -f /dev/null")
	slow.Timeout = new(int)
	*slow.Timeout = 1
	assert.ErrorContains(t, Run("prestart", []specs.Hook{slow}, nil, Place{}), "killed, because it took longer than 1 s")
}

// A hook that names no environment gets that of the place. A hook with an empty environment gets an empty environment.
func TestAnEnvironmentThatIsNotNamedIsThatOfThePlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "said")
	place := Place{Env: []string{"WHO=place", "PATH=/usr/bin:/bin"}}
	for want, env := range map[string][]string{"place\n": nil, "\n": {}} {
		hook := shell("echo $WHO >" + file)
		hook.Env = env
		// It is the same after it has been a file.
		text, err := json.Marshal(Lists(&specs.Hooks{Poststop: []specs.Hook{hook}}))
		require.NoError(t, err)
		var read specs.Hooks
		require.NoError(t, json.Unmarshal(text, &read))
		for _, hooks := range [][]specs.Hook{{hook}, read.Poststop} {
			require.NoError(t, Run("poststop", hooks, nil, place))
			said, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, want, string(said), "%v", env)
		}
	}
}
