//go:build linux

package vm_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/engine"
	"container-workshop/internal/check"
)

const devcontainerFile = "../.devcontainer/devcontainer.json"

// devcontainer has the fields of https://containers.dev/implementors/json_reference that our file uses.
type devcontainer struct {
	Name       string   `json:"name"`
	Image      string   `json:"image"`
	Init       bool     `json:"init"`
	Privileged bool     `json:"privileged"`
	RunArgs    []string `json:"runArgs"`
	Mounts     []struct {
		Type   string `json:"type"`
		Source string `json:"source"`
		Target string `json:"target"`
	} `json:"mounts"`
	HostRequirements struct {
		CPUs   int    `json:"cpus"`
		Memory string `json:"memory"`
	} `json:"hostRequirements"`
	ForwardPorts    []int `json:"forwardPorts"`
	PortsAttributes map[string]struct {
		Label string `json:"label"`
	} `json:"portsAttributes"`
	PostCreateCommand string `json:"postCreateCommand"`
	Customizations    struct {
		VSCode struct {
			Extensions []string `json:"extensions"`
		} `json:"vscode"`
	} `json:"customizations"`
}

// readDevcontainer reads devcontainer.json, and refuses fields that the struct does not have.
func readDevcontainer(t *testing.T) (dev devcontainer) {
	t.Helper()
	file, err := os.Open(devcontainerFile)
	require.NoError(t, err)
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&dev))
	return dev
}

func TestDevcontainerNamesWhatExists(t *testing.T) {
	dev := readDevcontainer(t)

	// Root file system and overlays are on the volume: the container's own disk is an overlay, which cannot hold another overlay.
	require.Len(t, dev.Mounts, 1)
	assert.Equal(t, "volume", dev.Mounts[0].Type)
	assert.Equal(t, filepath.Dir(check.DefaultRootfs), dev.Mounts[0].Target)
	assert.Equal(t, filepath.Dir(engine.Storage()), dev.Mounts[0].Target)

	script, found := strings.CutPrefix(dev.PostCreateCommand, "sudo bash ")
	require.True(t, found, dev.PostCreateCommand)
	assert.FileExists(t, filepath.Join("..", script))
}

// devcontainerCLI is pinned, so that a new release cannot break the test.
const devcontainerCLI = "@devcontainers/cli@0.89.0"

// devcontainerRun returns the arguments of docker run that the Dev Container CLI makes of a devcontainer.json. A script stands in
// for docker: it writes down its arguments and starts nothing.
func devcontainerRun(t *testing.T, text string) []string {
	t.Helper()
	dir := t.TempDir()
	docker, run := filepath.Join(dir, "docker"), filepath.Join(dir, "run")
	workspace := filepath.Join(dir, "workspace")
	require.NoError(t, os.MkdirAll(filepath.Join(workspace, ".devcontainer"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(workspace, ".devcontainer/devcontainer.json"), []byte(text), 0o644))
	require.NoError(t, os.WriteFile(docker, []byte(`#!/bin/sh
		case $1 in
		inspect) echo '[{"Id": "sha256:1", "Os": "linux", "Architecture": "amd64", "Config": {"User": "root", "Cmd": ["bash"]}}]' ;;
		version) echo 28.0.0 ;;
		run) printf '%s\n' "$@" >`+run+` && exit 1 ;;
		esac`), 0o755))
	output, err := npx(t, "up", "--workspace-folder", workspace, "--docker-path", docker)
	require.Error(t, err, "the stand-in starts no container")
	arguments, err := os.ReadFile(run)
	require.NoError(t, err, output)
	return strings.Split(strings.TrimSpace(string(arguments)), "\n")
}

func npx(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("npx", append([]string{"--yes", "--prefer-offline", devcontainerCLI}, arguments...)...)
	if os.Getenv("SUDO_UID") != "" {
		// Files of root would get into the way of the caller's own npm.
		cmd.Env = append(os.Environ(), "npm_config_cache="+t.TempDir())
	}
	output, err := cmd.CombinedOutput()
	return string(output), err
}

func TestDevcontainerStartsWithAllRights(t *testing.T) {
	need(t, "npx", "npm")
	if output, err := npx(t, "--version"); err != nil {
		t.Skipf("needs %s: is the npm registry reachable? %s", devcontainerCLI, output)
	}
	text, err := os.ReadFile(devcontainerFile)
	require.NoError(t, err)
	arguments := devcontainerRun(t, string(text))
	assert.Subset(t, arguments, []string{"--privileged", "--cgroupns=host", "--init", "mcr.microsoft.com/devcontainers/base:ubuntu-24.04"})
	assert.Regexp(t, `(?m)^type=volume,src=container-workshop-\w+,dst=/var/lib/container-workshop$`, strings.Join(arguments, "\n"))

	// The CLI takes no word that it does not know.
	mistaken := strings.Replace(string(text), `"privileged"`, `"privilege"`, 1)
	assert.NotContains(t, devcontainerRun(t, mistaken), "--privileged")
}
