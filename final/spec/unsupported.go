//go:build linux

package spec

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A Refusal is a field of the configuration that final cannot honour, and why.
type Refusal struct {
	// Field is the path of the field, such as linux.intelRdt.
	Field  string
	Reason string
	used   func(*specs.Spec) bool
}

// unsupported is the table of fields that final refuses: whoever sets a field relies on it.
var unsupported = []Refusal{
	{"linux.intelRdt", "dividing a processor's cache needs a resctrl file system, and no container engine asks for it",
		func(s *specs.Spec) bool { return s.Linux.IntelRdt != nil }},
	{"solaris", "final is for Linux only", func(s *specs.Spec) bool { return s.Solaris != nil }},
	{"windows", "final is for Linux only", func(s *specs.Spec) bool { return s.Windows != nil }},
	{"vm", "final makes containers, not virtual machines", func(s *specs.Spec) bool { return s.VM != nil }},
	{"zos", "final is for Linux only", func(s *specs.Spec) bool { return s.ZOS != nil }},
	{"freebsd", "final is for Linux only", func(s *specs.Spec) bool { return s.FreeBSD != nil }},
}

// Unsupported returns the fields that [Validate] refuses whatever their value is.
func Unsupported() []Refusal {
	return slices.Clone(unsupported)
}

func (v *verdict) supported(spec *specs.Spec) {
	for _, field := range unsupported {
		v.refuse(field.used(spec), "%s: not supported: %s", field.Field, field.Reason)
	}
}
