//go:build linux

package stage_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/stage"
)

// noting makes a stage that adds its call to a list, and then returns an error.
func noting(list *[]string, call string, err error) stage.Stage {
	return stage.Stage{Call: call, Man: call + "(2)", Step: 4, Do: func() error {
		*list = append(*list, call)
		return err
	}}
}

// calls are the calls of some records.
func calls(records []stage.Record) (names []string) {
	for _, record := range records {
		names = append(names, record.Call)
	}
	return names
}

// monotonic is the time on the clock that all processes share. clock_gettime(2)
func monotonic(t *testing.T) time.Duration {
	t.Helper()
	var now unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &now))
	return time.Duration(now.Nano())
}

// interrupt sets stage.Interrupt for one test.
func interrupt(t *testing.T, by func(side, call string) error) {
	t.Helper()
	stage.Interrupt = by
	t.Cleanup(func() { stage.Interrupt = nil })
}

func TestStagesRunInOrderUpToTheFirstThatFails(t *testing.T) {
	failure := errors.New("mount: permission denied")
	for _, explain := range []bool{false, true} {
		var made []string
		list := stage.List{Side: "host", Explain: explain}
		require.NoError(t, list.Run(noting(&made, "clone", nil), stage.Stage{Call: "nothing to do"}))
		require.NoError(t, list.Run())
		err := list.Run(noting(&made, "unshare", nil), noting(&made, "mount", failure), noting(&made, "execve", nil))
		assert.Equal(t, failure, err, "the caller adds what it knows")
		assert.Equal(t, []string{"clone", "unshare", "mount"}, made)
		if explain {
			assert.Equal(t, []string{"clone", "nothing to do", "unshare", "mount"}, calls(list.Records))
		} else {
			assert.Empty(t, list.Records)
		}
	}
}

func TestARecordSaysWhoMadeWhichCallAndWhen(t *testing.T) {
	list := stage.List{Side: "container", Explain: true}
	var before, between, after time.Duration
	before = monotonic(t)
	require.NoError(t, list.Run(stage.Stage{Call: `sethostname("container")`, Man: "sethostname(2)", Step: 2, Waiting: true, Do: func() error {
		between = monotonic(t)
		return nil
	}}))
	after = monotonic(t)
	require.Len(t, list.Records, 1)
	record := list.Records[0]
	assert.LessOrEqual(t, before, record.Start)
	assert.LessOrEqual(t, record.Start, between)
	assert.LessOrEqual(t, between, record.Start+record.Took)
	assert.LessOrEqual(t, record.Start+record.Took, after)
	record.Start, record.Took = 0, 0
	assert.Equal(t, stage.Record{Side: "container", Call: `sethostname("container")`, Man: "sethostname(2)", Step: 2, Waiting: true}, record)
}

func TestInterruptEndsTheListBeforeTheStage(t *testing.T) {
	failure := errors.New("the test wants it so")
	var seen [][2]string
	interrupt(t, func(side, call string) error {
		seen = append(seen, [2]string{side, call})
		if call == "mount" {
			return failure
		}
		return nil
	})
	var made []string
	list := stage.List{Side: "host", Explain: true}
	err := list.Run(noting(&made, "clone", nil), noting(&made, "mount", nil), noting(&made, "execve", nil))
	assert.ErrorIs(t, err, failure)
	assert.ErrorContains(t, err, "mount: ")
	assert.Equal(t, []string{"clone"}, made)
	assert.Equal(t, []string{"clone"}, calls(list.Records))
	assert.Equal(t, [][2]string{{"host", "clone"}, {"host", "mount"}}, seen)
}

func TestOverTimesTheLastCall(t *testing.T) {
	var made []string
	list := stage.List{Side: "host", Explain: true}
	list.Over()
	require.NoError(t, list.Run(noting(&made, "mount", nil)))
	took := list.Records[0].Took
	list.Over()
	assert.Equal(t, took, list.Records[0].Took, "the stage had ended already")

	for _, call := range []string{"capset", "execve"} {
		list.Records = append(list.Records, stage.Record{Side: "container", Call: call, Start: monotonic(t), Took: -1})
	}
	list.Over()
	assert.Negative(t, list.Records[1].Took, "nobody measured the first of the two")
	assert.GreaterOrEqual(t, list.Records[2].Took, time.Duration(0))
	assert.LessOrEqual(t, list.Records[2].Start+list.Records[2].Took, monotonic(t))
}
