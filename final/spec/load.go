//go:build linux

// Package spec runs in the caller's final, before a container is made. It knows the configuration of the OCI runtime specification: Load
// reads a configuration, Validate refuses what final cannot do, and the defaults are what a container has that asks for nothing. Spec
// executes nothing and changes nothing.
package spec

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Load reads a configuration: the config.json of a bundle. It ignores keys that it does not know, as the specification asks. The version
// must be 1.x. If two environment variables have one name, Load keeps the last. [Validate] judges the rest. OCI runtime specification,
// config.md
func Load(r io.Reader) (*specs.Spec, error) {
	spec := new(specs.Spec)
	if err := Decode(r, spec); err != nil {
		return nil, err
	}
	if err := checkVersion(spec.Version); err != nil {
		return nil, fmt.Errorf("ociVersion: %w such as %s", err, specs.Version)
	}
	if spec.Process != nil {
		spec.Process.Env = lastOfEach(spec.Process.Env)
	}
	return spec, nil
}

// checkVersion accepts every version that is compatible with ours: any 1.x. semver.org
func checkVersion(version string) error {
	release, _, _ := strings.Cut(strings.ReplaceAll(version, "+", "-"), "-")
	parts := strings.Split(release, ".")
	switch {
	case version == "":
		return fmt.Errorf("missing: set a version,")
	case len(parts) != 3 || slices.ContainsFunc(parts, func(part string) bool { _, err := strconv.ParseUint(part, 10, 32); return err != nil }):
		return fmt.Errorf("%q is not a version: set one", version)
	case parts[0] != "1":
		return fmt.Errorf("%q is not supported: use 1.x,", version)
	}
	return nil
}

// LoadProcess reads and checks a process for a running container, as exec --process gets it. OCI runtime specification, config.md,
// section Process
func LoadProcess(r io.Reader) (*specs.Process, error) {
	process, v := new(specs.Process), new(verdict)
	if err := Decode(r, process); err != nil {
		return nil, err
	}
	v.process(process)
	process.Env = lastOfEach(process.Env)
	return process, v.err
}

// LoadResources reads new limits for a container, as update --resources gets them. Limits that the file leaves out stay as they are. The
// kernel says whether the limits make sense. OCI runtime specification, config-linux.md, section Control groups
func LoadResources(r io.Reader) (*specs.LinuxResources, error) {
	resources, v := new(specs.LinuxResources), new(verdict)
	if err := Decode(r, resources); err != nil {
		return nil, err
	}
	v.rules("", resources)
	return resources, v.err
}
