//go:build linux

package check

import "sync"

// An examination checks one program, and keeps the findings.
type examination struct {
	program *Program
	report  func(Finding)
	// findings maps the name of a property to its finding.
	findings map[string]Finding
	// calls traces the program on the first call, and returns its kernel calls, and whether the trace was cut off.
	calls func() (calls, bool)
	mu    sync.Mutex
}

// concurrent limits how many checks run at the same time. Most checks spend their time waiting.
const concurrent = 4

// lessons are the folders of the steps.
var lessons = [...]string{"step01-exec", "step02-uts", "step03-pid", "step04-chroot", "step05-proc", "step06-cgroups", "step07-tmpfs"}

// start checks that the program starts a command at all. If not, the mistake is in the newest step.
func (e *examination) start() {
	f := e.check(Properties[0])
	f.Step = e.program.Step
	if f.State == Lacks {
		f.Where = lessons[f.Step-1] + "/README.md#how-it-works"
	}
	e.note(f)
	e.report(f)
}

// look checks each property as soon as the properties that it needs are checked. It reports the findings in the order of the
// properties.
func (e *examination) look(properties []Property) {
	var alone sync.RWMutex
	free := make(chan bool, concurrent)
	// checked has a channel for each property, which is closed when the property is checked.
	checked := map[string]chan bool{}
	for _, p := range properties {
		checked[p.Name] = make(chan bool)
	}
	for _, p := range properties {
		go func() {
			defer close(checked[p.Name])
			for _, need := range p.Needs {
				if other, selected := checked[need]; selected {
					<-other
				}
			}
			if p.Alone {
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
		<-checked[p.Name]
		// start has reported the first property.
		if f, _ := e.found(p.Name); p.Name != starts {
			e.report(f)
		}
	}
}

// lookAt checks a property, unless the property is checked already, or needs a property that is missing.
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

// check runs the check of a property, and names the mistake if the property is missing.
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
