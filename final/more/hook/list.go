//go:build linux

package hook

import (
	"encoding/json"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A List is hooks that keep their meaning when they are written as JSON and read again: a hook with an empty environment is not the
// same as a hook that names no environment.
type List []specs.Hook

// MarshalJSON writes null for an environment that is not named.
func (l List) MarshalJSON() ([]byte, error) {
	type whole struct {
		specs.Hook
		Env []string `json:"env"`
	}
	all := make([]whole, len(l))
	for i, h := range l {
		all[i] = whole{h, h.Env}
	}
	return json.Marshal(all)
}

// Lists are the hooks of a configuration by the names of their points.
func Lists(h *specs.Hooks) map[string]List {
	if h == nil {
		return nil
	}
	return map[string]List{
		//lint:ignore SA1019 engines still ask for it
		"prestart": h.Prestart, "createRuntime": h.CreateRuntime, "createContainer": h.CreateContainer,
		"startContainer": h.StartContainer, "poststart": h.Poststart, "poststop": h.Poststop,
	}
}
