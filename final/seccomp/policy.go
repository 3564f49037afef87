//go:build linux

package seccomp

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// policy is a profile by system call number.
type policy struct {
	// byDefault is a return value of the filter, as all actions here are. seccomp(2)
	byDefault uint32
	calls     [newestSystemCall + 1]call
	// newest is the highest number the profile has a rule for, or -1.
	newest int
	// comparisons of all rules together.
	comparisons int
}

// call is what happens to one system call: the action of the first rule that matches, else the one without conditions,
// else the default one.
type call struct {
	rules         []rule
	unconditional bool
	action        uint32
}

type rule struct {
	// when holds if each of its comparisons does.
	when   []comparison
	action uint32
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
)

// tooLong is about unix.BPF_MAXINSNS.
const tooLong = "the filter is longer than the 4096 instructions that the kernel takes"

// newPolicy reads a profile. Errors begin with the path of a field in it, as in
// `syscalls[3].args[0].op: unknown operator "SCMP_CMP_FOO"`.
func newPolicy(profile *specs.LinuxSeccomp) (*policy, error) {
	p := &policy{newest: -1}
	var err error
	if p.byDefault, err = parseAction(profile.DefaultAction, profile.DefaultErrnoRet, "defaultAction", "defaultErrnoRet"); err != nil {
		return nil, err
	}
	for i, arch := range profile.Architectures {
		if !knownArch(arch) {
			return nil, fmt.Errorf("architectures[%d]: unknown architecture %q", i, arch)
		}
	}
	for i := range profile.Syscalls {
		if err := p.add(&profile.Syscalls[i]); err != nil {
			return nil, fmt.Errorf("syscalls[%d].%w", i, err)
		}
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
		return errors.New("names: no system call")
	}
	for i, name := range entry.Names {
		if name == "" {
			return fmt.Errorf("names[%d]: empty", i)
		}
		number, ok := systemCallNumber(name)
		if !ok {
			continue
		}
		p.newest = max(p.newest, int(number))
		c := &p.calls[number]
		switch {
		case len(rules) > 0:
			// A short profile can ask for an endless filter, by many names with many conditions.
			if p.comparisons += len(entry.Args); p.comparisons > unix.BPF_MAXINSNS {
				return errors.New("args: " + tooLong)
			}
			c.rules = append(c.rules, rules...)
		case !c.unconditional:
			c.unconditional, c.action = true, action
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
		return comparison{}, fmt.Errorf("index: %d is more than 5, the last argument of a system call", arg.Index)
	}
	c := comparison{index: arg.Index, value: arg.Value, mask: 1<<64 - 1}
	switch arg.Op {
	case specs.OpEqualTo:
		c.op = equal
	case specs.OpNotEqual:
		c.op = notEqual
	case specs.OpLessThan:
		c.op = less
	case specs.OpLessEqual:
		c.op = lessEqual
	case specs.OpGreaterThan:
		c.op = greater
	case specs.OpGreaterEqual:
		c.op = greaterEqual
	case specs.OpMaskedEqual:
		// The mask comes first. libseccomp takes it off the other value too, so a bit outside of it never matters.
		c.op, c.mask, c.value = equal, arg.Value, arg.ValueTwo&arg.Value
	default:
		return comparison{}, fmt.Errorf("op: unknown operator %q", arg.Op)
	}
	return c, nil
}

// parseAction returns what the filter returns for an action. The two fields are where the values come from.
func parseAction(action specs.LinuxSeccompAction, errno *uint, actionField, errnoField string) (uint32, error) {
	value, most := uint32(0), uint(0)
	switch action {
	case specs.ActKill, specs.ActKillThread:
		value = unix.SECCOMP_RET_KILL_THREAD
	case specs.ActKillProcess:
		value = unix.SECCOMP_RET_KILL_PROCESS
	case specs.ActTrap:
		value = unix.SECCOMP_RET_TRAP
	case specs.ActErrno:
		// The kernel makes any higher number this one.
		value, most = unix.SECCOMP_RET_ERRNO, 4095
	case specs.ActTrace:
		value, most = unix.SECCOMP_RET_TRACE, unix.SECCOMP_RET_DATA
	case specs.ActAllow:
		value = unix.SECCOMP_RET_ALLOW
	case specs.ActLog:
		value = unix.SECCOMP_RET_LOG
	case specs.ActNotify:
		value = unix.SECCOMP_RET_USER_NOTIF
	case "":
		return 0, fmt.Errorf("%s: missing", actionField)
	default:
		return 0, fmt.Errorf("%s: unknown action %q", actionField, action)
	}
	switch {
	case most == 0 && errno != nil:
		return 0, fmt.Errorf("%s: %s takes none", errnoField, action)
	case most == 0:
		return value, nil
	case errno == nil:
		return value | uint32(unix.EPERM), nil
	case *errno > most:
		return 0, fmt.Errorf("%s: %d is more than %d", errnoField, *errno, most)
	}
	return value | uint32(*errno), nil
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
