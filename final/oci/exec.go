//go:build linux

package oci

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// ExecOptions is what the flags of exec say.
type ExecOptions struct {
	// Env holds KEY=VALUE, or KEY for a variable of the caller's.
	Env []string
	// User is as that of [Options]. "" is the user of the container.
	User string
	// Workdir is an absolute path. "" is that of the container.
	Workdir string
	// Terminal asks for a terminal of its own.
	Terminal bool
}

// Exec returns a process for a container that runs: as its first one, but for what the options say. Another user than that of
// the container, if not root, has no capabilities.
func Exec(spec *specs.Spec, o *ExecOptions, args []string, host *Host) (*specs.Process, error) {
	process := *spec.Process
	process.Args, process.Terminal, process.ConsoleSize = args, o.Terminal, nil
	if o.Workdir != "" {
		if !path.IsAbs(o.Workdir) {
			return nil, fmt.Errorf("--workdir %q: want an absolute path", o.Workdir)
		}
		process.Cwd = path.Clean(o.Workdir)
	}
	process.Env = slices.Clone(process.Env)
	for _, text := range o.Env {
		variable, err := checkedVariable(text)
		if err != nil {
			return nil, fmt.Errorf("--env %q: %w", text, err)
		}
		process.Env = setVariable(process.Env, variable, host)
	}
	if o.User == "" {
		return &process, nil
	}
	user, home, err := FindUser(o.User, host.Passwd, host.Group)
	if err != nil {
		return nil, fmt.Errorf("--user %s: %w", o.User, err)
	}
	process.User = user
	if !slices.ContainsFunc(o.Env, func(text string) bool { return text == "HOME" || strings.HasPrefix(text, "HOME=") }) {
		process.Env = setVariable(process.Env, "HOME="+home, host)
	}
	if caps := process.Capabilities; caps != nil {
		process.Capabilities = &specs.LinuxCapabilities{Bounding: caps.Bounding}
		if user.UID == 0 {
			process.Capabilities.Permitted, process.Capabilities.Effective = caps.Bounding, caps.Bounding
		}
	}
	return &process, nil
}
