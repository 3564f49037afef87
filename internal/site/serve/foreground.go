package serve

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// foreground makes this process the only one that Ctrl-C reaches: make would get the key, too, and add a line of its own. If the process
// is not in the foreground of a terminal, nothing happens. Call the function that foreground returns at the end: it gives the terminal
// back. tcsetpgrp(3)
func foreground() func() {
	terminal := int(os.Stdin.Fd())
	before, err := unix.IoctlGetInt(terminal, unix.TIOCGPGRP)
	if err != nil || before != unix.Getpgrp() || unix.Setpgid(0, 0) != nil {
		return func() {}
	}
	// The kernel stops a process that takes the terminal from the background. Ctrl-Z would stop the server, and make would wait for it.
	signal.Ignore(unix.SIGTTOU, unix.SIGTSTP)
	unix.IoctlSetPointerInt(terminal, unix.TIOCSPGRP, unix.Getpid())
	return func() { unix.IoctlSetPointerInt(terminal, unix.TIOCSPGRP, before) }
}
