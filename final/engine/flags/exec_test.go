//go:build linux

package flags

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// parent is the configuration of a container in which something is executed. Its lists have room for more: what is appended
// by mistake would be seen.
func parent() *specs.Spec {
	caps := append(make([]string, 0, 9), "CAP_KILL")
	return &specs.Spec{Process: &specs.Process{
		User:            specs.User{UID: 5, GID: 6, Umask: new(uint32(0o27)), AdditionalGids: append(make([]uint32, 0, 9), 7)},
		Args:            []string{"first"},
		Env:             []string{"A=1", "HOME=/h"},
		Cwd:             "/w",
		ConsoleSize:     &specs.Box{Height: 1, Width: 2},
		Capabilities:    &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps, Inheritable: caps, Ambient: caps},
		NoNewPrivileges: true,
		ApparmorProfile: "profile",
		SelinuxLabel:    "label",
	}}
}

func executed(spec *specs.Spec, flags ...string) (*specs.Process, error) {
	var o ExecOptions
	set := pflag.NewFlagSet("exec", pflag.ContinueOnError)
	AddExecFlags(set, &o)
	if err := set.Parse(append(flags, "ls", "-l")); err != nil {
		return nil, err
	}
	host := testHost()
	return Exec(spec, &o, set.Args(), &host)
}

func TestExecIsAsTheFirstProcess(t *testing.T) {
	process, err := executed(parent())
	require.NoError(t, err)
	want := parent().Process
	want.Args, want.ConsoleSize = []string{"ls", "-l"}, nil
	assert.Equal(t, want, process)
}

func TestExecFlags(t *testing.T) {
	spec := parent()
	process, err := executed(spec, "--cwd", "/x/../y", "--env", "A=2", "-e", "SECRET", "-e", "ABSENT", "--tty", "--no-new-privs=false",
		"--additional-gids", "8", "-g", "9", "--cap", "net_raw", "-c", "CAP_CHOWN", "--apparmor", "p", "--process-label", "l")
	require.NoError(t, err)
	assert.Equal(t, "/y", process.Cwd)
	assert.Equal(t, []string{"A=2", "HOME=/h", "SECRET=s3cret"}, process.Env)
	assert.True(t, process.Terminal)
	assert.False(t, process.NoNewPrivileges)
	assert.Equal(t, specs.User{UID: 5, GID: 6, Umask: new(uint32(0o27)), AdditionalGids: []uint32{7, 8, 9}}, process.User)
	more := []string{"CAP_KILL", "CAP_NET_RAW", "CAP_CHOWN"}
	assert.Equal(t, &specs.LinuxCapabilities{Bounding: more, Effective: more, Permitted: more, Inheritable: more, Ambient: more}, process.Capabilities)
	assert.Equal(t, "p", process.ApparmorProfile)
	assert.Equal(t, "l", process.SelinuxLabel)
	// The container's own is as it was.
	assert.Equal(t, parent(), spec)
	caps, groups := spec.Process.Capabilities.Bounding, spec.Process.User.AdditionalGids
	assert.Equal(t, "", caps[:2][1])
	assert.Zero(t, groups[:2][1])
}

func TestExecUser(t *testing.T) {
	process, err := executed(parent(), "--user", "1:2", "--additional-gids", "3", "--cap", "CAP_CHOWN", "--no-new-privs")
	require.NoError(t, err)
	assert.Equal(t, specs.User{UID: 1, GID: 2, Umask: new(uint32(0o27)), AdditionalGids: []uint32{3}}, process.User)
	added := []string{"CAP_CHOWN"}
	assert.Equal(t, &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL", "CAP_CHOWN"}, Effective: added, Permitted: added}, process.Capabilities)
	assert.True(t, process.NoNewPrivileges)

	process, err = executed(parent(), "--user", "app")
	require.NoError(t, err)
	assert.Equal(t, uint32(1000), process.User.UID)
	assert.Contains(t, process.Env, "HOME=/home/app")

	bare := parent()
	bare.Process.Capabilities = nil
	process, err = executed(bare, "--cap", "chown")
	require.NoError(t, err)
	assert.Equal(t, added, process.Capabilities.Effective)
	assert.Nil(t, bare.Process.Capabilities)
}

func TestExecRefusals(t *testing.T) {
	for flag, words := range map[string]string{
		"--cwd=x":                      "absolute path",
		"--workdir=":                   "absolute path",
		"--env==x":                     "KEY=VALUE",
		"--user=-1":                    "USER:GROUP",
		"--user=nosuch":                `no user "nosuch"`,
		"--additional-gids=x":          "number from 0",
		"--additional-gids=-1":         "number from 0",
		"--additional-gids=1,2":        "number from 0",
		"--cap=NET_RAWW":               `unknown capability "NET_RAWW"`,
		"--cap=ALL":                    "unknown capability",
		"--no-new-privs=x":             "true or false",
		"--tty=x":                      "true or false",
		"--apparmor=":                  "must not be empty",
		"--process-label=a\nb":         "control",
		"--no-such-flag":               "unknown flag",
		"--additional-gids=4294967295": "number from 0",
	} {
		_, err := executed(parent(), flag)
		require.Error(t, err, flag)
		assert.ErrorContains(t, err, words, flag)
		name, _, _ := strings.Cut(flag, "=")
		assert.ErrorContains(t, err, name)
		assert.NotContains(t, err.Error(), "\n", flag)
	}
}
