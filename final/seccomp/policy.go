//go:build linux

package seccomp

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// policy is a profile by architecture and system call.
type policy struct {
	// byDefault is a return value of the filter, as all actions here are. seccomp(2)
	byDefault uint32
	// branches begin with that of the native architecture.
	branches []branch
	// x32 is that calls of x32 are those of the native architecture with the same name.
	x32 bool
	// comparisons of all rules together.
	comparisons int
}

// comparison is true if (argument & mask) op value, unsigned.
type comparison struct {
	op    operator
	index uint
	value uint64
	mask  uint64
}

type operator uint8

const (
	equal operator = iota
	notEqual
	less
	lessEqual
	greater
	greaterEqual
	maskedEqual
)

// tooLong is about unix.BPF_MAXINSNS.
const tooLong = "the filter is longer than the 4096 instructions that the kernel takes"

// newPolicy reads a profile. Errors begin with the path of a field in it, as in
// `syscalls[3].args[0].op: unknown operator "SCMP_CMP_FOO"`.
func newPolicy(profile *specs.LinuxSeccomp) (*policy, error) {
	p := &policy{x32: opensX32(profile.Architectures)}
	var err error
	p.byDefault, err = parseAction(profile.DefaultAction, profile.DefaultErrnoRet, "defaultAction", "defaultErrnoRet")
	if err != nil {
		return nil, err
	}
	for i, arch := range profile.Architectures {
		if !knownArch(arch) {
			return nil, fmt.Errorf("architectures[%d]: unknown architecture %q", i, arch)
		}
	}
	for _, a := range architectures(profile.Architectures) {
		p.branches = append(p.branches, newBranch(a, p.byDefault))
	}
	for i := range profile.Syscalls {
		if err := p.add(&profile.Syscalls[i]); err != nil {
			return nil, fmt.Errorf("syscalls[%d].%w", i, err)
		}
	}
	for i := range p.branches {
		p.branches[i].join()
	}
	return p, nil
}

func (p *policy) add(entry *specs.LinuxSyscall) error {
	action, err := parseAction(entry.Action, entry.ErrnoRet, "action", "errnoRet")
	if err != nil {
		return err
	}
	rules, err := parseRules(entry.Args, action)
	if err != nil {
		return err
	}
	if len(entry.Names) == 0 {
		return errors.New("names: missing: name a system call")
	}
	for i, name := range entry.Names {
		if name == "" {
			return fmt.Errorf("names[%d]: must not be empty", i)
		}
		for j := range p.branches {
			for _, index := range p.branches[j].numbers(name) {
				// A short profile can ask for an endless filter, by many names with many conditions.
				if p.comparisons += len(entry.Args); p.comparisons > unix.BPF_MAXINSNS {
					return errors.New("args: " + tooLong)
				}
				p.branches[j].add(index, rules, action)
			}
		}
	}
	return nil
}

// parseRules returns no rule if there is no condition. All conditions together are one rule, but if two of them are about
// the same argument, each is a rule of its own: libseccomp has one comparison for each argument, and runc writes what does
// not fit as alternatives. seccomp_rule_add(3)
func parseRules(args []specs.LinuxSeccompArg, action uint32) ([]rule, error) {
	if len(args) == 0 {
		return nil, nil
	}
	when := make([]comparison, len(args))
	seen, repeated := [6]bool{}, false
	for i, arg := range args {
		c, err := parseComparison(arg)
		if err != nil {
			return nil, fmt.Errorf("args[%d].%w", i, err)
		}
		when[i] = c
		repeated = repeated || seen[c.index]
		seen[c.index] = true
	}
	if !repeated {
		return []rule{{when, action}}, nil
	}
	rules := make([]rule, len(when))
	for i := range when {
		rules[i] = rule{when[i : i+1], action}
	}
	return rules, nil
}

func parseComparison(arg specs.LinuxSeccompArg) (comparison, error) {
	if arg.Index > 5 {
		return comparison{}, fmt.Errorf("index: %d: must be at most 5, the last argument of a system call", arg.Index)
	}
	for _, o := range operators {
		if o.name != arg.Op {
			continue
		}
		if o.op == maskedEqual {
			// The mask comes first. libseccomp takes it off the other value too, so a bit outside of it never matters.
			return comparison{equal, arg.Index, arg.ValueTwo & arg.Value, arg.Value}, nil
		}
		return comparison{o.op, arg.Index, arg.Value, 1<<64 - 1}, nil
	}
	return comparison{}, fmt.Errorf("op: unknown operator %q", arg.Op)
}

// parseAction returns what the filter returns for an action. The two fields are where the values come from.
func parseAction(action specs.LinuxSeccompAction, errno *uint, actionField, errnoField string) (uint32, error) {
	if action == "" {
		return 0, fmt.Errorf("%s: missing", actionField)
	}
	for _, a := range actions {
		switch {
		case a.name != action:
			continue
		case a.most == 0 && errno != nil:
			return 0, fmt.Errorf("%s: leave it out: %s takes no errno", errnoField, action)
		case a.most == 0:
			return a.value, nil
		case errno == nil:
			return a.value | uint32(unix.EPERM), nil
		case *errno > a.most:
			return 0, fmt.Errorf("%s: %d: must be at most %d", errnoField, *errno, a.most)
		}
		return a.value | uint32(*errno), nil
	}
	return 0, fmt.Errorf("%s: unknown action %q", actionField, action)
}

func knownArch(arch specs.Arch) bool {
	switch arch {
	case specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64, specs.ArchMIPS,
		specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32,
		specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X, specs.ArchPARISC,
		specs.ArchPARISC64, specs.ArchRISCV64, specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB:
		return true
	}
	return false
}
