//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"container-workshop/final/report"
)

// standsIn reports whether final was called by the name of another runtime. Then final behaves like that runtime: `run ID` runs the bundle in
// the working directory, and if final fails, it has the other runtime's exit status.
func standsIn() bool { return slices.Contains([]string{"runc", "crun"}, report.Name()) }

// addOthersFlags adds global flags that only crun has. cgroupManager is for [checkManager].
func addOthersFlags(set *pflag.FlagSet) {
	set.StringVar(&global.cgroupManager, "cgroup-manager", "", "cgroupfs, or systemd, which is the same as --systemd-cgroup")
	_ = set.MarkHidden("cgroup-manager")
}

// checkManager takes --cgroup-manager for --systemd-cgroup.
func checkManager() error {
	switch global.cgroupManager {
	case "", "cgroupfs":
	case "systemd":
		global.systemdCgroup = true
	case "disabled":
		return fmt.Errorf("--cgroup-manager disabled: final needs cgroups to end all processes of a container: use cgroupfs or systemd")
	default:
		return fmt.Errorf("--cgroup-manager %q: use cgroupfs or systemd", global.cgroupManager)
	}
	return nil
}

// logFile is the file that --log names. Callers of crun write file:PATH.
func logFile(text string) string {
	if report.Name() == "crun" {
		return strings.TrimPrefix(text, "file:")
	}
	return text
}
