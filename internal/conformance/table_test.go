//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"container-workshop/internal/conformance/page"
)

// allPassed are the results of a runtime that passes every program that it must pass. The other programs fail, or pass, too.
func allPassed(rest string) []result {
	var results []result
	for _, p := range expected {
		r := result{program: p, took: time.Second}
		if !p.must() {
			r.problem = rest
		}
		results = append(results, r)
	}
	return results
}

func TestEveryProgramIsHeldToOrHasAReason(t *testing.T) {
	must := 0
	for i, p := range expected {
		require.Equal(t, p.must(), p.why == "", p.name)
		if p.must() {
			must++
		}
		if i > 0 {
			require.Less(t, expected[i-1].name, p.name, "the order is that of the suite")
		}
	}
	require.Len(t, expected, 58)
	require.Equal(t, 36, must)
}

func TestThePageIsTheSameWhateverTheOthersDo(t *testing.T) {
	section := markdown(allPassed("not ok"))
	require.Equal(t, section, markdown(allPassed("")))
	require.Equal(t, 36, strings.Count(section, "| passes |"))
	for _, p := range expected {
		require.Contains(t, section, "\n| "+p.name+" | ")
	}
}

func TestAFailureOfWhatMustPass(t *testing.T) {
	results := allPassed("not ok")
	var summary strings.Builder
	require.True(t, summarize(&summary, results))
	require.Equal(t, "\n36 of 58 programs passed, 36 of the 36 that must. 0 not run.\n", summary.String())

	results[1].problem = "a | b"
	summary.Reset()
	require.False(t, summarize(&summary, results))
	require.Equal(t, "\n35 of 58 programs passed, 35 of the 36 that must. 0 not run.\n", summary.String())
	require.Contains(t, markdown(results), `| create | **fails**: a \| b |`)
}

func TestWhatIsNotRunDoesNotFail(t *testing.T) {
	results := allPassed("not ok")
	for i := range results {
		if reason := results[i].impossible(false, 2); reason != "" {
			results[i].problem, results[i].skipped = "", reason
		}
	}
	var summary strings.Builder
	require.True(t, summarize(&summary, results))
	require.Equal(t, "\n31 of 42 programs passed, 31 of the 31 that must. 16 not run.\n", summary.String())
	require.Contains(t, markdown(results), "| linux_cgroups_cpus | not run: it knows cgroups of version 1 only |")
}

func TestWhatAMachineCannotRun(t *testing.T) {
	p := program{name: "cpus", v1: true, cpus: 2}
	require.Empty(t, p.impossible(true, 2))
	require.Equal(t, "it knows cgroups of version 1 only", p.impossible(false, 2))
	require.Equal(t, "it needs 2 processors", p.impossible(true, 1))
	require.Empty(t, program{name: "state"}.impossible(false, 1))
}

func TestAnUnknownProgram(t *testing.T) {
	_, err := chosen([]string{"create", "creat"})
	require.EqualError(t, err, "--only creat: the suite has no such program; --list has the names")
	programs, err := chosen([]string{"state", "create"})
	require.NoError(t, err)
	require.Equal(t, []string{"state", "create"}, []string{programs[0].name, programs[1].name})
}

func TestThePageIsUpToDate(t *testing.T) {
	whole, err := os.ReadFile("../../final/CONFORMANCE.md")
	require.NoError(t, err)
	section, err := page.Section(string(whole), target)
	require.NoError(t, err)
	require.Equal(t, markdown(allPassed("")), section, "make conformance writes it")
}

func TestOneSectionOfThePageIsWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	require.ErrorIs(t, write(file, nil), os.ErrNotExist)
	require.NoError(t, os.WriteFile(file, []byte("top\n<!-- written by: make conformance -->\nold\n<!-- written by: make x -->\nx\n"), 0o644))
	require.NoError(t, write(file, allPassed("")))
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "top\n<!-- written by: make conformance -->\n"+markdown(allPassed(""))+"<!-- written by: make x -->\nx\n", string(whole))
}
