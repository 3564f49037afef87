//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAHookThatFailsBeforeTheContainerIsCreatedEndsIt(t *testing.T) {
	for _, point := range []string{"prestart", "createRuntime", "createContainer"} {
		c := newBundle(t, "true")
		dir := c.notes()
		c.hook(point, "echo why it failed >&2; exit 7")
		c.hook(point, "touch "+dir+"/second")
		c.hook("poststop", "touch "+dir+"/poststop")
		refused(t, c.create(), 1, "error running "+point+" hook #0: ", "exit status 7", "why it failed")
		assert.NoFileExists(t, filepath.Join(dir, "second"))
		c.nothingLeft()
		// What the first hooks have made is for the last to undo. runtime.md, "Lifecycle"
		assert.FileExists(t, filepath.Join(dir, "poststop"), point)
		refused(t, c.run(), 1, "error running "+point+" hook #0: ", "why it failed")
		c.nothingLeft()
	}
}

func TestAHookOfTheContainerThatFailsEndsIt(t *testing.T) {
	c := newBundle(t)
	dir := c.notes()
	c.spec.Process.Args = []string{"sh", "-c", "echo ran >" + dir + "/command"}
	c.hook("startContainer", "echo why it failed >&2; exit 7")
	c.hook("poststart", "touch "+dir+"/poststart")
	c.hook("poststop", "touch "+dir+"/poststop")
	c.write()
	require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
	refused(t, c.final("start", c.id), 1, "error running startContainer hook #0", "exit status 7", "why it failed")
	c.stopped()
	require.Equal(t, result{}, c.final("delete", c.id))
	assert.NoFileExists(t, filepath.Join(dir, "command"))
	assert.NoFileExists(t, filepath.Join(dir, "poststart"))
	assert.FileExists(t, filepath.Join(dir, "poststop"))
	c.nothingLeft()
	refused(t, c.run(), 1, "error running startContainer hook #0")
	c.nothingLeft()
}

func TestAHookThatFailsLaterIsAWarning(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	dir := c.notes()
	for _, point := range []string{"poststart", "poststop"} {
		c.hook(point, "exit 0")
		c.hook(point, "echo why it failed >&2; exit 7")
		c.hook(point, "touch "+dir+"/"+point)
	}
	c.write()
	require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
	warned := func(r result, point string) {
		t.Helper()
		assert.Zero(t, r.status)
		assert.Empty(t, r.stdout)
		assert.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
		assert.Contains(t, r.stderr, "warning: error running "+point+" hook #1: ")
		assert.Contains(t, r.stderr, "why it failed")
		assert.FileExists(t, filepath.Join(dir, point), "the next is run nevertheless")
	}
	warned(c.final("start", c.id), "poststart")
	status, _ := c.status()
	require.Equal(t, "running", status)
	warned(c.final("delete", "--force", c.id), "poststop")
	c.nothingLeft()
}

func TestAHookThatTakesTooLongIsKilled(t *testing.T) {
	c := newBundle(t, "true")
	before := time.Now()
	// What it has started goes on, and keeps nobody waiting.
	c.hook("createRuntime", "sleep 15 & wait", 1)
	refused(t, c.create(), 1, "error running createRuntime hook #0", "longer than 1 s")
	require.Less(t, time.Since(before), soon)
	require.Greater(t, time.Since(before), time.Second)
	for _, pid := range c.processes() {
		process, err := os.FindProcess(pid)
		require.NoError(t, err)
		_ = process.Kill()
	}
	c.nothingLeft()
}

func TestAHookThatIsNotThere(t *testing.T) {
	c := newBundle(t, "true")
	c.spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/not/there"}}}
	refused(t, c.create(), 1, "error running createRuntime hook #0: /not/there", "no such file or directory")
	c.spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/not/there"}}}
	refused(t, c.run(), 1, "error running startContainer hook #0: /not/there", "no such file or directory")
	c.nothingLeft()
}

func TestAHookOfAContainerWithUsersOfItsOwn(t *testing.T) {
	c := newBundle(t)
	c.userNamespace()
	dir := c.notes()
	for place := dir; place != "/"; place = filepath.Dir(place) {
		require.NoError(t, os.Chmod(place, 0o777|os.ModeSticky))
	}
	for _, point := range hookPoints {
		c.hook(point, "cut -c 1-21 /proc/self/uid_map >"+dir+"/$POINT")
	}
	c.stays()
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	for _, point := range hookPoints {
		want := []string{"0", "0"}
		if strings.HasSuffix(point, "Container") {
			want = []string{"0", "100000"}
		}
		require.Equal(t, want, strings.Fields(noted(t, dir, point)), point)
	}
	c.nothingLeft()
}
