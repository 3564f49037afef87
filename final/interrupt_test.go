//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
	"container-workshop/final/stage"
)

// interruptEnv says where the program is to be interrupted, as SIDE INDEX ACTION. INDEX counts the stages of one side from 0, or is the
// call of one, with _ for each space. ACTION is fail, or the path of a file: the program stays at the stage until that is there.
const interruptEnv = "WORKSHOP_INTERRUPT"

// atStage is the name of a process that stays at a stage. proc_pid_comm(5)
const atStage = "at-a-stage"

var errInterrupted = errors.New("interrupted by the test")

// interrupt does what the environment says, in the program under test.
func interrupt() {
	var side, place, action string
	if _, err := fmt.Sscan(os.Getenv(interruptEnv), &side, &place, &action); err != nil {
		return
	}
	index, err := strconv.Atoi(place)
	isNow := func(at, call string) bool {
		if at == side && (err == nil || strings.ReplaceAll(call, " ", "_") == place) {
			index--
		}
		return at == side && index == -1
	}
	calls.Interrupt = func(l *calls.List, at, call string) error {
		switch {
		case !isNow(at, call):
			return nil
		case action == "fail":
			return errInterrupted
		}
		// In the container the file is never there: from there it is out of sight.
		l.Do(unix.SYS_PRCTL, unix.PR_SET_NAME, atStage, 0, 0, 0)
		again := l.Label()
		l.Mark(again)
		l.Do(unix.SYS_PPOLL, nil, 0, nil, nil, 0).Ignore()
		l.Goto(again)
		return nil
	}
	stage.Interrupt = func(at, call string) error {
		switch {
		case !isNow(at, call):
			return nil
		case action == "fail":
			return errInterrupted
		}
		rename(atStage)
		for {
			if _, err := os.Stat(action); err == nil {
				rename("going-on")
				return nil
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// rename names this process, whichever of its threads calls it. proc_pid_comm(5)
func rename(name string) { _ = os.WriteFile("/proc/self/comm", []byte(name), 0) }

// stageOf returns the stage that has failed in a message, without what is different in each container.
func stageOf(message, root, name string) string {
	message, _, _ = strings.Cut(message, ": "+errInterrupted.Error())
	_, call, _ := strings.Cut(message, ": ")
	call = strings.TrimPrefix(call, "warning: ")
	call = strings.ReplaceAll(strings.ReplaceAll(call, root, "ROOT"), name, "ID")
	return strings.Join(strings.Fields(call), " ")
}
