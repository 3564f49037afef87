//go:build linux

package spec

import (
	"fmt"
	"math"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// process checks the first process of a container, or a process that exec starts in a container.
func (v *verdict) process(p *specs.Process) {
	v.refuse(len(p.Args) == 0, "process.args: missing: name a command")
	v.refuse(!path.IsAbs(p.Cwd), "process.cwd: %q: must be an absolute path", p.Cwd)
	v.texts("process.args", p.Args...)
	v.texts("process.env", p.Env...)
	v.texts("process.cwd", p.Cwd)
	if size := p.ConsoleSize; size != nil && p.Terminal {
		v.refuse(max(size.Height, size.Width) > math.MaxUint16, "process.consoleSize: %dx%d: must be at most %d", size.Width, size.Height, math.MaxUint16)
	}
	v.user(p.User)
	v.rlimits(p.Rlimits)
	if p.Scheduler != nil {
		_, err := SchedAttr(p.Scheduler)
		v.refuse(err != nil, "process.scheduler%w", err)
	}
	v.priorities(p)
	// The kernel says whether it knows a label.
	v.check("process.apparmorProfile", CheckPrintable(p.ApparmorProfile))
	v.check("process.selinuxLabel", CheckPrintable(p.SelinuxLabel))
}

// user refuses the highest ID. The kernel reads this ID as "do not change", and the command would stay root. setresuid(2)
func (v *verdict) user(user specs.User) {
	for i, gid := range user.AdditionalGids {
		v.refuse(gid == math.MaxUint32, "process.user.additionalGids[%d]: %d is not a valid ID", i, gid)
	}
	v.refuse(user.UID == math.MaxUint32, "process.user.uid: %d is not a valid ID", user.UID)
	v.refuse(user.GID == math.MaxUint32, "process.user.gid: %d is not a valid ID", user.GID)
	if umask := user.Umask; umask != nil {
		v.refuse(*umask > 0o777, "process.user.umask: %#o: must be at most 0777", *umask)
	}
}

func (v *verdict) rlimits(limits []specs.POSIXRlimit) {
	for i, limit := range limits {
		_, known := Rlimit(limit.Type)
		again := slices.ContainsFunc(limits[:i], func(l specs.POSIXRlimit) bool { return l.Type == limit.Type })
		v.refuse(!known, "process.rlimits[%d].type: unknown limit %q: use one such as RLIMIT_NOFILE", i, limit.Type)
		v.refuse(again, "process.rlimits[%d].type: %s appears twice", i, limit.Type)
		v.refuse(limit.Soft > limit.Hard, "process.rlimits[%d].soft: %d is above the hard limit, %d", i, limit.Soft, limit.Hard)
	}
}

// priorities checks what the process gets before other processes, besides its scheduler.
func (v *verdict) priorities(p *specs.Process) {
	if adj := p.OOMScoreAdj; adj != nil {
		v.refuse(*adj < -1000 || *adj > 1000, "process.oomScoreAdj: %d: must be from -1000 to 1000", *adj)
	}
	if p.IOPriority != nil {
		_, err := IOPriority(p.IOPriority)
		v.refuse(err != nil, "process.ioPriority.%w", err)
	}
	if a := p.ExecCPUAffinity; a != nil {
		for _, list := range [][2]string{{"initial", a.Initial}, {"final", a.Final}} {
			if list[1] != "" {
				_, err := CPUs(list[1])
				v.check("process.execCPUAffinity."+list[0], err)
			}
		}
	}
}

// hookPoints are the points in the life of a container at which hooks run, in this order. config.md, POSIX-platform Hooks
var hookPoints = []struct {
	name  string
	hooks func(*specs.Hooks) []specs.Hook
}{
	//lint:ignore SA1019 engines still ask for it
	{"prestart", func(h *specs.Hooks) []specs.Hook { return h.Prestart }},
	{"createRuntime", func(h *specs.Hooks) []specs.Hook { return h.CreateRuntime }},
	{"createContainer", func(h *specs.Hooks) []specs.Hook { return h.CreateContainer }},
	{"startContainer", func(h *specs.Hooks) []specs.Hook { return h.StartContainer }},
	{"poststart", func(h *specs.Hooks) []specs.Hook { return h.Poststart }},
	{"poststop", func(h *specs.Hooks) []specs.Hook { return h.Poststop }},
}

// HookNames returns the names of the hooks, in the order in which they run.
func HookNames() []string {
	names := make([]string, len(hookPoints))
	for i, point := range hookPoints {
		names[i] = point.name
	}
	return names
}

func (v *verdict) hooks(hooks *specs.Hooks) {
	if hooks == nil {
		return
	}
	for _, point := range hookPoints {
		for i, hook := range point.hooks(hooks) {
			field := fmt.Sprintf("hooks.%s[%d]", point.name, i)
			v.absolute(field+".path", hook.Path)
			if timeout := hook.Timeout; timeout != nil {
				v.refuse(*timeout <= 0, "%s.timeout: %d: must be a number of seconds above 0, or left out", field, *timeout)
			}
			v.texts(field+".args", hook.Args...)
			v.texts(field+".env", hook.Env...)
		}
	}
}
