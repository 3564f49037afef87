//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"container-workshop/final/stage"
)

// interruptEnv says where the program is to be interrupted, as SIDE INDEX ACTION. INDEX counts the stages of one side from 0.
// ACTION is fail, or the path of a file: the program stays at the stage until that is there.
const interruptEnv = "WORKSHOP_INTERRUPT"

// atStage is the name of a process that stays at a stage. proc_pid_comm(5)
const atStage = "at-a-stage"

var errInterrupted = errors.New("interrupted by the test")

// interrupt does what the environment says, in the program under test.
func interrupt() {
	var side, action string
	var index int
	if _, err := fmt.Sscan(os.Getenv(interruptEnv), &side, &index, &action); err != nil {
		return
	}
	stage.Interrupt = func(at, _ string) error {
		if at != side {
			return nil
		}
		index--
		if index != -1 {
			return nil
		}
		if action == "fail" {
			return errInterrupted
		}
		rename(atStage)
		// In the container the file is never there: from there it is out of sight.
		for {
			if _, err := os.Stat(action); err == nil {
				rename("going-on")
				return nil
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// rename names the process, whose first thread we are on.
func rename(name string) {
	c, _ := unix.BytePtrFromString(name)
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(c)), 0, 0, 0)
}

// stageOf returns the stage that has failed in a message, without what is different in each container.
func stageOf(message, root, name string) string {
	message, _, _ = strings.Cut(message, ": "+errInterrupted.Error())
	_, call, _ := strings.Cut(message, ": ")
	call = strings.TrimPrefix(call, "warning: ")
	call = strings.ReplaceAll(strings.ReplaceAll(call, root, "ROOT"), name, "ID")
	return strings.Join(strings.Fields(call), " ")
}
