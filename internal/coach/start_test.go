//go:build linux

package coach_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// passes has a program pass a step, without running it.
func (c *clone) passes(step string, args ...string) {
	c.Helper()
	c.finds(passing(int(step[0] - '0')))
	assert.Contains(c, c.does(append([]string{"check", "--step", step}, args...)...), "\nStep "+step+" passed.\n")
}

func TestStartMakesASkeleton(t *testing.T) {
	c := cloned(t)
	text := c.does("start")
	assert.Contains(t, text, "Step 1: a process")
	assert.Contains(t, text, "work/mine/main.go is yours to write")
	assert.Equal(t, c.read("step01-exec/main_other.go"), c.read("work/mine/main_other.go"))
	assert.Equal(t, c.read("step01-exec/process.go"), c.read("work/mine/process.go"))
	assert.NoFileExists(t, filepath.Join(c.dir, "work/mine/main_test.go"))
	c.shell("go vet ./work/mine && gofmt -l work/mine/*.go | diff /dev/null -")
	// Our program has every comment of the skeleton, and more than that.
	for line := range strings.Lines(c.read("work/mine/main.go")) {
		if strings.HasPrefix(line, "//") || strings.HasPrefix(line, "func") {
			assert.Contains(t, c.read("step01-exec/main.go"), line)
		}
	}
	assert.Contains(t, c.read("work/mine/main.go"), "func run() error {\n\treturn nil\n}\n")
}

func TestAProgramThatPassedGoesOnAsItIs(t *testing.T) {
	c := cloned(t)
	c.does("start")
	c.shell("cp step01-exec/main.go work/mine/ && echo '// mine' >> work/mine/main.go")
	c.passes("1")
	mine := c.read("work/mine/main.go")
	text := c.does("start")
	assert.Contains(t, text, "Step 2: hostname")
	assert.Contains(t, text, "work/mine goes on")
	assert.Contains(t, text, "[1 ✓] [2 …] [3]")
	assert.Equal(t, mine, c.read("work/mine/main.go"))
	// And in a folder of its own it is a copy of the learner's program.
	c.passes("2")
	assert.Contains(t, c.does("start", "--dir", "work/third"), "work/third is a copy of work/mine")
	assert.Equal(t, mine, c.read("work/third/main.go"))
	// Both can go on.
	c.passes("3", "--dir", "work/mine")
	assert.Contains(t, c.does("start", "--step", "4", "--dir", "work/mine"), "work/mine goes on")
}

func TestStartTakesOurProgramWhereTheLearnersHasNotPassed(t *testing.T) {
	c := cloned(t)
	text := c.does("start", "--step", "3")
	assert.Contains(t, text, "work/mine is a copy of step02-uts")
	for _, name := range []string{"main.go", "process.go", "main_other.go"} {
		assert.Equal(t, c.read("step02-uts/"+name), c.read("work/mine/"+name))
	}
	again := c.does("start")
	assert.Contains(t, again, "Step 3: process IDs")
	assert.Contains(t, again, "work/mine is at this step, and has not passed it yet.\n  To skip the step: make start STEP=4 DIR=work/step4\n")
	assert.Contains(t, c.does("start", "--step", "3"), "make watch")
	c.refuses("has not passed step 3 yet: make watch", "start", "--dir", "work/other")
	c.refuses("work/mine/main.go exists already and has not passed step 3", "start", "--step", "4")
	assert.Contains(t, c.does("start", "--step", "4", "--dir", "work/step4"), "work/step4 is a copy of step03-pid")
	assert.Contains(t, c.does("start", "--step", "5", "--dir", "work/step5", "--from", "work/mine"), "work/step5 is a copy of work/mine")
	assert.Equal(t, c.read("step02-uts/main.go"), c.read("work/step5/main.go"))
}

func TestStartNeverOverwrites(t *testing.T) {
	c := cloned(t)
	for _, name := range []string{"main.go", "process.go"} {
		c.shell("mkdir -p work/other && echo mine > work/other/" + name)
		for _, step := range []string{"1", "3"} {
			c.refuses("work/other/"+name+" exists already", "start", "--step", step, "--dir", "work/other")
			c.refuses("work/other/"+name+" exists already", "start", "--step", step, "--dir", "work/other", "--from", "step02-uts")
		}
		entries, err := os.ReadDir(filepath.Join(c.dir, "work/other"))
		require.NoError(t, err)
		assert.Len(t, entries, 1)
		assert.Equal(t, "mine\n", c.read("work/other/"+name))
		c.shell("rm work/other/" + name)
	}
	assert.NoFileExists(t, filepath.Join(c.dir, "work/.progress"))
}

func TestStartNamesWhatItCannotDo(t *testing.T) {
	c := cloned(t)
	c.refuses("STEP=8: there is no such step", "start", "--step", "8")
	c.refuses("outside of the workshop", "start", "--dir", "/tmp/x")
	c.refuses("outside of the workshop", "start", "--dir", "work/../../x")
	c.refuses("Go takes no spaces", "start", "--dir", "work/my program")
	c.refuses("FROM=work/nowhere: there is no main.go", "start", "--step", "2", "--from", "work/nowhere")
	assert.NoDirExists(t, filepath.Join(c.dir, "work/mine"))
	c.does("start", "--step", "7")
	c.passes("7")
	c.refuses("you have passed all seven steps", "start")
}

func TestTheRecordIsWholeOrNew(t *testing.T) {
	c := cloned(t)
	for _, damage := range []string{"", "{", "[]", `{"Step": 9}`, `{"Steps": {"0": {}}}`, `{"Steps": {"3": null}}`, `{"Step": "x"}`} {
		require.NoError(t, os.WriteFile(filepath.Join(c.dir, "work/.progress"), []byte(damage), 0o644))
		text := c.does("progress")
		assert.Contains(t, text, "work/.progress is damaged", damage)
		assert.Contains(t, text, "You have not started yet", damage)
		assert.Equal(t, damage, c.read("work/.progress.broken"))
		assert.NoFileExists(t, filepath.Join(c.dir, "work/.progress"))
	}
	c.does("start")
	// What a later coach may add does no harm.
	c.shell(`sed -i 's/"Program"/"Later": 1, "Program"/' work/.progress`)
	assert.Contains(t, c.does("progress"), "work/mine at step 1")
	entries, err := filepath.Glob(filepath.Join(c.dir, "work/.progress-*"))
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestTheLearnerOwnsWhatSudoMakes(t *testing.T) {
	c := cloned(t)
	c.env = []string{"SUDO_UID=12345", "SUDO_GID=54321"}
	c.does("start", "--dir", "work/a/b")
	c.shell(`for f in work/.progress work/a work/a/b work/a/b/main.go work/a/b/process.go; do test "$(stat -c %u:%g $f)" = 12345:54321; done`)
}

func TestProgressShowsStepsAndTimes(t *testing.T) {
	c := cloned(t)
	assert.Contains(t, c.does("progress"), "make start")
	c.does("start")
	c.passes("1")
	c.does("hint", "--step", "2")
	c.does("start")
	begun := time.Now().Add(-25 * time.Minute).Format(time.RFC3339)
	c.shell(`sed -i '0,/"Started": ".*",/s//"Started": "` + begun + `",/' work/.progress`)
	text := c.does("progress")
	assert.Regexp(t, `(?m)^  1 ✓ a process +passed at \d\d:\d\d, in 25 minutes$`, text)
	assert.Regexp(t, `(?m)^  2 … hostname +started at \d\d:\d\d$`, text)
	assert.Regexp(t, `(?m)^  3   process IDs$`, text)
	// A program on the side is not what the learner is at.
	c.shell("cp -r work/mine work/side")
	c.passes("5", "--dir", "work/side")
	c.finds(map[string]any{"Property": "something", "Step": 6, "State": "lacks"})
	assert.Equal(t, 1, c.coach("check", "--step", "6", "--dir", "work/side").status)
	text = c.does("progress")
	assert.Contains(t, text, "work/mine at step 2")
	assert.Regexp(t, `(?m)^  5 ✓ mounts and /proc +passed at \d\d:\d\d$`, text)
	assert.Regexp(t, `(?m)^  6   limits$`, text)
	reset := c.does("progress", "--reset")
	assert.Contains(t, reset, "Your programs are untouched")
	assert.Contains(t, reset, "make check STEP=2 DIR=work/mine")
	assert.Contains(t, c.does("progress"), "You have not started yet")
	c.refuses("make check STEP=1 DIR=work/mine", "check")
	c.refuses("work/mine/main.go exists already. To go on with this program", "start")
	c.passes("2", "--dir", "work/mine")
	assert.Contains(t, c.does("progress"), "work/mine at step 2", "the way back")
	assert.FileExists(t, filepath.Join(c.dir, "work/mine/main.go"))
}
