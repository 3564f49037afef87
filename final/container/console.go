//go:build linux

package container

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// A Console is the terminal that we are on: that of the caller. It is read here and nowhere in the container.
type Console struct {
	In, Out *os.File
	// settings are those it had at first, nil if In is no terminal. termios(3)
	settings *unix.Termios
	guard    *Guard
}

// NewConsole remembers the settings of the terminal that in is, if it is one.
func NewConsole(in, out *os.File) *Console {
	settings, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
	if err != nil {
		settings = nil
	}
	return &Console{In: in, Out: out, settings: settings}
}

// IsTerminal reports whether what is typed and what is shown are of a terminal. Such a terminal shows all as it comes, so that a new
// line needs CR LF. See start.
func (c *Console) IsTerminal() bool {
	return c.settings != nil && term.IsTerminal(int(c.Out.Fd()))
}

// Size returns the size of the terminal, nil if it is none.
func (c *Console) Size() *unix.Winsize {
	size, err := unix.IoctlGetWinsize(int(c.Out.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return nil
	}
	return size
}

// Restore sets the terminal to the settings that it had at first. In the background it is somebody else's.
func (c *Console) Restore() {
	if c.settings != nil && c.inForeground() {
		_ = unix.IoctlSetTermios(int(c.In.Fd()), unix.TCSETS, c.settings)
	}
}

// inForeground reports whether what is typed is for us. At a terminal that is not that of our session there is no other job.
func (c *Console) inForeground() bool {
	group, err := unix.IoctlGetInt(int(c.In.Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}

// A console connects the caller's terminal with that of the command. All of its methods do nothing if there is none.
type console struct {
	*Console
	terminal *Terminal
	typed    chan unix.Signal
	want     chan struct{}
	shown    chan struct{}
	// showing says that something is on its way to the caller's terminal.
	showing atomic.Bool

	// mutex is for raw, and the settings that it is about.
	mutex sync.Mutex
	raw   bool
	// over says that the terminal is not to be touched any more, whatever is still typed.
	over bool
}

func newConsole(t *Terminal, c *Console) *console {
	return &console{Console: c, terminal: t, typed: make(chan unix.Signal), want: make(chan struct{}), shown: make(chan struct{})}
}

// start makes the caller's terminal pass every key on as it is, and show all output as it is.
func (c *console) start() {
	c.take()
	go c.show()
	go c.read()
}

// stop shows what is left to show, however slowly it is read, and restores the terminal.
func (c *console) stop() {
	<-c.shown
	c.mutex.Lock()
	c.over = true
	c.mutex.Unlock()
	c.release()
	c.terminal.Close()
}

// show copies until the command has ended and all is shown.
func (c *console) show() {
	defer close(c.shown)
	buffer := make([]byte, 32*1024)
	for c.terminal.await() {
		c.showing.Store(true)
		n, err := c.terminal.take(buffer)
		if err == nil {
			_, err = c.Out.Write(buffer[:n])
		}
		c.showing.Store(false)
		if err != nil {
			return
		}
	}
}

// drain waits until what was printed is shown, but not for ever, as it can be more and more, or nobody takes it.
func (c *console) drain() {
	if c == nil {
		return
	}
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		select {
		case <-c.shown:
			return
		default:
		}
		// In this order: what is being shown is not there to be read any more.
		if !c.terminal.hasOutput(0) && !c.showing.Load() {
			return
		}
	}
}

// keys has the signals for what is typed while the command itself is in the foreground of its terminal.
func (c *console) keys() <-chan unix.Signal {
	if c == nil {
		return nil
	}
	return c.typed
}

// wanted is ready when the command wants to read what is typed while we are in the background.
func (c *console) wanted() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.want
}

func (c *console) take() {
	if c == nil || c.settings == nil || !c.inForeground() {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.over {
		return
	}
	c.guard.restore(c.settings)
	if _, err := term.MakeRaw(int(c.In.Fd())); err == nil {
		c.raw = true
	}
	c.resize()
}

func (c *console) release() {
	if c == nil {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.raw {
		c.Restore()
		c.raw = false
		c.guard.restore(nil)
	}
}

// resize gives the command's terminal the size of the caller's. It reports whether that has one.
func (c *console) resize() bool {
	if c == nil {
		return false
	}
	size := c.Size()
	if size != nil {
		_ = unix.IoctlSetWinsize(int(c.terminal.master.Fd()), unix.TIOCSWINSZ, size)
	}
	return size != nil
}

// read passes on what is typed, until there is no more.
func (c *console) read() {
	buffer := make([]byte, 4096)
	for {
		if c.settings != nil && !c.awaitInput() {
			continue
		}
		n, err := c.In.Read(buffer)
		if n > 0 {
			c.write(buffer[:n])
		}
		if err != nil {
			c.end()
			return
		}
	}
}

// end ends what comes from a file or a pipe as it would end at a terminal. The command may change the mode of its terminal, and
// lose the key by that: so it is typed again and again.
func (c *console) end() {
	for {
		if _, err := c.terminal.master.Write([]byte{4}); err != nil {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// awaitInput waits a while for something typed that is for us. To wait in read would be to stop when we are continued in the
// background.
func (c *console) awaitInput() bool {
	c.awaitForeground()
	const while = 100
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(c.In.Fd()), Events: unix.POLLIN}}, while)
	return (n > 0 || err != nil && err != unix.EINTR) && c.inForeground()
}

// write passes on what is typed. A key that would end or stop any other process does nothing to process 1 by itself, so the
// keeper is told of it.
func (c *console) write(typed []byte) {
	_, _ = c.terminal.master.Write(typed)
	settings, err := unix.IoctlGetTermios(int(c.terminal.master.Fd()), unix.TCGETS)
	if err != nil || settings.Lflag&unix.ISIG == 0 {
		return
	}
	for _, key := range []struct {
		character int
		signal    unix.Signal
	}{{unix.VINTR, unix.SIGINT}, {unix.VQUIT, unix.SIGQUIT}, {unix.VSUSP, unix.SIGTSTP}} {
		character := settings.Cc[key.character]
		if character != 0 && strings.IndexByte(string(typed), character) >= 0 {
			c.typed <- key.signal
		}
	}
}

// foreground returns the process group in the foreground of the command's terminal.
func (c *console) foreground() int {
	group, err := unix.IoctlGetInt(int(c.terminal.master.Fd()), unix.TIOCGPGRP)
	if err != nil {
		return 0
	}
	return group
}

// awaitForeground returns when what is typed is for us. In the background we do not read, but stop if the command wants to,
// as it would if the terminal were its own. The shell does not tell us of the foreground unless we were stopped.
func (c *console) awaitForeground() {
	for !c.inForeground() {
		if c.hasReader() {
			c.want <- struct{}{}
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.mutex.Lock()
	raw := c.raw
	c.mutex.Unlock()
	if !raw {
		c.take()
	}
}

// hasReader reports whether a process is waiting for what is typed at the command's terminal. proc_pid_syscall(5)
func (c *console) hasReader() bool {
	group := c.foreground()
	call, _ := os.ReadFile("/proc/" + strconv.Itoa(group) + "/syscall")
	fields := strings.Fields(string(call))
	if group == 0 || len(fields) < 2 || fields[0] != strconv.Itoa(unix.SYS_READ) {
		return false
	}
	fd, err := strconv.ParseUint(strings.TrimPrefix(fields[1], "0x"), 16, 32)
	if err != nil {
		return false
	}
	file, _ := os.Readlink("/proc/" + strconv.Itoa(group) + "/fd/" + strconv.Itoa(int(fd)))
	return strings.HasPrefix(file, "/dev/pts/") || file == "/dev/console" || file == "/dev/tty"
}
