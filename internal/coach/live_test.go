//go:build linux

package coach_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/live"
)

// onPages waits until the web pages would show that the coach does this, and returns what else they would show.
func (c *clone) onPages(doing live.Doing) (s *live.State) {
	c.Helper()
	require.Eventually(c, func() bool {
		s = live.Read(c.dir)
		return s != nil && s.Doing == doing
	}, time.Minute, time.Millisecond, "%s", doing)
	return s
}

func TestThePagesSeeWhatAWatchSees(t *testing.T) {
	c := cloned(t)
	assert.Nil(t, live.Read(c.dir), "before the first step there is nothing to show")
	c.does("start", "--step", "2")
	s := c.onPages(live.Started)
	assert.Equal(t, "work/mine", s.Program)
	assert.Equal(t, "hostname", s.Title)
	assert.False(t, s.Watching)
	name := s.Properties[0].Name
	problem := map[string]any{
		"Property": name, "Step": 2, "State": "lacks", "Seen": "the host\x1b[31m", "Diagnosis": "You made a mount namespace.", "Why": "why", "Where": "step02-uts/README.md#how-it-works",
	}
	c.finds(passing(1), problem, lacking("something else"))
	w := c.onTerminal("watch")
	w.shows("quit")
	s = c.onPages(live.Failed)
	assert.True(t, s.Watching)
	assert.Equal(t, live.Property{Name: name, State: "lacks"}, s.Properties[0])
	assert.Equal(t, &live.Problem{
		Property: name, Step: 2, State: "lacks", Diagnosis: "You made a mount namespace.", Seen: "the host\uFFFD[31m", Why: "why",
		Place: "step02-uts/README.md, How it works", Page: "step02-uts/index.html#how-it-works",
	}, s.First)
	assert.Equal(t, "1 other fails, too.", s.More)
	assert.False(t, s.Passed[1])

	c.shell(`echo 'func broken() { nowhere() }' >> work/mine/main.go`)
	s = c.onPages(live.Broken)
	assert.Contains(t, s.Lines[0], "undefined: nowhere")
	assert.Equal(t, "main.go", s.Files)
	assert.WithinDuration(t, time.Now(), s.Saved, time.Minute)
	assert.Nil(t, s.First)
	c.finds(passing(1), map[string]any{"Property": name, "Step": 2, "State": "has"})
	c.shell(`cp step02-uts/main.go work/mine/`)
	s = c.onPages(live.Passed)
	assert.Empty(t, s.Lines)
	assert.Equal(t, live.Property{Name: name, State: "has"}, s.Properties[0])
	assert.Equal(t, [live.Steps]bool{false, true}, s.Passed)
	assert.Contains(t, s.Gained, "hostname of its own")

	c.examiner(`echo '{"Property":"slow","Step":1,"State":"has"}'; cat`)
	c.shell("touch -d yesterday work/mine/main.go")
	s = c.onPages(live.Checking)
	assert.Empty(t, s.First)
	assert.Equal(t, live.Property{Name: name}, s.Properties[0], "the new check has not come to this property yet")
	require.NoError(t, w.cmd.Process.Signal(unix.SIGKILL))
	s = c.onPages(live.Ended)
	assert.False(t, s.Watching, "a watch that was killed is not running")
}

func TestThePagesSeeACheckAndWhyThereIsNone(t *testing.T) {
	c := begun(t)
	c.finds(passing(1), passing(2))
	c.does("check")
	s := c.onPages(live.Passed)
	assert.False(t, s.Watching, "make check is no watch")
	c.examiner("echo 'check: no root file system' >&2; exit 2")
	c.coach("check")
	s = c.onPages(live.Trouble)
	assert.Equal(t, []string{"check: no root file system"}, s.Lines)
	c.examiner(`echo '{"Property":"slow","Step":1,"State":"has"}'; cat`)
	check := c.command("check")
	stdin, err := check.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	require.NoError(t, check.Start())
	c.onPages(live.Checking)
	require.NoError(t, check.Process.Kill())
	check.Wait()
	c.onPages(live.Ended)
}

func TestACheckOfAnotherProgramLeavesThePagesToTheWatch(t *testing.T) {
	c := begun(t)
	c.finds(passing(1), lacking("a property"))
	w := c.onTerminal("watch")
	w.shows("quit")
	before := c.onPages(live.Failed)
	require.True(t, before.Watching)
	c.shell("cp -r work/mine work/other")
	c.finds(passing(1), passing(2))
	c.does("check", "--dir", "work/other", "--step", "2")
	assert.Equal(t, before, live.Read(c.dir), "another program")
	c.does("check", "--step", "1")
	assert.Equal(t, before, live.Read(c.dir), "another step")
	c.does("check")
	assert.Equal(t, live.Passed, live.Read(c.dir).Doing, "the program and the step of the watch")
	w.types("q")
	w.ends(0)
	c.does("check", "--dir", "work/other", "--step", "2")
	assert.Equal(t, "work/other", live.Read(c.dir).Program, "without a watch, the last check counts")
}

// A folder that nobody can write to keeps nobody from learning.
func TestThePagesAreAnExtra(t *testing.T) {
	c := begun(t)
	c.finds(passing(1), passing(2))
	c.shell("rm work/.watch; mkdir -p work/.watch/full work/.checking")
	assert.Contains(t, c.does("check"), "Step 2 passed.")
}

func TestTheAddressOfThePageStandsBesideThePlace(t *testing.T) {
	c := begun(t)
	first := lacking("the command has a UTS namespace of its own")
	first["Where"] = "step02-uts/README.md#how-it-works"
	c.finds(first)
	assert.NotContains(t, c.coach("check").output, "page", "no server is running")
	c.shell("echo http://127.0.0.1:1/ > build/.serve")
	assert.NotContains(t, c.coach("check").output, "page", "the server is gone")
	require.NoError(t, live.Serve(c.dir, "http://127.0.0.1:8015/"))
	require.Eventually(t, func() bool { return live.Address(c.dir) == "http://127.0.0.1:8015/" }, time.Minute, time.Millisecond)
	assert.Contains(t, c.coach("check").output, `
    look   step02-uts/README.md, How it works
    page   http://127.0.0.1:8015/step02-uts/index.html#how-it-works
`)
	c.finds(passing(1), passing(2))
	assert.Regexp(t, `\n  page +http://127.0.0.1:8015/step02-uts/index.html#the-change\n`, c.does("check"))
}
