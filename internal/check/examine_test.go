//go:build linux

package check

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/needs"
)

// examined examines a program as the command check does, and returns what was found.
func examined(t *testing.T, v variant, step int) ([]Finding, Summary) {
	t.Helper()
	rootfs := needs.Rootfs(t)
	var findings []Finding
	program := &Program{Path: v.program(t), Step: step, Rootfs: rootfs}
	summary, err := Examine(program, false, func(f Finding) { findings = append(findings, f) })
	require.NoError(t, err)
	return findings, summary
}

// impatient makes what is waited for in vain be waited for less long, except on slow machines.
func impatient(t *testing.T) {
	t.Helper()
	if testing.Short() {
		return
	}
	usual := Patience
	t.Cleanup(func() { Patience = usual })
	Patience = 4 * time.Second
}

// besideOthers lets a test of a program run beside others, which saves time because it mostly waits. From step 6 on, each check removes
// leftover cgroups. Two checks at once could remove the cgroups of each other.
func besideOthers(t *testing.T, step int) {
	t.Helper()
	if step < 6 {
		t.Parallel()
	}
}

// Files of the host that are made for untidy. If a check does not protect the host, nothing else comes to harm.
const (
	toChange = "/etc/container-workshop-to-change"
	toRemove = "/etc/container-workshop-to-remove"
)

// untidy writes to files of the host and of the root file system.
var untidy = variant{"untidy", "step04-chroot", slices.Concat(
	before("	if err := changeRoot(); err != nil {\n", `	os.Mkdir("/mytemp", 0o755)
	os.WriteFile("`+toChange+`", nil, 0o644)
	os.Remove("`+toRemove+`")
`),
	before(lookUp, `	for n := range 1176 {
		os.Mkdir(fmt.Sprintf("/left%04d", n), 0o755)
	}
`))}

func TestTheHostStaysAsItIsWhateverAProgramWrites(t *testing.T) {
	rootfs := needs.Rootfs(t)
	impatient(t)
	makeUntidyFiles(t)
	findings, summary := examined(t, untidy, 4)
	assert.Equal(t, Has, findings[0].State, findings[0].Seen)
	assert.Equal(t, []string{filepath.Join(rootfs, "left0000") + " and 1175 more", toChange + " (changed) and 2 more"}, summary.Leftovers)
	assert.Empty(t, summary.Unprotected)

	assert.NoDirExists(t, "/mytemp")
	assert.NoDirExists(t, filepath.Join(rootfs, "left0000"))
	assert.FileExists(t, toRemove)
	after, err := os.ReadFile(toChange)
	require.NoError(t, err)
	assert.Equal(t, "text", string(after))
}

func makeUntidyFiles(t *testing.T) {
	t.Helper()
	for _, path := range []string{toChange, toRemove} {
		t.Cleanup(func() { os.Remove(path) })
		require.NoError(t, os.WriteFile(path, []byte("text"), 0o644))
	}
}

func TestARightProgramLeavesNothing(t *testing.T) {
	for step := range 7 {
		dir := folder(t, step+1)
		t.Run(dir, func(t *testing.T) {
			besideOthers(t, step+1)
			findings, summary := examined(t, variant{dir, dir, nil}, step+1)
			for _, f := range findings {
				assert.Equal(t, Has, f.State, "%s: %s", f.Property, f.Seen)
			}
			assert.Empty(t, summary.Leftovers)
		})
	}
}
