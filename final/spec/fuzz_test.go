//go:build linux

package spec

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/quick"
)

// A configuration is read, refused or accepted: whatever it is. One that is accepted has all that the engine relies on.
func FuzzConfig(f *testing.F) {
	f.Add(small)
	for _, c := range invalid {
		f.Add(with(f, c[0], c[1]))
	}
	for _, c := range valid {
		f.Add(with(f, c[0], c[1]))
	}
	f.Add(`{"ociVersion": "1.0.0", "process": null, "linux": {"resources": null, "seccomp": null}}`)
	f.Add("[")
	f.Fuzz(func(t *testing.T, text string) {
		ours, theirs := new(specs.Spec), new(specs.Spec)
		require.Equal(t, json.Unmarshal([]byte(text), theirs), quick.Unmarshal([]byte(text), ours))
		require.Equal(t, theirs, ours)
		spec, err := Load(strings.NewReader(text))
		if err == nil {
			err = Validate(spec)
		}
		if err != nil {
			assert.NotContains(t, err.Error(), "\n")
			return
		}
		assert.NotEmpty(t, spec.Process.Args)
		assert.NotEmpty(t, spec.Root.Path)
		require.NotNil(t, spec.Linux)
		written, err := quick.Marshal(spec)
		require.NoError(t, err)
		expected, err := json.Marshal(spec)
		require.NoError(t, err)
		assert.Equal(t, string(expected), string(written))
	})
}
