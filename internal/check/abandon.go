//go:build linux

package check

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// abandoned is true once no examination starts a program any more.
var abandoned atomic.Bool

// Abandon ends the programs that an examination has started, and removes their cgroups. It is for a caller that exits before the
// examination has ended, so whoever would start another program waits forever.
func Abandon() {
	abandoned.Store(true)
	for deadline := time.Now().Add(2 * time.Second); killChildren() && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	sweep()
}

// killChildren kills the processes that we have started, and reports whether there are any. proc_pid_task(5)
func killChildren() bool {
	found := false
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(child); err == nil {
				found = true
				unix.Kill(pid, unix.SIGKILL)
			}
		}
	}
	return found
}
