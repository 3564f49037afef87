//go:build linux

package spec

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// hookPoints are the points of a container's life at which hooks run, in that order. config.md, POSIX-platform Hooks
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

func checkHooks(spec *specs.Spec) error {
	if spec.Hooks == nil {
		return nil
	}
	for _, point := range hookPoints {
		for i, hook := range point.hooks(spec.Hooks) {
			if err := checkHook(fmt.Sprintf("hooks.%s[%d]", point.name, i), hook); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkHook(place string, hook specs.Hook) error {
	if !isAbsolute(hook.Path) {
		return fmt.Errorf("%s.path: %q: must be an absolute path", place, hook.Path)
	}
	if hook.Timeout != nil && *hook.Timeout <= 0 {
		return fmt.Errorf("%s.timeout: %d: must be a number of seconds above 0, or left out", place, *hook.Timeout)
	}
	if err := checkTexts(place+".args", hook.Args); err != nil {
		return err
	}
	return checkTexts(place+".env", hook.Env)
}
