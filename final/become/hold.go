//go:build linux

package become

import (
	"fmt"

	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
)

// hold adds the wait for start, if there is one, and the startContainer hooks.
//
// The process closes its socket, which tells the host side that the container is created. Then it waits until final start connects and sends
// a byte. It keeps one locked file open, and the kernel closes this file at execve: so the lock says, at every moment, whether the container
// is still created or already runs. The process writes to the file first, for whoever finds the container after somebody has killed create.
// Nothing else of the host stays open for so long: a container that shares the PID namespace may be able to look into this process. flock(2)
func (p *Program) hold() {
	if p.Held {
		o := &p.orders
		signals, mask := p.openSignals()
		p.Stage("accept(start)", "unix(7)", 0).Waiting = true
		p.Do(unix.SYS_WRITE, o.held, "created", 7).Fails(func(err error, _ string) error {
			return fmt.Errorf("mark the container as created: %w", err)
		})
		p.Do(unix.SYS_CLOSE, calls.SocketSlot)
		p.accept(signals)
		p.Do(unix.SYS_CLOSE, signals)
		p.Do(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, mask, 0, 8)
	}
	p.heldAt = p.Len()
	if hooks := p.Config.Hooks; !p.joins && hooks != nil && len(hooks.StartContainer) > 0 {
		p.Stage("wait(startContainer hooks)", "unix(7)", 0).Waiting = true
		p.tell(WordHooks)
		p.wait()
	}
	p.takeLeave()
}

// takeLeave adds the last message to the host side. When the connection ends after this message, the command runs. The container starts even
// if start was killed, and the message reaches nobody. send(2), unix(7)
func (p *Program) takeLeave() {
	if p.Explain {
		p.SendTimes(WordTimes)
	}
	word, alone := uint32(WordLast), p.Label()
	p.Do(unix.SYS_SENDTO, calls.SocketSlot, p.Struct(&word), 4, unix.MSG_NOSIGNAL, 0, 0).
		On(-int64(unix.EPIPE), alone).On(-int64(unix.ECONNRESET), alone)
	p.Mark(alone)
}

// openSignals makes a descriptor for the signals that ask a process to end. The kernel keeps them from process 1 of a PID namespace, which has
// no handlers, but a container that waits for start ends by them. It also returns the old signal mask. signalfd(2), pid_namespaces(7)
func (p *Program) openSignals() (signals calls.Slot, mask calls.Buffer) {
	var set uint64
	for _, signal := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGABRT, unix.SIGTERM} {
		set |= 1 << (signal - 1)
	}
	wanted := p.Struct(&set)
	signals, mask = p.Slot(), p.Buffer(8)
	p.Stage("signalfd4(SIGHUP, SIGINT, SIGQUIT, SIGABRT, SIGTERM)", "signalfd(2)", 0)
	p.Do(unix.SYS_RT_SIGPROCMASK, unix.SIG_BLOCK, wanted, mask, 8)
	p.Do(unix.SYS_SIGNALFD4, -1, wanted, 8, unix.SFD_CLOEXEC).To(signals)
	return signals, mask
}

// accept waits for the word of a process that connects. If that process is killed before it says the word, there may be another one. A
// signal ends the wait, and this process.
func (p *Program) accept(signals calls.Slot) {
	again, hangUp, end, goOn := p.Label(), p.Label(), p.Label(), p.Label()
	both := p.Struct(&[2]unix.PollFd{{Events: unix.POLLIN}, {Events: unix.POLLIN}})
	p.Store(both, 0, p.orders.start)
	p.Store(both, 8, signals)
	p.Mark(again)
	p.Do(unix.SYS_PPOLL, both, 2, 0, 0, 0).On(-int64(unix.EINTR), again)
	// The events that have come to the second descriptor are the upper half of these 32 bits.
	p.Load(p.Slot(), both, 12, 0xffff<<16).On(unix.POLLIN<<16, end)
	p.Do(unix.SYS_ACCEPT4, p.orders.start, 0, 0, unix.SOCK_CLOEXEC).To(calls.SocketSlot).
		On(-int64(unix.EINTR), again).On(-int64(unix.ECONNABORTED), again).
		Fails(func(err error, _ string) error { return fmt.Errorf("wait for start: %w", err) })
	p.Do(unix.SYS_READ, calls.SocketSlot, p.byte, 1).On(1, goOn).On(0, hangUp).On(-int64(unix.ECONNRESET), hangUp)
	p.Mark(hangUp)
	p.Do(unix.SYS_CLOSE, calls.SocketSlot)
	p.Goto(again)
	p.Mark(end)
	p.Exit(StatusFailed)
	p.Mark(goOn)
}
