//go:build linux

package flags

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func updated(flags ...string) (*specs.LinuxResources, error) {
	r := new(specs.LinuxResources)
	set := pflag.NewFlagSet("update", pflag.ContinueOnError)
	AddUpdateFlags(set, r)
	return r, set.Parse(flags)
}

// Each flag is the field of the configuration, and nothing else.
func TestUpdateFlags(t *testing.T) {
	for flags, want := range map[string]string{
		"":                                `{}`,
		"--memory 64m":                    `{"memory": {"limit": 67108864}}`,
		"--memory -1":                     `{"memory": {"limit": -1}}`,
		"--memory=1g --memory-swap=-1":    `{"memory": {"limit": 1073741824, "swap": -1}}`,
		"--memory-reservation 4096":       `{"memory": {"reservation": 4096}}`,
		"--kernel-memory 1":               `{}`,
		"--kernel-memory-tcp whatever":    `{}`,
		"--pids-limit 5":                  `{"pids": {"limit": 5}}`,
		"--pids-limit 0":                  `{"pids": {"limit": 0}}`,
		"--pids-limit -1":                 `{"pids": {"limit": -1}}`,
		"--cpu-share 2":                   `{"cpu": {"shares": 2}}`,
		"--cpu-quota -1":                  `{"cpu": {"quota": -1}}`,
		"--cpu-quota 5000 --cpu-period 1": `{"cpu": {"quota": 5000, "period": 1}}`,
		"--cpu-period 0":                  `{"cpu": {"period": 0}}`,
		"--cpu-burst 7":                   `{"cpu": {"burst": 7}}`,
		"--cpu-rt-period 8":               `{"cpu": {"realtimePeriod": 8}}`,
		"--cpu-rt-runtime 9":              `{"cpu": {"realtimeRuntime": 9}}`,
		"--cpu-idle 1":                    `{"cpu": {"idle": 1}}`,
		"--cpuset-cpus 0-3,5":             `{"cpu": {"cpus": "0-3,5"}}`,
		"--cpuset-mems 0":                 `{"cpu": {"mems": "0"}}`,
		"--blkio-weight 1000":             `{"blockIO": {"weight": 1000}}`,
	} {
		r, err := updated(strings.Fields(flags)...)
		require.NoError(t, err, flags)
		text, err := json.Marshal(r)
		require.NoError(t, err)
		assert.JSONEq(t, want, string(text), flags)
	}
}

func TestUpdateRefusals(t *testing.T) {
	for flag, values := range map[string][]string{
		"--memory":             {"", "0", "x", "-2"},
		"--memory-swap":        {"", "x", "-2"},
		"--memory-reservation": {"", "x"},
		"--pids-limit":         {"", "-2", "x", "4194305"},
		"--cpu-share":          {"", "-1", "1", "262145"},
		"--cpu-quota":          {"", "-2", "1.5"},
		"--cpu-period":         {"", "-1"},
		"--cpu-burst":          {"", "-1"},
		"--cpu-rt-period":      {"", "-1"},
		"--cpu-rt-runtime":     {"", "-2"},
		"--cpu-idle":           {"", "2", "-1", "true"},
		"--cpuset-cpus":        {"", "x"},
		"--cpuset-mems":        {"", "1-"},
		"--blkio-weight":       {"", "9", "1001", "65546"},
		"--no-such-flag":       {"1"},
	} {
		for _, value := range values {
			_, err := updated(flag + "=" + value)
			require.Error(t, err, "%s=%s", flag, value)
			assert.ErrorContains(t, err, flag)
			assert.NotContains(t, err.Error(), "\n")
		}
	}
}
