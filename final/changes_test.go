//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine"
	images "container-workshop/final/engine/image"
)

// changing changes files in a container, and then waits. Each line has one change.
const changing = `
echo new >/new
echo more >>/etc/changed
rm /etc/removed
rm -r /tree
mkdir /again.new && mv /again /again.old 2>/dev/null; rm -r /again.old /again 2>/dev/null; mv /again.new /again; echo x >/again/added
mkdir -p /deep/er && echo x >/deep/er/file
chmod 700 /mode
: >>/etc/opened
touch "$(printf '/name \033[31m\nof two lines')"
ln -s /etc/changed /link
echo 127.0.0.9 mine >>/etc/hosts
echo ready; sleep 1000`

// filesToChange is what the changes are about.
var filesToChange = map[string]string{
	"etc/changed": "before\n", "etc/removed": "", "etc/opened": "opened", "tree/sub/file": "", "again/old": "", "mode/": "",
}

const changesMade = `A /again/added
C /again
C /etc
C /etc/changed
C /mode
D /again/old
D /etc/removed
D /tree
A /deep
A /deep/er
A /deep/er/file
A /link
A /name ?[31m?of two lines
A /new
`

// sameLines requires that got has the lines of want, sorted by path.
func sameLines(t *testing.T, want, got string) {
	t.Helper()
	assert.ElementsMatch(t, strings.Split(want, "\n"), strings.Split(got, "\n"))
	last := ""
	for line := range strings.Lines(got) {
		assert.Less(t, last, line[2:])
		last = line[2:]
	}
}

// full are the files to change, with the program that the script needs.
func full(t *testing.T) string {
	t.Helper()
	return rootfsOf(t, filesToChange)
}

const applets = "for p in rm mkdir mv chmod touch ln printf dd; do eval \"$p() { busybox $p \\\"\\$@\\\"; }\"; done\n"

func TestDiffListsWhatAContainerHasChanged(t *testing.T) {
	rootfs := full(t)
	for name, from := range map[string][]string{
		"root file system": {"--rootfs", rootfs},
		"image":            {"--image", storeImage(t, images.Settings{}, rootfs, layerOf(t, map[string]string{"above": "of the upper layer"}))},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			r := c.final(append(append([]string{"run", "--detach", "--name", c.id, "--env", c.mark}, from...), "sh", "-c", applets+changing)...)
			require.Equal(t, 0, r.status, r.stderr)
			c.logged("ready\n")
			r = c.final("diff", c.id)
			require.Equal(t, 0, r.status, r.stderr)
			sameLines(t, changesMade, r.stdout)
			harmless(t, r.stdout)
			require.Equal(t, 0, c.final("kill", c.id, "KILL").status)
			c.stopped()
			assert.Equal(t, r, c.final("diff", c.id), "of a container that has ended")
		})
	}
}

func TestAContainerThatHasChangedNothing(t *testing.T) {
	c := newTrial(t)
	// final makes files to mount on, which the root file system lacks.
	r := c.final("run", "--detach", "--name", c.id, "--env", c.mark, "--rootfs", full(t), "--tmpfs", "/not/there", "sleep", "1000")
	require.Equal(t, 0, r.status, r.stderr)
	assert.Equal(t, result{}, c.final("diff", c.id))
	refused(t, c.final("diff", "none-of-this-name"), 1, "does not exist")
	refused(t, c.final("commit", c.id, "Not/A/Name"), 1, "lower-case")
	refused(t, c.final("commit", "--change", "RUN rm -r /", c.id), 1, "RUN rm -r /", "ENTRYPOINT")
	refused(t, c.final("commit", "--change", `ENV A="b`, c.id), 1, "quote")
}

// configOf returns the configuration of an image.
func configOf(t *testing.T, name string) images.Config {
	t.Helper()
	store, err := images.Open(engine.Home())
	require.NoError(t, err)
	found, err := store.Resolve(name)
	require.NoError(t, err)
	return found.Config
}

func TestCommitMakesAnImageThatRuns(t *testing.T) {
	c := newTrial(t)
	const name, next = "registry.example/committed:1", "registry.example/committed:2"
	r := c.final("run", "--detach", "--name", c.id, "--env", c.mark, "--rootfs", full(t), "sh", "-c", applets+changing)
	require.Equal(t, 0, r.status, r.stderr)
	c.logged("ready\n")
	r = c.final("commit", "--author", "Somebody <s@example.org>", "-m", "a first try", "--change", `ENTRYPOINT ["/bin/sh", "-c"]`,
		"--change", `CMD ["cat /etc/changed /new; ls / /etc /again; echo $A $B"]`, "--change", `ENV A="one two" B=3`, "--change", "LABEL l=1", "--change", "USER 0:0",
		"--change", "WORKDIR /tmp", c.id, name)
	require.Equal(t, 0, r.status, r.stderr)
	t.Cleanup(func() { final(t, "rmi", name) })
	assert.Regexp(t, `^sha256:[0-9a-f]{64}\n$`, r.stdout)
	assert.Contains(t, c.final("state", c.id).stdout, `"running"`)
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)

	config := configOf(t, name)
	assert.Len(t, config.RootFS.DiffIDs, 1)
	assert.Equal(t, images.Settings{User: "0:0", Env: []string{"A=one two", "B=3"}, Entrypoint: []string{"/bin/sh", "-c"}, Cmd: config.Config.Cmd,
		WorkingDir: "/tmp", Labels: map[string]string{"l": "1"}}, config.Config)
	assert.Equal(t, "Somebody <s@example.org>", config.Author)
	assert.Equal(t, "a first try", config.History[0].Comment)

	r = c.final("run", "--image", name, "--name", c.id, "--env", c.mark)
	require.Equal(t, 0, r.status, r.stderr)
	assert.Contains(t, r.stdout, "before\nmore\nnew\n")
	assert.Contains(t, r.stdout, "one two 3\n")
	assert.NotContains(t, r.stdout, "removed")
	assert.NotContains(t, r.stdout, "old")
	assert.NotContains(t, r.stdout, "mine", "files in /etc of final's own")

	// A layer above: only what changes, and the layers of the image stay as they are.
	r = c.final("run", "--detach", "--image", name, "--name", c.id, "--env", c.mark, "busybox rm -r /again /new; echo x >/own; echo ready; sleep 1000")
	require.Equal(t, 0, r.status, r.stderr)
	c.logged("ready\n")
	// The container keeps its image, which has no name any more.
	require.Equal(t, 0, final(t, "rmi", name).status)
	r = c.final("commit", "--change", "CMD ls /", c.id, next)
	require.Equal(t, 0, r.status, r.stderr)
	defer final(t, "rmi", next)
	second := configOf(t, next)
	assert.Equal(t, config.RootFS.DiffIDs, second.RootFS.DiffIDs[:1])
	assert.Len(t, second.RootFS.DiffIDs, 2)
	assert.Equal(t, []string{"/bin/sh", "-c", "ls /"}, second.Config.Cmd)
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	r = c.final("run", "--image", next, "--name", c.id, "--env", c.mark, "ls /; cat /etc/changed")
	require.Equal(t, 0, r.status, r.stderr)
	assert.NotContains(t, r.stdout, "again")
	assert.NotContains(t, r.stdout, "new")
	assert.Contains(t, r.stdout, "own\n")
	assert.Contains(t, r.stdout, "before\nmore\n")
	require.Equal(t, 0, final(t, "prune").status)
	verified := final(t, "images", "--verify")
	assert.Equal(t, 0, verified.status, verified.stderr)
}

func TestCommitOfAContainerWithIDsOfItsOwn(t *testing.T) {
	c := newTrial(t)
	const name = "registry.example/own-ids:1"
	r := c.final("run", "--detach", "--userns", "auto", "--name", c.id, "--env", c.mark, "--rootfs", full(t), "sh", "-c",
		"echo x >/mine; echo x >/theirs; busybox chown 12:34 /theirs; echo ready; sleep 1000")
	if r.status != 0 {
		// The kernel is too old for mounts that map IDs.
		require.Contains(t, r.stderr, "--userns auto")
		return
	}
	c.logged("ready\n")
	assert.Equal(t, result{"A /mine\nA /theirs\n", "", 0}, c.final("diff", c.id))
	r = c.final("commit", c.id, name)
	require.Equal(t, 0, r.status, r.stderr)
	defer final(t, "rmi", name)
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	assert.Equal(t, result{"0:0\n12:34\n0:0\n", "", 0}, c.final("run", "--image", name, "--name", c.id, "--env", c.mark, "stat", "-c", "%u:%g", "/mine", "/theirs", "/bin"))
}

// Between the first and the last file of the layer is a long one. A container that goes on meanwhile would be far ahead in the last file.
func TestAContainerStandsStillForCommit(t *testing.T) {
	c := newTrial(t)
	const name = "registry.example/still:1"
	r := c.final("run", "--detach", "--name", c.id, "--env", c.mark, "--rootfs", full(t), "sh", "-c",
		"busybox dd if=/dev/urandom of=/m bs=1M count=32 2>/dev/null; echo ready; i=0; while :; do i=$((i+1)); for f in /a /z; do echo $i >/t; busybox mv /t $f; done; done")
	require.Equal(t, 0, r.status, r.stderr)
	c.until(func() bool { return strings.Contains(c.final("diff", c.id).stdout, "A /z") }, func() string { return "no /z" })
	count := func(flags ...string) int {
		r := c.final(append(append([]string{"commit"}, flags...), c.id, name)...)
		require.Equal(t, 0, r.status, r.stderr)
		defer final(t, "rmi", name)
		r = c.final("run", "--image", name, "--name", c.id+"-2", "--env", c.mark, "cat", "/a", "/z")
		require.Equal(t, 0, r.status, r.stderr)
		var numbers []int
		for _, word := range strings.Fields(r.stdout) {
			number, err := strconv.Atoi(word)
			require.NoError(t, err)
			numbers = append(numbers, number)
		}
		require.Len(t, numbers, 2)
		return numbers[1] - numbers[0]
	}
	ahead := count()
	assert.LessOrEqual(t, max(ahead, -ahead), 1)
	assert.Contains(t, c.final("state", c.id).stdout, `"running"`)
	require.Equal(t, 0, c.final("pause", c.id).status)
	// With version 1 of cgroups no signal ends a frozen process.
	defer c.final("resume", c.id)
	count()
	assert.Contains(t, c.final("state", c.id).stdout, `"paused"`, "commit leaves a paused container paused")
}

// A hostile container can make whatever a file system takes.
func TestCommitRefusesWhatIsNoLayer(t *testing.T) {
	for script, words := range map[string][]string{
		"busybox mkdir /d && echo >/d/.wh.passwd":                                  {`"/d/.wh.passwd"`, "deletes another file"},
		"echo >/.wh..wh..opq":                                                      {".wh..wh..opq", "deletes another file"},
		"busybox truncate -s 107374182400 /large":                                  {"/large", "too large"},
		"i=0; while [ $i -lt 1200 ]; do busybox mkdir d && cd d; i=$((i+1)); done": {"directories above"},
	} {
		t.Log(script)
		c := newTrial(t)
		r := c.final("run", "--detach", "--name", c.id, "--env", c.mark, "--rootfs", full(t), "sh", "-c", "cd /; "+script+"; echo ready; sleep 1000")
		require.Equal(t, 0, r.status, r.stderr)
		c.logged("ready\n")
		before := listImages(t)
		r = c.final("commit", c.id)
		refused(t, r, 1, words...)
		assert.Less(t, len(r.stderr), 1000)
		assert.Contains(t, c.final("state", c.id).stdout, `"running"`)
		assert.Equal(t, before, listImages(t))
	}
}

func TestCommitReadsNothingBehindALinkOrAFIFO(t *testing.T) {
	c := newTrial(t)
	const name = "registry.example/links:1"
	r := c.final("run", "--detach", "--name", c.id, "--env", c.mark, "--rootfs", full(t), "sh", "-c",
		"busybox mkfifo /fifo; busybox ln -s /etc/shadow /link; busybox ln -s / /etc/host; busybox mv /etc /was && busybox ln -s /proc/1/root/etc /etc; echo ready; sleep 1000")
	require.Equal(t, 0, r.status, r.stderr)
	c.logged("ready\n")
	r = c.final("commit", c.id, name)
	require.Equal(t, 0, r.status, r.stderr)
	defer final(t, "rmi", name)
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
	r = c.final("run", "--image", name, "--name", c.id, "--env", c.mark, "sh", "-c", "for f in /fifo /link; do stat -c %F $f; done")
	assert.Equal(t, result{"fifo\nsymbolic link\n", "", 0}, r)
}

// The test has the lock of the images, so commit waits for it while the container is paused.
func TestACommitThatIsInterruptedLeavesTheContainerRunning(t *testing.T) {
	c := newTrial(t)
	r := c.final("run", "--detach", "--name", c.id, "--env", c.mark, "--rootfs", full(t), "sleep", "1000")
	require.Equal(t, 0, r.status, r.stderr)
	store, err := images.Open(engine.Home())
	require.NoError(t, err)
	lock, err := os.OpenFile(filepath.Join(store.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer lock.Close()
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	cmd := c.call("commit", c.id)
	require.NoError(t, cmd.Start())
	status := func() string { return c.final("state", c.id).stdout }
	c.until(func() bool { return strings.Contains(status(), `"paused"`) }, status)
	require.NoError(t, cmd.Process.Signal(unix.SIGINT))
	_ = cmd.Wait()
	assert.Equal(t, 128+int(unix.SIGINT), cmd.ProcessState.ExitCode())
	assert.Contains(t, status(), `"running"`)
}
