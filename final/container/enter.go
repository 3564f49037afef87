//go:build linux

package container

import (
	"container-workshop/final/command"
	"container-workshop/final/inside"
	"container-workshop/final/more/idmap"
	"container-workshop/final/process"
	"container-workshop/final/stage"
)

// A work is the work of a thread of ours in the mount namespace of the container, which runs beside the main thread.
type work struct {
	list stage.List
	// mounted tells the main thread that everything is mounted. The main thread then runs hooks, in the host's mount namespace, and sends
	// the result to answer.
	mounted chan struct{}
	answer  chan error
	// done gets the result of the work.
	done chan error
}

// enter starts a thread in the mount namespace of the container.
func (r *Run) enter(p *plan, beside *beside) *work {
	w := &work{list: stage.List{Side: "inside", Explain: r.List.Explain}, mounted: make(chan struct{}), answer: make(chan error), done: make(chan error, 1)}
	in := &p.inside
	in.Filesystems = r.Filesystems
	in.Await = func() error { return <-beside.cgroups }
	if hooks := r.request.Spec.Hooks; hooks != nil || len(r.request.Spec.Linux.NetDevices) > 0 {
		in.Mounted = func() error {
			w.mounted <- struct{}{}
			return <-w.answer
		}
	}
	make := func() (err error) {
		line := w.list.Line()
		p.made, err = inside.Make(line, in)
		return failure(err)
	}
	go func() { w.done <- r.work(p, make) }()
	return w
}

// failure gives an error about the command its exit status.
func failure(err error) error {
	if err == nil {
		return nil
	}
	return &process.Failure{Status: command.Status(err), Err: err}
}

// attend does what the thread asks for, until the thread has done its work. If the main thread's own work has failed, attend kills process 1,
// and the thread fails as soon as it needs process 1 or an answer.
func (r *Run) attend(line *stage.Line, w *work) {
	if w == nil {
		return
	}
	if line.Err != nil {
		r.Kill()
		_ = w.wait(func() error { return line.Err })
	}
	line.Wait("wait(inside)", "mount_namespaces(7)", func() error {
		err := w.wait(func() error { return r.whenMounted() })
		if err == nil {
			return nil
		}
		return r.Why(err)
	})
	r.List.Records = append(r.List.Records, w.list.Records...)
}

// wait waits for the end of the work.
func (w *work) wait(mounted func() error) error {
	for {
		select {
		case <-w.mounted:
			w.answer <- mounted()
		case err := <-w.done:
			return err
		}
	}
}

// whenMounted moves network devices and runs hooks, in the host's mount namespace.
func (r *Run) whenMounted() error {
	line, hooks := r.List.Line(), r.request.Spec.Hooks
	r.moveDevices(line)
	if hasHostHooks(hooks) {
		line.Do("execve(prestart and createRuntime hooks)", "execve(2)", 0, r.createRuntime)
	}
	if hooks != nil && len(hooks.CreateContainer) > 0 {
		line.Do("execve(createContainer hooks)", "execve(2)", 0, func() error { return r.createContainer(r.plan) })
	}
	return line.Err
}

// work does the work on a thread in the mount namespace of process 1. If the container has none, the thread stays in the host's.
func (r *Run) work(p *plan, make func() error) (err error) {
	pidfd := r.Pidfd
	if p.inside.HostMounts {
		pidfd = -1
	}
	if p.inside.UserNamespace {
		if p.inside.IDs, err = idmap.Read(r.Process.PID); err != nil {
			return err
		}
	}
	return inside.Enter(r.Process.PID, pidfd, p.inside.IDs, make)
}
