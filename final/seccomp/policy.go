//go:build linux

package seccomp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// policy is a profile, sorted by architecture and system call.
type policy struct {
	// byDefault is what the filter returns if no rule matches. All actions in this package are such return values. seccomp(2)
	byDefault uint32
	// branches are one for each open architecture. The native architecture is the first.
	branches []branch
	// x32 says that the rules also hold for the calls of x32 with the same name.
	x32 bool
	// comparisons is the number of comparisons in all rules together.
	comparisons int
}

// comparison holds if (argument & mask) op value, unsigned.
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

// tooLong is the error for a filter with more than unix.BPF_MAXINSNS instructions.
const tooLong = "the filter is longer than the 4096 instructions that the kernel takes"

// newPolicy reads a profile. Errors begin with the path of a field, as in
// `syscalls[3].args[0].op: unknown operator "SCMP_CMP_FOO"`.
func newPolicy(profile *specs.LinuxSeccomp) (*policy, error) {
	p := &policy{x32: opensX32(profile.Architectures)}
	var err error
	p.byDefault, err = parseAction(profile.DefaultAction, profile.DefaultErrnoRet, "defaultAction", "defaultErrnoRet")
	if err != nil {
		return nil, err
	}
	for i, arch := range profile.Architectures {
		if !slices.Contains(archs, arch) {
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
		p.branches[i].multiplex()
	}
	return p, nil
}

// add adds an entry of the profile to each branch that has system calls with the names of the entry.
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
				// A short profile can ask for an endless filter: many names times many conditions.
				if p.comparisons += len(entry.Args); p.comparisons > unix.BPF_MAXINSNS {
					return errors.New("args: " + tooLong)
				}
				p.branches[j].add(index, rules, action)
			}
		}
	}
	return nil
}

// parseRules reads the conditions of an entry. No conditions give no rule. Otherwise the conditions together are one rule, unless
// two of them are about the same argument: then each condition is a rule of its own, and one of them is enough. This is what runc
// does, because libseccomp takes only one comparison for each argument of a rule. seccomp_rule_add(3)
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
	op, known := find(operators, arg.Op)
	switch {
	case !known:
		return comparison{}, fmt.Errorf("op: unknown operator %q", arg.Op)
	case op == maskedEqual:
		// Value is the mask here. libseccomp masks the other value too, so bits outside of the mask never matter.
		return comparison{equal, arg.Index, arg.ValueTwo & arg.Value, arg.Value}, nil
	}
	return comparison{op, arg.Index, arg.Value, 1<<64 - 1}, nil
}

// parseAction returns what the filter returns for an action. Errors name the fields that the caller passes.
func parseAction(name specs.LinuxSeccompAction, errno *uint, field, errnoField string) (uint32, error) {
	action, known := find(actions, name)
	switch {
	case name == "":
		return 0, fmt.Errorf("%s: missing", field)
	case !known:
		return 0, fmt.Errorf("%s: unknown action %q", field, name)
	case action.most == 0 && errno != nil:
		return 0, fmt.Errorf("%s: leave it out: %s takes no errno", errnoField, name)
	case action.most == 0:
		return action.returned, nil
	case errno == nil:
		return action.returned | uint32(unix.EPERM), nil
	case *errno > action.most:
		return 0, fmt.Errorf("%s: %d: must be at most %d", errnoField, *errno, action.most)
	}
	return action.returned | uint32(*errno), nil
}

// archs are the architectures of the specification. A profile may name all of them.
var archs = []specs.Arch{
	specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64, specs.ArchMIPS, specs.ArchMIPS64,
	specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32, specs.ArchPPC, specs.ArchPPC64,
	specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X, specs.ArchPARISC, specs.ArchPARISC64, specs.ArchRISCV64,
	specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB,
}
