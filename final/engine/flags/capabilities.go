//go:build linux

package flags

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
)

// allCapabilities stands for ALL in --cap-add and --cap-drop. The kernel has no capability with this number.
const allCapabilities capability.Set = 1 << 63

// parseCapability reads the name of a capability, or ALL.
func parseCapability(text string) (capability.Set, error) {
	if strings.EqualFold(text, "ALL") {
		return allCapabilities, nil
	}
	number, err := capability.Parse(text)
	if err != nil {
		return 0, err
	}
	return 1 << number, nil
}

// parseCapabilityName reads the name of a capability, and returns the name as the configuration has it.
func parseCapabilityName(text string) (string, error) {
	number, err := capability.Parse(text)
	if err != nil {
		return "", err
	}
	return capability.Set(1 << number).Names()[0], nil
}

// makeCapabilities changes the default as Docker does. --cap-add ALL gives all capabilities except the dropped ones. --cap-drop ALL leaves
// only the added ones. Otherwise a capability that is both added and dropped is there.
//
// The capabilities of another user than root are in the bounding set only. They have no effect until the user executes a program with file
// capabilities. capabilities(7)
func makeCapabilities(o *Options, uid uint32) *specs.LinuxCapabilities {
	base, everything := capability.Default, capability.UpTo(unix.CAP_LAST_CAP)
	if o.Privileged {
		base = everything
	}
	switch {
	case o.CapAdd&allCapabilities != 0:
		base = everything &^ o.CapDrop
	case o.CapDrop&allCapabilities != 0:
		base = o.CapAdd
	default:
		base = base&^o.CapDrop | o.CapAdd
	}
	if uid != 0 {
		return capability.Sets{Bounding: base}.Spec()
	}
	return capability.Sets{Bounding: base, Effective: base, Permitted: base}.Spec()
}
