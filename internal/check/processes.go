//go:build linux

package check

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// family is a command with a child and a grandchild that would outlive it.
const family = "sleep 1000 & (sleep 1000 & echo ready; sleep 1000)"

// processes are the properties of a PID namespace.
var processes = []Property{
	{
		Name:  pidNS,
		Step:  3,
		Needs: []string{starts},
		Why:   "In the PID namespace of the host, the command can see and kill the processes of the host.",
		Where: "step03-pid/README.md#how-it-works",
		check: func(p *Program) error {
			return p.whileReady(func(s *session) error { return s.ownNamespace("pid") })
		},
	},
	{
		Name:  process1,
		Step:  3,
		Needs: []string{pidNS, inPlace},
		Why:   "The kernel ends all processes of a PID namespace with process 1: the command has to be that process.",
		Where: "step03-pid/README.md#how-it-works",
		check: func(p *Program) error {
			r, err := p.run("echo $$")
			if err != nil {
				return err
			}
			return want("the PID of the command ($$)", "1\n", r.stdout)
		},
	},
	{
		Name:  dies,
		Step:  3,
		Needs: []string{process1},
		Why:   "A process that outlives its container keeps memory and ports, and nobody knows where it came from.",
		Where: "step03-pid/README.md#how-it-works",
		check: func(p *Program) error {
			s, err := p.start(call{command: []string{"/bin/sh", "-c", "(sleep 1000 >/dev/null 2>&1 & sleep 1000 >/dev/null 2>&1 &) ; echo ready; read x || true"}})
			if err != nil {
				return err
			}
			defer s.close()
			r, err := s.wait()
			if err != nil {
				return err
			}
			if err := want("a command with two children", result{"ready\n", "", 0}, r); err != nil {
				return err
			}
			if left := Marked(s.mark); len(left) > 0 {
				return fmt.Errorf("the command has ended, and %d of its processes still run", len(left))
			}
			return nil
		},
	},
	{
		Name:  diesWithRun,
		Step:  3,
		Needs: []string{pidNS},
		Why:   "run can crash or be killed: a container without run is a container that nobody stops.",
		Where: "step03-pid/README.md#how-it-works",
		check: func(p *Program) error {
			defer sweep()
			return p.during(family, func(s *session) error {
				inside, err := s.container()
				if err != nil {
					return err
				}
				unix.Kill(s.cmd.Process.Pid, unix.SIGKILL)
				return ended(inside, 2*time.Second)
			})
		},
	},
	{
		Name:  "no process of the container survives when run is killed while it starts",
		Step:  3,
		Needs: []string{diesWithRun},
		Why:   "run can be killed at any moment, also before the container is complete.",
		Where: "step03-pid/README.md#now-yours",
		check: func(p *Program) error {
			for range p.times(50) {
				if err := p.killedEarly(); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name:  "the command finds itself in /proc, as process 1",
		Step:  5,
		Needs: []string{procMounted, pidNS},
		Why:   "Programs look themselves up in /proc/self, which is wrong in a /proc of another PID namespace.",
		Where: "step05-proc/README.md#how-it-works",
		check: func(p *Program) error {
			r, err := p.call(call{command: []string{"/bin/readlink", "/proc/self"}})
			if err != nil {
				return err
			}
			return want("readlink /proc/self", result{"1\n", "", 0}, r)
		},
	},
	{
		Name:  "ps sees the processes of the container and no others",
		Step:  5,
		Needs: []string{procMounted, pidNS},
		Why:   "Tools like ps and top read /proc: a /proc of the host shows the processes of the host.",
		Where: "step05-proc/README.md#how-it-works",
		check: func(p *Program) error {
			r, err := p.run("ps -e -o pid= -o comm=; ls /proc | grep -c '^[0-9]'")
			if err != nil {
				return err
			}
			lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
			if r.stderr != "" || len(lines) < 2 || strings.TrimSpace(lines[0]) != "1 sh" {
				return fmt.Errorf("ps should show sh as process 1, but the command %s", printed(r.stdout, r.stderr))
			}
			if len(lines) > 6 {
				return fmt.Errorf("ps shows %d processes, not only those of the container", len(lines)-1)
			}
			return nil
		},
	},
}

// killedEarly kills run at some moment while it starts.
func (p *Program) killedEarly() error {
	s, err := p.start(call{command: []string{"/bin/sleep", "1000"}})
	if err != nil {
		return err
	}
	defer s.close()
	if rand.N(2) == 0 {
		if err := s.hasChild(); err != nil {
			return err
		}
	}
	time.Sleep(rand.N(5 * time.Millisecond))
	defer sweep()
	unix.Kill(s.cmd.Process.Pid, unix.SIGKILL)
	<-s.ended
	deadline := time.Now().Add(2 * time.Second)
	for len(Marked(s.mark)) > 0 {
		if time.Now().After(deadline) {
			return errors.New("run is dead, and a process of the container still runs")
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}
