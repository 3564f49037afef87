//go:build linux

package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
	"container-workshop/final/engine"
	"container-workshop/final/engine/flags"
	"container-workshop/final/helper"
	"container-workshop/final/helper/ask"
	"container-workshop/final/rootfs"
	"container-workshop/final/spec"
	"container-workshop/internal/check/steptest"
)

// TestMain makes the test binary the program, also as process 1 in a container, where the environment is the container's.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "init" {
		main()
	}
	if len(os.Args) > 2 && os.Args[1] == "attack" {
		os.Exit(attack(os.Args[2:]))
	}
	interrupt()
	// By these the processes of a test are found, and interrupted.
	calls.Environment = slices.DeleteFunc(os.Environ(), func(variable string) bool { return !strings.HasPrefix(variable, "WORKSHOP_MARK=") })
	// So each monitor becomes a list, and often.
	engine.Quiet = 20 * time.Millisecond
	if os.Getenv("WORKSHOP_NO_OVERLAY") != "" {
		engine.KernelOverlay = func(rootfs.Overlay) (int, error) { return -1, unix.EPERM }
	}
	awayFromOpenTmp()
	if os.Args[0] == ask.Name {
		os.Exit(helper.Main(os.Args[1:]))
	}
	ask.Itself = os.Getenv("WORKSHOP_NO_HELPER") == ""
	steptest.Main(m, main)
}

// awayFromOpenTmp makes the directories of tests elsewhere if /tmp is not sticky, as in some containers: final believes no state in a
// directory that other users can replace.
func awayFromOpenTmp() {
	if info, err := os.Stat(os.TempDir()); err == nil && info.Mode()&os.ModeSticky == 0 {
		os.Setenv("TMPDIR", "/var/tmp")
	}
}

func TestHasEveryPropertyOfTheSteps(t *testing.T) {
	steptest.Step(t, 7, "--env", "CHECK_MARK", "--env", "PS1")
}

func TestTheReadmeHasWhatIsRefused(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(readme), "| field | why |\n| --- | --- |\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	var rows []string
	for _, r := range spec.Unsupported() {
		rows = append(rows, "| `"+r.Field+"` | "+r.Reason+" |")
	}
	assert.Equal(t, strings.Join(rows, "\n"), strings.TrimSpace(table))
}

func TestTheReadmeHasEveryFlag(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, block, found := strings.Cut(string(readme), "$ build/final run --help\n")
	require.True(t, found)
	block, _, found = strings.Cut(block, "```")
	require.True(t, found)
	var usage strings.Builder
	flags.Usage(&usage)
	assert.Equal(t, usage.String(), block, "copy the output of final run --help to README.md")
}
