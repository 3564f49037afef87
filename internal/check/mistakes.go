//go:build linux

package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// mistakes lists the known mistakes, the most specific first.
var mistakes = slices.Concat(noStart, wrongNamespace, wrongStatus, wrongRoot, wrongMounts, wrongLimits, wrongCgroups, wrongTmpfs, refusedCall)

// noStart are mistakes in run and child, before any namespace.
var noStart = []mistake{
	{1, []string{starts, inPlace, output, exit3, uts, pidNS, mountNS}, func(e *evidence) string {
		if e.first("clone", "CLONE_PARENT") >= 0 {
			return "CLONE_PARENT makes child a child of the process that started run, so run cannot wait for child."
		}
		return ""
	}},
	{1, []string{starts, output}, (*evidence).panicked},
	{1, []string{starts}, func(e *evidence) string {
		if e.becomesItself() {
			return "child becomes your own program again: become wants only the command and its arguments."
		}
		return ""
	}},
	{1, []string{starts}, func(e *evidence) string {
		// awaitRun prints the first text. The second is the error of cmd.Run.
		if strings.Contains(e.seen, "run is not there") || strings.Contains(e.seen, "exit status 125") && e.never("execve", "/bin/true") {
			return "child waits for a message that only supervise sends, but run starts child without supervise."
		}
		return ""
	}},
	{1, []string{starts}, func(e *evidence) string {
		if name := notFound.FindStringSubmatch(e.seen); name != nil && name[1] != "/bin/echo" && name[1] != "/proc/self/exe" {
			return fmt.Sprintf("child looks for a command %s, which nobody typed: the arguments begin one word too early.", name[1])
		}
		return ""
	}},
	{1, []string{starts}, func(e *evidence) string {
		if strings.Contains(e.seen, endedRun) {
			return "A signal ended run. If your program sends signals, look at the PID: 0 and -1 mean many processes, and run is one of them."
		}
		if len(e.calls) == 0 && !e.cut {
			return "run starts no process: run is empty, or returns before it starts child."
		}
		return ""
	}},
	{1, []string{starts}, func(e *evidence) string {
		last := len(e.calls) - 1
		if _, refused := e.refused(); !refused && !e.cut && last >= 0 && !strings.Contains(e.seen, notEnded) && strings.Contains(e.seen, "printed nothing") && e.calls[last].Name == "execve" && mentions(e.calls[last], "/proc/self/exe") {
			return "child starts, and ends without becoming the command: child is empty, or returns too early."
		}
		return ""
	}},
	{1, []string{starts}, func(e *evidence) string {
		command := e.first("execve", "/bin/true") >= 0
		switch {
		case strings.Contains(e.seen, notEnded) && command:
			return "run does not see that the command has ended."
		case strings.Contains(e.seen, notEnded) && e.first("execve", "/proc/self/exe") >= 0 && (!e.cut || strings.Contains(e.seen, "printed nothing")):
			// The command would have printed something.
			return "child starts, and never becomes the command: it waits for something, or loops for ever."
		case strings.Contains(e.seen, "printed nothing") && e.oneMore():
			return oneMore
		case strings.Contains(e.seen, "printed nothing") && command:
			return "The command runs, but nobody sees its output: child does not have the standard streams of run."
		}
		return ""
	}},
	{1, []string{noOpenFiles}, func(e *evidence) string {
		if strings.Contains(e.seen, "open files: 3") {
			return "Descriptor 3 is still open in the command. It is the socket to run, which awaitRun closes."
		}
		return ""
	}},
	{1, []string{output}, func(e *evidence) string {
		if strings.Contains(e.seen, moreOutput) {
			return "run or child prints something itself, such as a line to see how far it gets."
		}
		return ""
	}},
	{1, []string{withoutProc}, func(e *evidence) string {
		if e.never("execve", "/proc/self/exe") {
			return "run starts child by the path of your program (os.Args[0] or os.Executable), not by /proc/self/exe."
		}
		return ""
	}},
	{1, []string{inPlace, process1}, func(e *evidence) string {
		if e.oneMore() {
			return oneMore
		}
		return ""
	}},
}

// oneMore is the diagnosis for a child that starts the command instead of becoming the command.
const oneMore = "child starts the command as one more process, and stays between run and the command. child should become the command."

// oneMore reports whether child starts the command as one more process.
func (c calls) oneMore() bool {
	i := c.first("execve", "/bin/true")
	return i >= 0 && strings.HasPrefix(c[i].Process, "grandchild")
}

// panicPlace matches the innermost function of the program in a dump of the Go runtime, quoted or not, and its first argument.
var panicPlace = regexp.MustCompile(`(?s)goroutine \d+ .*?(?:\n|\\n)main\.([\w.]+)\(([^,)?]*)`)

// panicked says why the program panics, as far as the dump of the Go runtime tells.
func (e *evidence) panicked() string {
	if !strings.Contains(e.seen, "panic:") && !strings.Contains(e.seen, "fatal error:") {
		return ""
	}
	place := panicPlace.FindStringSubmatch(e.seen)
	switch {
	case !strings.Contains(e.seen, "nil pointer"):
		return "The program panics."
	case place == nil:
		return "The program panics, because it uses a pointer that is nil: something was never set."
	case place[1] == "supervise" && place[2] == "0x0":
		return "The program panics in supervise: run calls supervise with a command that is nil."
	case place[1] == "supervise":
		return "The program panics in supervise, which reads cmd.SysProcAttr: that is nil."
	case place[1] == "exitStatus":
		return "The program panics in exitStatus: run could not wait for child, so nothing says how child ended."
	}
	return fmt.Sprintf("The program panics in %s, because it uses a pointer that is nil: something was never set.", place[1])
}

// notFound matches the error about a command that does not exist.
var notFound = regexp.MustCompile(`exec:? "?([^":\s]+)"?: (?:executable file not found|no such file)`)

// namespaces maps each namespace flag to the kind of namespace.
var namespaces = map[string]string{
	"CLONE_NEWUTS": "a UTS", "CLONE_NEWPID": "a PID", "CLONE_NEWNS": "a mount", "CLONE_NEWIPC": "an IPC", "CLONE_NEWNET": "a network",
	"CLONE_NEWUSER": "a user", "CLONE_NEWCGROUP": "a cgroup", "CLONE_NEWTIME": "a time",
}

// wrongNamespace are mistakes about namespaces, the hostname and the parent-death signal.
var wrongNamespace = []mistake{
	{2, []string{uts}, otherNamespace("CLONE_NEWUTS")},
	{3, []string{pidNS}, otherNamespace("CLONE_NEWPID")},
	{5, []string{mountNS}, otherNamespace("CLONE_NEWNS")},
	{2, []string{starts}, func(e *evidence) string {
		// The mistake is most likely in the newest flag.
		for _, f := range slices.Backward(flags) {
			if name := otherNamespace(f.name)(e); f.step <= e.step && strings.HasPrefix(name, "You made") {
				return name
			}
		}
		return ""
	}},
	{2, []string{hostnameGiven}, func(e *evidence) string {
		if strings.Contains(e.seen, `is "container"`) {
			return "The hostname is always the same, whatever --hostname says."
		}
		return ""
	}},
	{2, []string{hostnameSet, hostnameGiven, hostKeepsName}, func(e *evidence) string {
		switch i := e.first("sethostname"); {
		case e.never("sethostname"):
			return "Nothing sets the hostname of the container."
		case e.by("run", i):
			return "run sets the hostname, and run is on the host: the host gets the name."
		}
		return ""
	}},
	{2, []string{hostnameTooLong}, func(e *evidence) string {
		if strings.Contains(e.seen, notNamed) {
			return "The error does not say which name the kernel has refused."
		}
		return ""
	}},
	{3, []string{diesWithRun}, func(e *evidence) string {
		switch i := e.first("prctl", "PR_SET_PDEATHSIG"); {
		case e.never("prctl", "PR_SET_PDEATHSIG"):
			return "Nothing tells the kernel to end child when run dies."
		case i < 0:
			return ""
		case e.calls[i].Has("SIGSTOP"):
			return "The parent-death signal is SIGSTOP. SIGSTOP only stops process 1; it does not end process 1."
		case !e.calls[i].Has("SIGKILL"):
			return "The parent-death signal is " + e.calls[i].Args[1] + ", which process 1 may ignore."
		}
		return ""
	}},
}

// A flagOfStep is a namespace flag, and the step that adds it.
type flagOfStep struct {
	step int
	name string
}

// flags are the namespace flags of the steps, in order.
var flags = []flagOfStep{{2, "CLONE_NEWUTS"}, {3, "CLONE_NEWPID"}, {5, "CLONE_NEWNS"}}

// otherNamespace names the namespace that the program made instead of the namespace of the flag.
func otherNamespace(flag string) func(*evidence) string {
	i := slices.IndexFunc(flags, func(f flagOfStep) bool { return f.name == flag })
	return func(e *evidence) string {
		made := e.namespaces()
		switch {
		case slices.Contains(made, flag), e.cut && e.first("clone") < 0:
			return ""
		case e.first("unshare", flag) >= 0:
			return "The program moves itself into a new namespace: run should stay on the host, and start child in the new one."
		case flags[i].step < e.step && len(made) > 0:
			// An earlier step had the flag.
			return fmt.Sprintf("The flag %s is gone: = replaces the flags, |= adds one.", flag)
		}
		for _, other := range made {
			kind, known := namespaces[other]
			earlier := slices.ContainsFunc(flags[:i], func(f flagOfStep) bool { return f.name == other })
			if known && !earlier {
				return fmt.Sprintf("You made %s namespace, not %s namespace.", kind, namespaces[flag])
			}
		}
		return fmt.Sprintf("run starts child without %s namespace of its own.", namespaces[flag])
	}
}

// wrongStatus are mistakes about the exit status.
var wrongStatus = []mistake{
	{1, []string{signalStatus, unhandled, ctrlCEnds, killed}, func(e *evidence) string {
		wanted, got, ok := e.statuses()
		switch {
		case !ok || wanted < 128:
			return ""
		case got == wanted-1 || got == wanted+1:
			return fmt.Sprintf("The status is off by one: the signal has the number %d, and 128+%d is %d.", wanted-128, wanted-128, wanted)
		case got == wanted-128:
			return "The status is the number of the signal, without the 128."
		case got == 255 || got == -1:
			return "The status comes from ExitCode, but a process that a signal ended has no exit code."
		case got == 137:
			return "The status says SIGKILL, which run sent itself. It should name the signal that made run do so."
		}
		return ""
	}},
	{1, []string{exit3}, func(e *evidence) string {
		if wanted, got, ok := e.statuses(); ok && got != wanted {
			return fmt.Sprintf("run ends with %d, whatever the status of the command is.", got)
		}
		return ""
	}},
}
