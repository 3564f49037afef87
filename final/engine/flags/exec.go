//go:build linux

package flags

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
)

// ExecOptions is what the flags of exec say. An empty option leaves the container's own.
type ExecOptions struct {
	// Env holds KEY=VALUE, or KEY for a variable of the caller's.
	Env []string
	// User is USER[:GROUP], in names or numbers.
	User string
	// Groups are the IDs of additional groups.
	Groups []uint32
	// Workdir is an absolute, clean path.
	Workdir string
	// Capabilities are names of capabilities that the process gets besides the user's.
	Capabilities    []string
	NoNewPrivileges *bool
	// AppArmor and SELinux are labels for the process.
	AppArmor, SELinux string
	// Terminal asks for a terminal of the process's own.
	Terminal bool
}

// execFlags is the table of exec, with the names that callers of runc know.
func execFlags(o *ExecOptions) []*flag {
	return []*flag{
		{name: "env", short: "e", arg: "KEY[=VALUE]", about: "set a variable; KEY alone passes yours on", set: each(&o.Env, checkedVariable)},
		{name: "workdir", short: "w", alias: "cwd", arg: "DIR", about: "working directory (default: the container's)", set: one(&o.Workdir, checkedWorkdir)},
		{name: "user", short: "u", arg: "USER[:GROUP]", about: "user name or number, group name or number", set: one(&o.User, checkedUser)},
		{name: "additional-gids", short: "g", arg: "GID", about: "number of an additional group", set: each(&o.Groups, parseID)},
		{name: "tty", short: "t", about: "give the command a terminal of its own", set: one(&o.Terminal, parseBool)},
		{name: "cap", short: "c", arg: "NAME", about: "add a capability", set: each(&o.Capabilities, parseCapabilityName)},
		{name: "no-new-privs", about: "set no_new_privs: no program gains privileges", set: one(&o.NoNewPrivileges, pointer(parseBool))},
		{name: "apparmor", arg: "PROFILE", about: "AppArmor profile", set: one(&o.AppArmor, checkedLabel)},
		{name: "process-label", arg: "LABEL", about: "SELinux label", set: one(&o.SELinux, checkedLabel)},
	}
}

// AddExecFlags adds a flag for each option to the set. The first argument that is no flag ends the flags.
func AddExecFlags(set *pflag.FlagSet, o *ExecOptions) {
	set.SetInterspersed(false)
	addFlags(set, execFlags(o))
}

// Exec returns a process for a running container: the container's first process, with the changes that the options ask for. A user whom you
// name has no capabilities, unless the user is root.
func Exec(spec *specs.Spec, o *ExecOptions, args []string, host *Host) (*specs.Process, error) {
	p := *spec.Process
	p.Args, p.Terminal, p.ConsoleSize = args, o.Terminal, nil
	p.Cwd = cmp.Or(o.Workdir, p.Cwd)
	p.ApparmorProfile, p.SelinuxLabel = cmp.Or(o.AppArmor, p.ApparmorProfile), cmp.Or(o.SELinux, p.SelinuxLabel)
	if o.NoNewPrivileges != nil {
		p.NoNewPrivileges = *o.NoNewPrivileges
	}
	p.Env = slices.Clone(p.Env)
	for _, variable := range o.Env {
		p.Env = setVariable(p.Env, variable, host)
	}
	if o.User != "" {
		if err := setUser(&p, o, host); err != nil {
			return nil, err
		}
	}
	p.User.AdditionalGids = append(slices.Clone(p.User.AdditionalGids), o.Groups...)
	if len(o.Capabilities) > 0 {
		p.Capabilities = withCapabilities(p.Capabilities, o.Capabilities)
	}
	return &p, nil
}

// setUser changes the user of a process, and with the user HOME and the capabilities.
func setUser(p *specs.Process, o *ExecOptions, host *Host) error {
	user, home, err := FindUser(o.User, host.Read)
	if err != nil {
		return fmt.Errorf("--user %s: %w", o.User, err)
	}
	user.Umask = p.User.Umask
	p.User = user
	if !slices.ContainsFunc(o.Env, func(text string) bool { return text == "HOME" || strings.HasPrefix(text, "HOME=") }) {
		p.Env = setVariable(p.Env, "HOME="+home, host)
	}
	if caps := p.Capabilities; caps != nil {
		p.Capabilities = &specs.LinuxCapabilities{Bounding: caps.Bounding}
		if user.UID == 0 {
			p.Capabilities.Permitted, p.Capabilities.Effective = caps.Bounding, caps.Bounding
		}
	}
	return nil
}

// withCapabilities returns a copy of the capabilities with more names.
func withCapabilities(caps *specs.LinuxCapabilities, names []string) *specs.LinuxCapabilities {
	with := *cmp.Or(caps, new(specs.LinuxCapabilities))
	sets := []*[]string{&with.Bounding, &with.Effective, &with.Permitted}
	// Programs that the command executes inherit a new capability only in a container whose programs inherit some. CVE-2022-29162
	for _, set := range []*[]string{&with.Inheritable, &with.Ambient} {
		if len(*set) > 0 {
			sets = append(sets, set)
		}
	}
	for _, set := range sets {
		*set = append(slices.Clone(*set), names...)
	}
	return &with
}
