//go:build linux

package spec

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// checkProcess judges the first process of a container, or one that is started in it later.
func checkProcess(process *specs.Process) error {
	for _, check := range []func(*specs.Process) error{
		checkCommand, checkUser, checkRlimits, checkScheduler, checkPriorities, checkLabels,
	} {
		if err := check(process); err != nil {
			return err
		}
	}
	return nil
}

func checkCommand(process *specs.Process) error {
	if len(process.Args) == 0 {
		return errors.New("process.args: missing: name a command")
	}
	if !path.IsAbs(process.Cwd) {
		return fmt.Errorf("process.cwd: %q: must be an absolute path", process.Cwd)
	}
	for _, list := range []struct {
		path  string
		texts []string
	}{{"process.args", process.Args}, {"process.env", process.Env}, {"process.cwd", []string{process.Cwd}}} {
		if err := checkTexts(list.path, list.texts); err != nil {
			return err
		}
	}
	size := process.ConsoleSize
	if process.Terminal && size != nil && (size.Height > math.MaxUint16 || size.Width > math.MaxUint16) {
		return fmt.Errorf("process.consoleSize: %dx%d: must be at most %d", size.Width, size.Height, math.MaxUint16)
	}
	return nil
}

// checkTexts refuses what execve would cut short. execve(2)
func checkTexts(path string, texts []string) error {
	for i, text := range texts {
		if strings.ContainsRune(text, 0) {
			return fmt.Errorf("%s[%d]: %q: must not contain NUL", path, i, text)
		}
	}
	return nil
}

// checkUser refuses the ID that says "leave it as it is" to the kernel, which would be root. setresuid(2)
func checkUser(process *specs.Process) error {
	user := process.User
	for i, gid := range user.AdditionalGids {
		if gid == math.MaxUint32 {
			return fmt.Errorf("process.user.additionalGids[%d]: %d is not a valid ID", i, gid)
		}
	}
	switch {
	case user.UID == math.MaxUint32:
		return fmt.Errorf("process.user.uid: %d is not a valid ID", user.UID)
	case user.GID == math.MaxUint32:
		return fmt.Errorf("process.user.gid: %d is not a valid ID", user.GID)
	case user.Umask != nil && *user.Umask > 0o777:
		return fmt.Errorf("process.user.umask: %#o: must be at most 0777", *user.Umask)
	}
	return nil
}

func checkRlimits(process *specs.Process) error {
	seen := make([]string, 0, len(process.Rlimits))
	for i, limit := range process.Rlimits {
		_, known := Rlimit(limit.Type)
		switch {
		case !known:
			return fmt.Errorf("process.rlimits[%d].type: unknown limit %q: use one such as RLIMIT_NOFILE", i, limit.Type)
		case slices.Contains(seen, limit.Type):
			return fmt.Errorf("process.rlimits[%d].type: %s appears twice", i, limit.Type)
		case limit.Soft > limit.Hard:
			return fmt.Errorf("process.rlimits[%d].soft: %d is above the hard limit, %d", i, limit.Soft, limit.Hard)
		}
		seen = append(seen, limit.Type)
	}
	return nil
}

// schedulerFlags are those of the specification. sched_setattr(2)
var schedulerFlags = []specs.LinuxSchedulerFlag{
	specs.SchedFlagResetOnFork, specs.SchedFlagReclaim, specs.SchedFlagDLOverrun, specs.SchedFlagKeepPolicy,
	specs.SchedFlagKeepParams, specs.SchedFlagUtilClampMin, specs.SchedFlagUtilClampMax,
}

// checkScheduler refuses what belongs to another policy, too: the kernel says no more of it than EINVAL. sched(7)
func checkScheduler(process *specs.Process) error {
	s := process.Scheduler
	if s == nil {
		return nil
	}
	realtime, deadline := false, false
	switch s.Policy {
	case specs.SchedOther, specs.SchedBatch, specs.SchedIdle, specs.SchedISO:
	case specs.SchedFIFO, specs.SchedRR:
		realtime = true
	case specs.SchedDeadline:
		deadline = true
	default:
		return fmt.Errorf("process.scheduler.policy: unknown policy %q: must be SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_FIFO, SCHED_RR, "+
			"SCHED_DEADLINE or SCHED_ISO", s.Policy)
	}
	switch {
	case s.Nice < -20 || s.Nice > 19:
		return fmt.Errorf("process.scheduler.nice: %d: must be from -20 to 19", s.Nice)
	case s.Priority < 0 || s.Priority > 99:
		return fmt.Errorf("process.scheduler.priority: %d: must be from 0 to 99", s.Priority)
	case realtime && s.Priority == 0:
		return fmt.Errorf("process.scheduler.priority: %d: must be from 1 to 99 for %s", s.Priority, s.Policy)
	case !realtime && s.Priority != 0:
		return fmt.Errorf("process.scheduler.priority: %d: must be 0 for %s, as only SCHED_FIFO and SCHED_RR have priorities", s.Priority, s.Policy)
	case !deadline && (s.Runtime|s.Deadline|s.Period) != 0:
		return fmt.Errorf("process.scheduler: runtime, deadline and period are for SCHED_DEADLINE: leave them out for %s", s.Policy)
	}
	for i, flag := range s.Flags {
		if !slices.Contains(schedulerFlags, flag) {
			return fmt.Errorf("process.scheduler.flags[%d]: unknown flag %q: use one such as SCHED_FLAG_RESET_ON_FORK", i, flag)
		}
	}
	return nil
}

// checkPriorities is about all the other ways in which one process comes before another.
func checkPriorities(process *specs.Process) error {
	if adj := process.OOMScoreAdj; adj != nil && (*adj < -1000 || *adj > 1000) {
		return fmt.Errorf("process.oomScoreAdj: %d: must be from -1000 to 1000", *adj)
	}
	if io := process.IOPriority; io != nil {
		classes := []specs.IOPriorityClass{specs.IOPRIO_CLASS_RT, specs.IOPRIO_CLASS_BE, specs.IOPRIO_CLASS_IDLE}
		if !slices.Contains(classes, io.Class) {
			return fmt.Errorf("process.ioPriority.class: unknown class %q: must be IOPRIO_CLASS_RT, IOPRIO_CLASS_BE or IOPRIO_CLASS_IDLE",
				io.Class)
		}
		if io.Priority < 0 || io.Priority > 7 {
			return fmt.Errorf("process.ioPriority.priority: %d: must be from 0 to 7", io.Priority)
		}
	}
	if affinity := process.ExecCPUAffinity; affinity != nil {
		for _, list := range [][2]string{{"initial", affinity.Initial}, {"final", affinity.Final}} {
			if err := CheckCPUs(list[1]); list[1] != "" && err != nil {
				return fmt.Errorf("process.execCPUAffinity.%s: %q: %w", list[0], list[1], err)
			}
		}
	}
	return nil
}

// checkLabels leaves it to the kernel whether there are such labels.
func checkLabels(process *specs.Process) error {
	if err := CheckPrintable(process.ApparmorProfile); err != nil {
		return fmt.Errorf("process.apparmorProfile: %w", err)
	}
	if err := CheckPrintable(process.SelinuxLabel); err != nil {
		return fmt.Errorf("process.selinuxLabel: %w", err)
	}
	return nil
}
