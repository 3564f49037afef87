//go:build linux

package flags

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"container-workshop/final/capability"
	"container-workshop/final/spec"
)

// ExecOptions is what the flags of exec say.
type ExecOptions struct {
	// Env holds KEY=VALUE, or KEY for a variable of the caller's.
	Env []string
	// User is as that of [Options]. "" is the user of the container.
	User string
	// Groups are additional ones, as numbers.
	Groups []uint32
	// Workdir is an absolute path. "" is that of the container.
	Workdir string
	// Capabilities are names that come to those of the user.
	Capabilities []string
	// NoNewPrivileges is that of the container if nil.
	NoNewPrivileges *bool
	// AppArmor and SELinux are labels for the process. "" are those of the container.
	AppArmor, SELinux string
	// Terminal asks for a terminal of its own.
	Terminal bool
}

// execFlags is the table, with the names that the callers of runc know.
func execFlags(o *ExecOptions) []*flag {
	return []*flag{
		{name: "env", short: "e", arg: "KEY[=VALUE]", about: "set a variable; KEY alone passes yours on", set: each(&o.Env, checkedVariable)},
		{name: "workdir", short: "w", alias: "cwd", arg: "DIR", about: "working directory (default: the container's)", set: one(&o.Workdir, checkedWorkdir)},
		{name: "user", short: "u", arg: "USER[:GROUP]", about: "user name or number, group name or number", set: one(&o.User, checkedUser)},
		{name: "additional-gids", short: "g", arg: "GID", about: "number of an additional group", set: each(&o.Groups, parseID)},
		{name: "tty", short: "t", about: "give the command a terminal of its own", set: one(&o.Terminal, parseBool)},
		{name: "cap", short: "c", arg: "NAME", about: "add a capability", set: each(&o.Capabilities, checkedName)},
		{name: "no-new-privs", about: "set no_new_privs: no program gains privileges", set: one(&o.NoNewPrivileges, pointer(parseBool))},
		{name: "apparmor", arg: "PROFILE", about: "AppArmor profile", set: one(&o.AppArmor, checkedLabel)},
		{name: "process-label", arg: "LABEL", about: "SELinux label", set: one(&o.SELinux, checkedLabel)},
	}
}

// AddExecFlags adds a flag to the set for each of the options. They end at the first argument that is none.
func AddExecFlags(set *pflag.FlagSet, o *ExecOptions) {
	set.SetInterspersed(false)
	addFlags(set, execFlags(o))
}

// checkedName takes the name of one capability.
func checkedName(text string) (string, error) {
	number, err := capability.Parse(text)
	if err != nil {
		return "", err
	}
	return capability.Set(1 << number).Names()[0], nil
}

func checkedLabel(text string) (string, error) {
	if text == "" {
		return "", errors.New("must not be empty")
	}
	return text, spec.CheckPrintable(text)
}

// Exec returns a process for a container that runs: as its first one, but for what the options say. Another user than that of
// the container, if not root, has no capabilities.
func Exec(spec *specs.Spec, o *ExecOptions, args []string, host *Host) (*specs.Process, error) {
	process := *spec.Process
	process.Args, process.Terminal, process.ConsoleSize = args, o.Terminal, nil
	if o.Workdir != "" {
		if !path.IsAbs(o.Workdir) {
			return nil, fmt.Errorf("--workdir %q: must be an absolute path", o.Workdir)
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
	if o.User != "" {
		if err := setUser(&process, o, host); err != nil {
			return nil, err
		}
	}
	setRights(&process, o)
	return &process, nil
}

// setUser makes a process another user's.
func setUser(process *specs.Process, o *ExecOptions, host *Host) error {
	user, home, err := FindUser(o.User, host.Passwd, host.Group)
	if err != nil {
		return fmt.Errorf("--user %s: %w", o.User, err)
	}
	user.Umask = process.User.Umask
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
	return nil
}

// setRights changes copies: what the container has stays.
func setRights(process *specs.Process, o *ExecOptions) {
	process.User.AdditionalGids = append(slices.Clone(process.User.AdditionalGids), o.Groups...)
	if len(o.Capabilities) > 0 {
		caps := specs.LinuxCapabilities{}
		if process.Capabilities != nil {
			caps = *process.Capabilities
		}
		sets := []*[]string{&caps.Bounding, &caps.Effective, &caps.Permitted}
		// What is for programs that the command executes is so only where the container has such capabilities. CVE-2022-29162
		for _, set := range []*[]string{&caps.Inheritable, &caps.Ambient} {
			if len(*set) > 0 {
				sets = append(sets, set)
			}
		}
		for _, set := range sets {
			*set = append(slices.Clone(*set), o.Capabilities...)
		}
		process.Capabilities = &caps
	}
	if o.NoNewPrivileges != nil {
		process.NoNewPrivileges = *o.NoNewPrivileges
	}
	if o.AppArmor != "" {
		process.ApparmorProfile = o.AppArmor
	}
	if o.SELinux != "" {
		process.SelinuxLabel = o.SELinux
	}
}
