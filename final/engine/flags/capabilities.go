//go:build linux

package flags

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
)

// checkedCapability takes a name, or ALL.
func checkedCapability(text string) (string, error) {
	if strings.EqualFold(text, "ALL") {
		return "ALL", nil
	}
	_, err := capability.Parse(text)
	return text, err
}

// capabilitySet reads names, and whether ALL is among them.
func capabilitySet(flag string, names []string) (set capability.Set, all bool, err error) {
	for _, name := range names {
		if name == "ALL" {
			all = true
			continue
		}
		number, err := capability.Parse(name)
		if err != nil {
			return 0, false, fmt.Errorf("%s %s: %w", flag, name, err)
		}
		set |= 1 << number
	}
	return set, all, nil
}

// newCapabilities changes the default as Docker does: with ALL added, all but those that are dropped; with ALL dropped, only
// those that are added; else one that is both dropped and added is there. A user other than root has them in the bounding set
// only: none are in effect, and programs with file capabilities may give them. capabilities(7)
func newCapabilities(o *Options, uid uint32) (*specs.LinuxCapabilities, error) {
	added, addAll, err := capabilitySet("--cap-add", o.CapAdd)
	if err != nil {
		return nil, err
	}
	dropped, dropAll, err := capabilitySet("--cap-drop", o.CapDrop)
	if err != nil {
		return nil, err
	}
	base, everything := capability.Default, capability.UpTo(unix.CAP_LAST_CAP)
	if o.Privileged {
		base = everything
	}
	switch {
	case addAll:
		base = everything &^ dropped
	case dropAll:
		base = added
	default:
		base = base&^dropped | added
	}
	if uid != 0 {
		return capability.Sets{Bounding: base}.Spec(), nil
	}
	return capability.Sets{Bounding: base, Effective: base, Permitted: base}.Spec(), nil
}
