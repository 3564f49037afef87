//go:build linux

package become

import (
	"fmt"

	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
	"container-workshop/final/namespace"
)

// credentials changes the user and the capabilities to those of the command. It leaves out capabilities that the process does not have, as
// the specification asks. credentials(7), config.md, capabilities
func (p *Program) credentials(between func()) error {
	own, err := p.own()
	if err != nil {
		return err
	}
	sets, missing := p.Capabilities.Limit(own.Grantable())
	p.Missing = missing
	change := sets.Calls(own.Bounding)

	// This needs CAP_SETPCAP, which capset takes away below.
	p.Stage(fmt.Sprintf("prctl(PR_CAPBSET_DROP, all but %d)", len(sets.Bounding.Names())), "PR_CAPBSET_DROP(2const)", 0)
	for _, number := range change.Drop {
		p.Do(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, number, 0, 0, 0)
	}
	p.user()
	if p.Process.User.UID != 0 {
		// The change of user has cleared the effective capabilities. The next calls need some of them.
		again := own.Calls(own.Bounding)
		p.capset("capset(all, for now)", &again)
	}
	between()
	p.capset(fmt.Sprintf("capset(%d capabilities)", len(sets.Permitted.Names())), &change)
	p.Do(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	for _, number := range change.Ambient {
		p.Do(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, number, 0, 0)
	}
	return nil
}

// own are the capabilities that the process has: those of the host side, or all of them in a user namespace.
func (p *Program) own() (capability.Sets, error) {
	if p.Namespaces.HasUser() {
		return capability.OfUserNamespace()
	}
	return capability.Own()
}

func (p *Program) capset(name string, change *capability.Calls) {
	p.Stage(name, "capset(2)", 0)
	p.Do(unix.SYS_CAPSET, p.Struct(&change.Header), p.Struct(&change.Data))
}

// user changes the user and the groups. The permitted capabilities stay, for capset to choose from.
func (p *Program) user() {
	user := &p.Process.User
	umask := uint32(0o022)
	if user.Umask != nil {
		umask = *user.Umask
	}
	p.Stage(fmt.Sprintf("setresuid(%d), setresgid(%d)", user.UID, user.GID), "credentials(7)", 0)
	p.Do(unix.SYS_UMASK, umask)
	groups := p.Do(unix.SYS_SETGROUPS, len(user.AdditionalGids), p.numbers(user.AdditionalGids))
	if (p.Namespaces.HasUser() || namespace.Nested()) && len(user.AdditionalGids) == 0 {
		// A user namespace can forbid setgroups. Then the groups stay as they are. user_namespaces(7)
		groups.Allow(unix.EPERM)
	}
	p.Do(unix.SYS_SETRESGID, user.GID, user.GID, user.GID)
	p.Do(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1, 0, 0, 0)
	p.Do(unix.SYS_SETRESUID, user.UID, user.UID, user.UID)
}
