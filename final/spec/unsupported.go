//go:build linux

package spec

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A Refusal is a field of the configuration that this runtime cannot honour, and why.
type Refusal struct {
	// Field is its path, such as linux.intelRdt.
	Field  string
	Reason string
	used   func(*specs.Spec) bool
}

// unsupported is the table. To ignore a field would be a promise not kept.
var unsupported = []Refusal{
	{"linux.intelRdt", "dividing a processor's cache needs a resctrl file system, and no container engine asks for it",
		func(s *specs.Spec) bool { return s.Linux.IntelRdt != nil }},
	{"solaris", "final is for Linux only", func(s *specs.Spec) bool { return s.Solaris != nil }},
	{"windows", "final is for Linux only", func(s *specs.Spec) bool { return s.Windows != nil }},
	{"vm", "final makes containers, not virtual machines", func(s *specs.Spec) bool { return s.VM != nil }},
	{"zos", "final is for Linux only", func(s *specs.Spec) bool { return s.ZOS != nil }},
	{"freebsd", "final is for Linux only", func(s *specs.Spec) bool { return s.FreeBSD != nil }},
}

// Unsupported returns all fields that [Validate] refuses whatever their value is.
func Unsupported() []Refusal {
	return append([]Refusal(nil), unsupported...)
}

func checkSupported(spec *specs.Spec) error {
	for _, field := range unsupported {
		if field.used(spec) {
			return fmt.Errorf("%s: not supported: %s", field.Field, field.Reason)
		}
	}
	return nil
}
