//go:build linux

package check

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Abandon ends the programs that an examination has started, and removes their cgroups. It is for a caller that exits before the
// examination has ended.
func Abandon() {
	// proc_pid_task(5)
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(child); err == nil {
				unix.Kill(pid, unix.SIGKILL)
			}
		}
	}
	sweep()
}
