//go:build linux && engines

package engine

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func criResults(states ...string) map[string]criResult {
	results := map[string]criResult{}
	for i, state := range states {
		results[[]string{"Group / one", "Group / two", "SELinux / label"}[i]] = criResult{State: state}
	}
	return results
}

func TestCRIWhatRuncPassesMustPass(t *testing.T) {
	for final, good := range map[string]bool{"passed": true, "failed": false, "skipped": false, "timedout": false} {
		passed, failures, _ := judge(criResults(final, "passed"), criResults("passed", "passed"))
		require.Equal(t, 2, passed)
		require.Equal(t, good, len(failures) == 0, "%s: %v", final, failures)
	}
	// What final alone can do must not fail either.
	for final, good := range map[string]bool{"passed": true, "failed": false, "skipped": true} {
		_, failures, _ := judge(criResults(final), criResults("skipped"))
		require.Equal(t, good, len(failures) == 0, "%s: %v", final, failures)
	}
	_, failures, riddles := judge(criResults("failed"), criResults("failed"))
	require.Empty(t, failures)
	require.Equal(t, []string{"Group / one: failed: "}, riddles)
}

func TestCRISection(t *testing.T) {
	run := func(version, one string) criRun {
		return criRun{containerd: version, runc: "1.2.3", critest: "v1", results: map[string]map[string]criResult{
			"runc": criResults(one, "skipped", "skipped"), "workshop": criResults(one, "passed", "skipped"),
		}}
	}
	section := criSection([]criRun{run("1.6.0", "failed"), run("2.0.0", "passed")})
	require.Contains(t, section, "| tests | containerd 1.6.0: final | runc 1.2.3 | containerd 2.0.0: final | runc 1.2.3 |\n| --- | --- | --- | --- | --- |\n")
	require.Contains(t, section, "\n| Group | 1 of 2 | 0 of 1 | 2 of 2 | 1 of 1 |\n")
	require.Contains(t, section, "\n| all | 1 of 2 | 0 of 1 | 2 of 2 | 1 of 1 |\n")
	require.Contains(t, section, "\n| Group / one | 1.6.0 |")
	require.Equal(t, 1, strings.Count(section, "| Group / one |"))
	require.Contains(t, section, "\n| SELinux | They need a kernel with SELinux. |\n")
}
