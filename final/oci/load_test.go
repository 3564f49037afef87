//go:build linux

package oci

import (
	"errors"
	"io"
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
		`{"process": {"args": "true"}}`:                {"process.args", "must be []string"},
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
