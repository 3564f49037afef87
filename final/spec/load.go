//go:build linux

// Package spec runs on the host side, before a container is made. It knows the configuration of the OCI runtime specification: Load reads
// a configuration, Validate refuses what final cannot do, and the defaults are what a container has that asks for nothing. It
// executes nothing and changes nothing.
package spec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// maxConfig is how large a configuration may be, in bytes.
const maxConfig = 16 << 20

// Load reads a configuration, the config.json of a bundle. Keys that it does not know are ignored, as the specification asks;
// the version must be 1.x. Of environment variables with one name the last counts. An error is one line that names the place. OCI
// runtime specification, config.md
//
// What the configuration says is not judged: see [Validate].
func Load(r io.Reader) (*specs.Spec, error) {
	spec := new(specs.Spec)
	if err := Decode(r, spec); err != nil {
		return nil, err
	}
	if err := checkVersion(spec.Version); err != nil {
		return nil, err
	}
	if spec.Process != nil {
		spec.Process.Env = lastOfEach(spec.Process.Env)
	}
	return spec, nil
}

// Decode reads one JSON value, and refuses a text that goes on after the value. An error is one line with the place of the mistake.
func Decode(r io.Reader, to any) error {
	data, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err != nil {
		return err
	}
	if len(data) > maxConfig {
		return fmt.Errorf("must be at most %d MiB", maxConfig>>20)
	}
	if err := json.Unmarshal(data, to); err != nil {
		return locate(data, err)
	}
	return nil
}

// locate adds the place in the text to an error of encoding/json.
func locate(data []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%s: %w", position(data, syntax.Offset), err)
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		// An embedded Go type, with a capital letter, is no part of the path in JSON.
		keys := slices.DeleteFunc(strings.Split(kind.Field, "."), func(key string) bool { return key != "" && unicode.IsUpper(rune(key[0])) })
		field := cmp.Or(strings.Join(keys, "."), "the whole document")
		inJSON := map[reflect.Kind]string{reflect.String: "string", reflect.Slice: "array", reflect.Struct: "object", reflect.Map: "object"}
		must := cmp.Or(inJSON[kind.Type.Kind()], kind.Type.String())
		return fmt.Errorf("%s: %s: must be %s, not %s", position(data, kind.Offset), field, must, kind.Value)
	}
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}

// position turns the offset after a byte into its line and column, from 1.
func position(data []byte, offset int64) string {
	before := data[:min(max(offset, 0), int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n') - 1
	return fmt.Sprintf("line %d, column %d", line, column)
}

// checkVersion accepts all that is compatible with our version: any 1.x. semver.org
func checkVersion(version string) error {
	if version == "" {
		return fmt.Errorf("ociVersion: missing: set a version, such as %s", specs.Version)
	}
	release, _, _ := strings.Cut(version, "-")
	release, _, _ = strings.Cut(release, "+")
	parts := strings.Split(release, ".")
	for _, part := range parts {
		if _, err := strconv.ParseUint(part, 10, 32); err != nil || len(parts) != 3 {
			return fmt.Errorf("ociVersion: %q is not a version: set one such as %s", version, specs.Version)
		}
	}
	if parts[0] != "1" {
		return fmt.Errorf("ociVersion: %q is not supported: use 1.x, such as %s", version, specs.Version)
	}
	return nil
}

// LoadProcess reads a process for a container that runs, as exec --process gets it. It is used as it is, and so judged as that
// of a configuration. OCI runtime specification, config.md, section Process
func LoadProcess(r io.Reader) (*specs.Process, error) {
	process := new(specs.Process)
	if err := Decode(r, process); err != nil {
		return nil, err
	}
	if err := checkProcess(process); err != nil {
		return nil, err
	}
	process.Env = lastOfEach(process.Env)
	return process, nil
}

// LoadResources reads limits for a container that is there, as update --resources gets them: what is absent stays as it is.
// Whether the limits make sense is seen when they are set. OCI runtime specification, config-linux.md, section Control groups
func LoadResources(r io.Reader) (*specs.LinuxResources, error) {
	resources := new(specs.LinuxResources)
	if err := Decode(r, resources); err != nil {
		return nil, err
	}
	if err := checkRules(resources); err != nil {
		return nil, err
	}
	return resources, nil
}
