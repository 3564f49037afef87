//go:build linux

package check

// The names of the properties that others need.
const (
	starts         = "run starts the command"
	output         = "output and error output are the command's, and nothing is added"
	exit0          = "a command that ends with exit 0 has the status 0"
	exit3          = "a command that ends with exit 3 has the status 3"
	signalStatus   = "a command that a signal ends has the status 128+n"
	inPlace        = "the command takes the place of child, and runs in no process of its own"
	reach          = "signals sent to run reach the command"
	unhandled      = "a signal that the command does not handle ends it as it would on the host, with the status 128+n"
	ctrlCEnds      = "Ctrl-C ends the command as it would on the host, with the status 130"
	ctrlZStops     = "Ctrl-Z stops the command, and fg continues it"
	jobControl     = "a shell in the container has job control"
	uts            = "the container has a UTS namespace of its own"
	hostnameSet    = "the hostname in the container is container"
	pidNS          = "the container has a PID namespace of its own"
	process1       = "the command is process 1"
	dies           = "no process of the container survives the command"
	diesWithRun    = "no process of the container survives when run is killed with SIGKILL"
	ownRoot        = "the root directory of the command is the root file system"
	mountNS        = "the container has a mount namespace of its own"
	procMounted    = "/proc is mounted in the container and nowhere on the host, where / is shared as with systemd"
	inCgroups      = "the command is in cgroups of its own"
	memoryLimit    = "--memory is the limit in the kernel"
	killed         = "a command that takes more memory than the limit is killed, and the status is 137"
	pidsLimit      = "--pids is the limit in the kernel"
	cgroupsGone    = "the cgroups are gone when the container is"
	tmpfsMounted   = "/mytemp is a tmpfs, and is mounted nowhere on the host"
	tmpfsSize      = "the tmpfs on /mytemp has a size of 16 MiB"
	tmpfsElsewhere = "--tmpfs takes another directory, and makes it"
)
