//go:build linux

package check

import (
	"errors"
	"flag"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/needs"
)

// A mutant is the last step with one mistake, and the properties that it therefore lacks. A property is named by a part of its name
// that no other name has.
type mutant struct {
	mistake string
	// edits are pairs: a text to find, and its replacement.
	edits []string
	lacks []string
}

var mutants = []mutant{
	{"no command", []string{lookUp, "	return nil\n"},
		[]string{"run starts the command"}},
	{"a process of its own", []string{lookUp, asOwnProcess},
		[]string{"replaces child"}},
	{"no standard input", []string{"cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout", "cmd.Stdout, cmd.Stderr = os.Stdout"},
		[]string{"reads standard input"}},
	{"chatter", []string{"	defer takeTerminalBack()\n", "	defer takeTerminalBack()\n	fmt.Println(\"running\")\n"},
		[]string{"output and error output"}},
	{"flags after the command", []string{"SetInterspersed(false)", "SetInterspersed(true)"},
		[]string{"look like flags"}},
	{"descriptor 3 left open", []string{"	unix.CloseOnExec(3)\n", ""},
		[]string{"no open files", "SIGTERM ends the container at whatever moment"}},
	{"always success", []string{"exit{nil, state.ExitCode()}", "exit{nil, 0}"},
		[]string{"ends with exit 3"}},
	{"always failure", []string{"exit{nil, state.ExitCode()}", "exit{nil, 1}"},
		[]string{"ends with exit 0"}},
	{"status of signals unknown", []string{"exit{nil, 128 + int(sig)}", "exit{nil, state.ExitCode()}"},
		[]string{"that a signal ends", "takes more memory"}},
	{"not found is a failure of our own", []string{"exitNotFound      = 127", "exitNotFound = 125"},
		[]string{"status 127"}},
	{"not executable is a failure of our own", []string{"exitNotExecutable = 126", "exitNotExecutable = 125"},
		[]string{"status 126"}},
	{"a status of 1 for our own failures", []string{"exitFailed        = 125", "exitFailed = 1"},
		[]string{"without a command", "unknown flag", "without /proc", "without root", "hostname that is too long", "missing, not a directory or empty",
			"limit that makes no sense", "without a cgroup", "relative path"}},
	{"help is an error", []string{"	case errors.Is(err, pflag.ErrHelp):\n		err = nil\n", ""},
		[]string{"--help"}},
	{"signals stay with run", []string{"		command.Signal(sig)\n", ""},
		[]string{"sent to run reach"}},
	{"nobody acts for process 1", []string{"return (blocked|ignored|caught)>>(sig-1)&1 == 1", "return true"},
		[]string{"does not handle ends it", "Ctrl-C ends", "Ctrl-Z"}},
	{"endless patience", []string{"gracePeriod = 3", "gracePeriod = 3000"},
		[]string{"even if the command ignores it"}},
	{"signals passed on at once", []string{"	ours.Read(make([]byte, 1))\n", ""},
		[]string{"at whatever moment"}},
	{"ignored signals caught", []string{"!signal.Ignored(sig)", "true"},
		[]string{"nohup"}},
	{"what is typed passed on", []string{"inForeground(); !typed {", "inForeground(); true || typed {\n		time.Sleep(20 * time.Millisecond)"},
		[]string{"handles it, once"}},
	{"child for everybody", []string{"	if n < 1 {\n", "	if n = max(n, 0); false {\n"},
		[]string{"started by hand"}},
	{"status of signals guessed", []string{"case sig == unix.SIGKILL && killedFor != 0:", "case killedFor != 0:",
		"	unhandled := ", "	time.Sleep(20 * time.Millisecond)\n	unhandled := "},
		[]string{"however fast"}},
	{"reading in the background ignored", []string{"unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)", "unix.SIGTSTP)"},
		[]string{"in the background"}},
	{"a session of its own", []string{"	cmd.SysProcAttr = &unix.SysProcAttr{}\n", "	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}\n"},
		[]string{"job control", "size of the window"}},
	{"terminal not taken back", []string{"	defer takeTerminalBack()\n", ""},
		[]string{"given back"}},
	{"hostname not set", []string{"unix.Sethostname([]byte(*hostname))", "error(nil)"},
		[]string{"is container", "--hostname sets"}},
	{"no UTS namespace", []string{"	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUTS\n", ""},
		[]string{"UTS namespace", "rename the host"}},
	{"refused hostname not named", []string{setHostnameError, "return err"},
		[]string{"hostname that is too long"}},
	{"no PID namespace", []string{"	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWPID\n", ""},
		[]string{"command is process 1", "PID namespace", "survives the command", "leave no mount", "finds itself", "ps sees"}},
	{"no parent-death signal", []string{"	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL\n", ""},
		[]string{"is killed with SIGKILL", "killed while it starts"}},
	{"no chroot", []string{"unix.Chroot(*rootfs)", "error(nil)", "err := mountProc()", "err := error(nil)", "err := mountTmpfs()", "err := error(nil)"},
		[]string{"out of sight", "is the root file system"}},
	{"working directory left outside", []string{`os.Chdir("/")`, "error(nil)"},
		[]string{"no way up"}},
	{"PATH of the host", []string{`	return os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")`, "	return nil"},
		[]string{"looked up in the container"}},
	{"no mount namespace", []string{"	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNS\n", ""},
		[]string{"has a mount namespace", "/proc is mounted in the container", "/mytemp is a tmpfs"}},
	{"mounts shared", []string{`unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")`, "error(nil)"},
		[]string{"/proc is mounted in the container", "/mytemp is a tmpfs"}},
	{"only the topmost mount private", []string{"unix.MS_REC|unix.MS_PRIVATE", "unix.MS_PRIVATE"},
		[]string{"a shared mount of its own"}},
	{"programs on proc", []string{"unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC", "unix.MS_NOSUID|unix.MS_NODEV"},
		[]string{"runs no program from /proc"}},
	{"no memory limit", []string{`{"memory/", "memory.limit_in_bytes", *memory}`, `{"memory/", "memory.limit_in_bytes", "10g"}`,
		`{"memory/", "memory.memsw.limit_in_bytes", *memory}`, `{"memory/", "memory.memsw.limit_in_bytes", "10g"}`, `"memory.max", *memory`, `"memory.max", "10g"`},
		[]string{"takes more memory", "--memory is the limit"}},
	{"memory limit too low", []string{`{"memory/", "memory.limit_in_bytes", *memory}`, `{"memory/", "memory.limit_in_bytes", "4m"}`,
		`{"memory/", "memory.memsw.limit_in_bytes", *memory}`, `{"memory/", "memory.memsw.limit_in_bytes", "4m"}`, `"memory.max", *memory`, `"memory.max", "4m"`},
		[]string{"takes 16 MB"}},
	{"swap unlimited", []string{`{"memory/", "memory.memsw.limit_in_bytes", *memory}`, `{"memory/", "memory.memsw.limit_in_bytes", "10g"}`, `"memory.swap.max", "0"`, `"memory.swap.max", "max"`},
		[]string{"swap is no way around"}},
	{"no process limit", []string{`{"pids/", "pids.max", fmt.Sprint(*pids)}`, `{"pids/", "pids.max", "max"}`, `{"", "pids.max", fmt.Sprint(*pids)}`, `{"", "pids.max", "max"}`},
		[]string{"more processes", "--pids is the limit"}},
	{"half the CPU limit", []string{"*cpus * 100_000", "*cpus * 50_000"},
		[]string{"--cpus limits"}},
	{"cgroup not entered", notJoined,
		[]string{"in cgroups of its own", "never outside", "takes more memory", "more processes"}},
	{"cgroups left behind", []string{"	defer removeCgroups()\n", ""},
		[]string{"cgroups are gone", "leave no cgroup"}},
	{"one cgroup for all", []string{`"container-workshop-"+containerID`, `"container-workshop-0"`},
		[]string{"two containers at once"}},
	{"tmpfs forgotten", []string{`unix.Mount("tmpfs", *tmpfs, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=16m,mode=1777")`, "error(nil)"},
		[]string{"/mytemp is a tmpfs", "not on the host's disk", "no more than its size", "takes another directory"}},
	{"tmpfs without a size", []string{"size=16m,", ""},
		[]string{"has a size of 16 MiB"}},
	{"tmpfs of another size", []string{"size=16m,", "size=32m,"},
		[]string{"has a size of 16 MiB", "no more than its size"}},
	{"no programs on the tmpfs", []string{"unix.MS_NOSUID|unix.MS_NODEV, \"size", "unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, \"size"},
		[]string{"programs run from the tmpfs"}},
	{"tmpfs with devices", []string{"unix.MS_NOSUID|unix.MS_NODEV, \"size", "unix.MS_NOSUID, \"size"},
		[]string{"opens no device on /mytemp"}},
}

// notJoined makes the cgroups and sets the limits, but puts no process into the cgroups.
var notJoined = []string{"		file, err := os.OpenFile(dir", "		if name == \"cgroup.procs\" {\n			continue\n		}\n		file, err := os.OpenFile(dir"}

// setHostnameError is how setHostname says which name the kernel has refused.
const setHostnameError = `return fmt.Errorf("set hostname %q (at most 64 bytes): %w", *hostname, err)`

// asOwnProcess starts the command as a child of child.
const asOwnProcess = `	unix.Close(3)
	cmd := exec.Command(pflag.Arg(0), pflag.Args()[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
`

// withoutStreams does so, too, but does not connect the standard streams.
const withoutStreams = `	unix.Close(3)
	return exec.Command(pflag.Arg(0), pflag.Args()[1:]...).Run()
`

// Machines without a compiler need the mutants, and the solutions of the exercises, compiled elsewhere.
var (
	compileInto = flag.String("compile-into", "", "compile all variants of the steps into this `directory`, and run none")
	compileFor  = flag.String("compile-for", runtime.GOARCH, "`architecture` to compile them for")
)

func TestMutantsLackTheirProperties(t *testing.T) {
	if *compileInto != "" {
		for _, v := range variants(t) {
			v.build(t, filepath.Join(*compileInto, v.name))
		}
		return
	}
	rootfs := needs.Rootfs(t)
	// The mutants never do what we wait for, so wait less. The default is for slow machines.
	usual := Patience
	t.Cleanup(func() { Patience = usual })
	Patience = 4 * time.Second
	for _, m := range mutants {
		t.Run(m.mistake, func(t *testing.T) {
			if !slices.ContainsFunc(m.lacks, func(part string) bool { return property(t, part).Step >= 6 }) {
				// These wait most of the time. The others could remove the cgroups of each other, which a program left.
				t.Parallel()
			}
			program := &Program{Path: m.variant().program(t), Step: 7, Rootfs: rootfs}
			t.Cleanup(sweep)
			for _, part := range m.lacks {
				err := property(t, part).Check(program)
				assert.Error(t, err, "%s: a check that does not see this is of no use", part)
				assert.False(t, errors.Is(err, ErrUnclear), "%s: %v", part, err)
			}
		})
	}
}

func TestEveryPropertyIsLackedByAMutant(t *testing.T) {
	lacked := map[string]bool{}
	for _, m := range mutants {
		for _, part := range m.lacks {
			lacked[property(t, part).Name] = true
		}
	}
	for _, p := range Properties {
		assert.True(t, lacked[p.Name], p.Name)
	}
}

func property(t *testing.T, part string) Property {
	t.Helper()
	return named(t, Properties, part)
}

func named(t *testing.T, table []Property, part string) Property {
	t.Helper()
	var found []Property
	for _, p := range table {
		if strings.Contains(p.Name, part) {
			found = append(found, p)
		}
	}
	require.Len(t, found, 1, part)
	return found[0]
}

func (m mutant) variant() variant {
	return variant{"mutant-" + strings.ReplaceAll(m.mistake, " ", "-"), "step07-tmpfs", m.edits}
}

// variants are the variants that tests run.
func variants(t *testing.T) []variant {
	all := []variant{untidy}
	for _, m := range mutants {
		all = append(all, m.variant())
	}
	for _, s := range solutions {
		all = append(all, s.variant(t))
	}
	for _, w := range wrongs {
		all = append(all, w.variant(t))
	}
	return all
}
