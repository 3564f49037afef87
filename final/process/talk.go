//go:build linux

package process

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"container-workshop/final/become"
	"container-workshop/final/inside"
)

// next waits for a word of the process. It returns io.EOF when the process has become the command, waits for start, or has ended.
func (p *Process) next() (word uint32, data []byte, descriptors []int, err error) {
	size := maxMessage
	if p.List.Explain {
		size = maxTimes
	}
	for {
		if !p.Socket.await(p.Pidfd) {
			return 0, nil, nil, io.EOF
		}
		m, err := p.Socket.receive(size)
		if err != nil {
			return 0, nil, nil, err
		}
		switch m.word {
		case 0:
			return 0, nil, nil, p.failure(m.data)
		case become.WordTimes:
			p.times = m.data[4:]
		default:
			return m.word, m.data, m.descriptors, nil
		}
	}
}

// failure returns the error that a report of the process means.
func (p *Process) failure(data []byte) error {
	if p.Program == nil {
		// Another final has made the list, for create. Only the calls after the wait for start are left.
		return become.LateFailure(p.Late, data)
	}
	err, ok := p.Program.Failure(data)
	if !ok {
		return &Failure{Status: StatusFailed, Err: ErrGone}
	}
	var failure *Failure
	if errors.As(err, &failure) {
		return failure
	}
	return &Failure{Status: StatusFailed, Err: err}
}

// expect waits for a word. If the process ends instead, the error is ErrGone.
func (p *Process) expect(want uint32) (data []byte, descriptors []int, err error) {
	word, data, descriptors, err := p.next()
	if err == io.EOF || err == nil && word != want {
		err = ErrGone
	}
	return data, descriptors, err
}

// Filesystems waits for the new file systems that process 1 has made.
func (p *Process) Filesystems() (*inside.Filesystems, error) {
	var all []int
	for {
		_, more, err := p.expect(become.WordFilesystems)
		if err != nil {
			return nil, err
		}
		if all = append(all, more...); len(more) == 0 {
			return nil, ErrGone
		}
		if f := p.Program.Filesystems(all); f != nil {
			return f, nil
		}
	}
}

// Why returns the reason for an error beside the process: what the process has reported, or else the error itself. If the error says that
// there is no such process, its last words may still be on their way, and without any the error is ErrGone.
func (p *Process) Why(err error) error {
	ended := errors.Is(err, unix.ESRCH)
	for p.Socket != -1 && (ended || p.Socket.hasMessage()) {
		_, _, _, reported := p.next()
		switch {
		case reported == io.EOF && ended:
			return ErrGone
		case reported == io.EOF:
			return err
		case reported != nil:
			return reported
		}
	}
	return err
}

// Order sends the process its orders, so the process goes on.
func (p *Process) Order(orders *become.Orders) error {
	message, descriptors := p.Program.Encode(orders)
	return p.send(message, descriptors...)
}

// WaitReady waits until the process has followed its orders up to the cgroups.
func (p *Process) WaitReady() error {
	_, _, err := p.expect(become.WordReady)
	return err
}

// send sends a message. If the process has ended, the error is the failure that it has reported.
func (p *Process) send(message []byte, descriptors ...int) error {
	err := p.Socket.send(message, descriptors...)
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return p.Why(ErrGone)
	}
	return err
}

// Say sends the byte for which the process waits.
func (p *Process) Say() error { return p.send([]byte{0}) }

// GoOn lets the process go on. It returns when the process has become its command.
func (p *Process) GoOn() error {
	p.Signals.Expect(p.Socket.closed)
	if err := p.Say(); err != nil {
		return err
	}
	return p.Follow()
}

// GoWith is GoOn for a process that still waits for its orders.
func (p *Process) GoWith(orders *become.Orders) error {
	p.Signals.Expect(p.Socket.closed)
	if err := p.Order(orders); err != nil {
		return err
	}
	return p.Follow()
}

// Follow deals with what the process asks for until it has become its command. It is an error if the process ends before.
func (p *Process) Follow() error {
	p.Signals.Expect(p.Socket.closed)
	last := false
	for {
		word, data, _, err := p.next()
		switch {
		case err == io.EOF && last:
			p.record()
			p.Signals.Expect(func() bool { return true })
			p.close()
			return nil
		case err == io.EOF:
			return ErrGone
		case err != nil:
			return err
		case word == become.WordLast:
			last = true
			continue
		case word == become.WordHooks:
			err = p.runHooks()
		case word == become.WordListener:
			err = p.notify(number(data))
		default:
			err = fmt.Errorf("the container's first process says an unknown word: %d", word)
		}
		if err == nil {
			err = p.Say()
		}
		if err != nil {
			return err
		}
	}
}

// AwaitHeld waits until the process waits for Start, or has ended.
func (p *Process) AwaitHeld() error {
	_, _, _, err := p.next()
	if err == nil {
		err = ErrGone
	}
	if err != io.EOF {
		return err
	}
	p.record()
	p.close()
	return nil
}

func (p *Process) runHooks() error {
	if p.Hooks == nil {
		return errors.New("startContainer hooks: the configuration has none any more")
	}
	return p.Hooks()
}

// record adds the records of the process to those of the host side.
func (p *Process) record() {
	if p.List.Explain && p.Program != nil {
		p.List.Records = append(p.List.Records, p.Program.Records(p.times)...)
		p.List.Over()
	}
}

// notify sends the listener of the filter to its agent.
func (p *Process) notify(number int) error {
	if p.Agent == nil {
		return errors.New("linux.seccomp: the filter has a listener, but there is no agent: set listenerPath")
	}
	return p.Agent.Send(p.Pidfd, p.PID, number)
}
