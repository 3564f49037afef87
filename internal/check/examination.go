//go:build linux

package check

import "sync"

// An examination knows what has been found so far.
type examination struct {
	program *Program
	report  func(Finding)
	// findings has them by the names of their properties.
	findings map[string]Finding
	// calls returns the calls of the kernel that make a container.
	calls func() calls
	mu    sync.Mutex
}

// atOnce is how many properties are looked at at once: most checks wait for something most of the time.
const atOnce = 4

// lessons are the folders of the steps.
var lessons = [...]string{"step01-exec", "step02-uts", "step03-pid", "step04-chroot", "step05-proc", "step06-cgroups", "step07-tmpfs"}

// start looks whether the program starts a command at all. If it does not, that is a mistake in the newest step.
func (e *examination) start() {
	f := e.check(Properties[0])
	f.Step = e.program.Step
	if f.State == Lacks {
		f.Where = lessons[f.Step-1] + "/README.md#how-it-works"
	}
	e.note(f)
	e.report(f)
}

// look looks at properties, each as soon as those are known that it needs, and reports the findings in the order of the
// properties.
func (e *examination) look(properties []Property) {
	var alone sync.RWMutex
	free := make(chan bool, atOnce)
	known := map[string]chan bool{}
	for _, p := range properties {
		known[p.Name] = make(chan bool)
	}
	for _, p := range properties {
		go func() {
			defer close(known[p.Name])
			for _, need := range p.Needs {
				if other, meant := known[need]; meant {
					<-other
				}
			}
			if p.alone {
				alone.Lock()
				defer alone.Unlock()
			} else {
				free <- true
				defer func() { <-free }()
				alone.RLock()
				defer alone.RUnlock()
			}
			e.lookAt(p)
		}()
	}
	for _, p := range properties {
		<-known[p.Name]
		// The first property is reported already.
		if f, _ := e.found(p.Name); p.Name != starts {
			e.report(f)
		}
	}
}

// lookAt looks at a property, unless another property that it needs is missing, or it is known already.
func (e *examination) lookAt(p Property) {
	if _, done := e.found(p.Name); done {
		return
	}
	for _, need := range p.Needs {
		if f, _ := e.found(need); f.State == Lacks || f.State == Blocked {
			e.note(Finding{Property: p.Name, Step: p.Step, State: Blocked, Needs: need})
			return
		}
	}
	e.note(e.check(p))
}

// check looks at a property.
func (e *examination) check(p Property) Finding {
	err := p.Check(e.program)
	f := finding(p, err)
	if f.State == Lacks {
		f.Diagnosis = e.diagnose(p.Name, err.Error())
	}
	return f
}

func (e *examination) found(property string) (Finding, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, found := e.findings[property]
	return f, found
}

func (e *examination) note(f Finding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.findings[f.Property] = f
}
