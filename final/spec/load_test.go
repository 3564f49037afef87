//go:build linux

package spec

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const small = `{
	"ociVersion": "1.0.2-dev",
	"unknown": [{"key": 1}],
	"process": {"args": ["true"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "alsoUnknown": true},
	"root": {"path": "rootfs"},
	"linux": {"namespaces": [{"type": "mount"}]}
}
`

func TestLoad(t *testing.T) {
	spec, err := Load(strings.NewReader(small))
	require.NoError(t, err)
	require.NoError(t, Validate(spec))
	assert.Equal(t, "rootfs", spec.Root.Path)
	assert.Equal(t, []string{"true"}, spec.Process.Args)
}

func TestLoadVersions(t *testing.T) {
	for version, words := range map[string]string{
		specs.Version:       "",
		"1.0.0":             "",
		"1.0.0-rc5":         "",
		"1.99.7+build.1":    "",
		"1.2.3-rc.1+b-c":    "",
		"":                  "ociVersion: missing",
		"0.9.0":             "use 1.x",
		"2.0.0":             "use 1.x",
		"10.0.0":            "use 1.x",
		"1":                 "not a version",
		"1.0":               "not a version",
		"1.0.x":             "not a version",
		"1.0.0.0":           "not a version",
		"v1.0.0":            "not a version",
		"1.-1.0":            "not a version",
		"1.0.":              "not a version",
		"latest":            "not a version",
		" 1.0.0":            "not a version",
		"1.0.0 ":            "not a version",
		"1.99999999999.0":   "not a version",
		"-1.0.0":            "not a version",
		"1.0.0\\nsomething": "not a version",
	} {
		_, err := Load(strings.NewReader(`{"ociVersion": "` + version + `"}`))
		if words == "" {
			assert.NoError(t, err, version)
			continue
		}
		require.Error(t, err, version)
		assert.Contains(t, err.Error(), words, version)
		assert.NotContains(t, err.Error(), "\n")
	}
}

func TestLoadRefusals(t *testing.T) {
	for text, words := range map[string][]string{
		"":                              {"line 1, column 0", "unexpected end"},
		"{\n  \"ociVersion\" 1\n}":      {"line 2, column 16"},
		"{\"ociVersion\": \"1.0.0\"} x": {"line 1, column 25"},
		"{\n\"process\": {\n\t\"terminal\": \"yes\"}}": {"line 3, column 18", "process.terminal", "must be bool, not string"},
		`{"process": {"user": {"uid": -1}}}`:           {"process.user.uid", "must be uint32"},
		`{"process": {"user": {"uid": 4294967296}}}`:   {"process.user.uid", "must be uint32"},
		`{"process": {"args": "true"}}`:                {"process.args", "must be array"},
		`{"mounts": [{"destination": 1}]}`:             {"mounts.destination", "must be string"},
		`[]`:                                           {"the whole document"},
		`null`:                                         {"ociVersion: missing"},
		strings.Repeat("[", 100_000):                   {"line 1"},
		`{"ociVersion": "1.0.0"`:                       {"unexpected end"},
	} {
		_, err := Load(strings.NewReader(text))
		require.Error(t, err, "%.50s", text)
		for _, word := range words {
			assert.Contains(t, err.Error(), word, "%.50s", text)
		}
		assert.NotContains(t, err.Error(), "\n", "%.50s", text)
	}
}

func TestLoadIsBounded(t *testing.T) {
	_, err := Load(zeros{})
	assert.ErrorContains(t, err, "16 MiB")
	full := small + strings.Repeat(" ", maxConfig-len(small))
	_, err = Load(strings.NewReader(full))
	assert.NoError(t, err)
	_, err = Load(strings.NewReader(full + " "))
	assert.ErrorContains(t, err, "16 MiB")
	_, err = Load(io.MultiReader(strings.NewReader(small), failingReader{}))
	assert.Equal(t, errors.New("I/O error"), err)
}

func TestLoadProcess(t *testing.T) {
	process, err := LoadProcess(strings.NewReader(`{"terminal": true, "user": {"uid": 1, "gid": 2, "additionalGids": [0, 0]}, "args": ["sh"], "cwd": "/", "unknown": 1}`))
	require.NoError(t, err)
	assert.Equal(t, &specs.Process{Terminal: true, User: specs.User{UID: 1, GID: 2, AdditionalGids: []uint32{0, 0}}, Args: []string{"sh"}, Cwd: "/"}, process)

	for text, words := range map[string]string{
		``:                             "end of JSON",
		`{} {}`:                        "after top-level value",
		`{"cwd": "/", "args": "sh"}`:   "args: must be array, not string",
		`null`:                         "process.args: missing",
		`{"cwd": "/"}`:                 "process.args: missing",
		`{"args": ["sh"]}`:             `process.cwd: ""`,
		`{"args": ["sh"], "cwd": "x"}`: `process.cwd: "x"`,
	} {
		_, err := LoadProcess(strings.NewReader(text))
		require.Error(t, err, text)
		assert.ErrorContains(t, err, words, text)
		assert.NotContains(t, err.Error(), "\n", text)
	}
	// What a configuration may not say of its process, a file may not say either.
	count := 0
	for _, c := range invalid {
		field, found := strings.CutPrefix(c[0], "process.")
		if !found || slices.Contains([]string{"args", "cwd"}, field) {
			continue
		}
		_, err := LoadProcess(strings.NewReader(`{"args": ["sh"], "cwd": "/", "` + field + `": ` + c[1] + `}`))
		require.Error(t, err, "%v", c)
		assert.True(t, strings.HasPrefix(err.Error(), c[2]), "%v: %v", c, err)
		count++
	}
	assert.Greater(t, count, 25)
}

func TestLoadResources(t *testing.T) {
	r, err := LoadResources(strings.NewReader(`{"memory": {"limit": 0, "swap": 5}, "cpu": {"shares": 0, "cpus": "0"}, "unified": {"memory.high": "1"}, "devices": [{"allow": false, "access": "rwm"}], "unknown": 1}`))
	require.NoError(t, err)
	assert.Equal(t, &specs.LinuxResources{
		Memory:  &specs.LinuxMemory{Limit: new(int64(0)), Swap: new(int64(5))},
		CPU:     &specs.LinuxCPU{Shares: new(uint64(0)), Cpus: "0"},
		Unified: map[string]string{"memory.high": "1"},
		Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}},
	}, r)
	for text, words := range map[string]string{
		``:                                 "end of JSON",
		`{"memory": {"limit": "64m"}}`:     "memory.limit: must be int64, not string",
		`{"devices": [{"type": "x"}]}`:     "devices[0].type: ",
		`{"devices": [{"access": "rwx"}]}`: "devices[0].access: ",
		"{\n\"cpu\": }":                    "line 2, column ",
	} {
		_, err := LoadResources(strings.NewReader(text))
		require.Error(t, err, text)
		assert.ErrorContains(t, err, words)
		assert.NotContains(t, err.Error(), "\n")
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("I/O error") }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
