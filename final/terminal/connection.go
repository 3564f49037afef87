//go:build linux

package terminal

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

// A Connection connects the caller's terminal with that of the command. All of its methods do nothing if there is none.
type Connection struct {
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

// Connect connects two terminals, from Start to Stop.
func Connect(t *Terminal, c *Console) *Connection {
	return &Connection{Console: c, terminal: t, typed: make(chan unix.Signal), want: make(chan struct{}), shown: make(chan struct{})}
}

// Start makes the caller's terminal pass every key on as it is, and show all output as it is.
func (c *Connection) Start() {
	c.Take()
	go c.show()
	go c.read()
}

// Stop shows what is left to show, however slowly it is read, and restores the terminal.
func (c *Connection) Stop() {
	<-c.shown
	c.mutex.Lock()
	c.over = true
	c.mutex.Unlock()
	c.Release()
	c.terminal.Close()
}

// show copies until the command has ended and all is shown.
func (c *Connection) show() {
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

// Drain waits until what was printed is shown, but not for ever, as it can be more and more, or nobody takes it.
func (c *Connection) Drain() {
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

// Keys has the signals for what is typed while the command itself is in the foreground of its terminal.
func (c *Connection) Keys() <-chan unix.Signal {
	if c == nil {
		return nil
	}
	return c.typed
}

// Wanted is ready when the command wants to read what is typed while we are in the background.
func (c *Connection) Wanted() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.want
}

func (c *Connection) Take() {
	if c == nil || c.settings == nil || !c.InForeground() {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.over {
		return
	}
	c.changed(c.settings)
	if _, err := term.MakeRaw(int(c.In.Fd())); err == nil {
		c.raw = true
	}
	c.Resize()
}

func (c *Connection) Release() {
	if c == nil {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.raw {
		c.Restore()
		c.raw = false
		c.changed(nil)
	}
}

// Resize gives the command's terminal the size of the caller's. It reports whether that has one.
func (c *Connection) Resize() bool {
	if c == nil {
		return false
	}
	size := c.Size()
	if size != nil {
		_ = unix.IoctlSetWinsize(int(c.terminal.Master.Fd()), unix.TIOCSWINSZ, size)
	}
	return size != nil
}

// read passes on what is typed, until there is no more.
func (c *Connection) read() {
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
func (c *Connection) end() {
	for {
		if _, err := c.terminal.Master.Write([]byte{4}); err != nil {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// awaitInput waits a while for something typed that is for us. To wait in read would be to stop when we are continued in the
// background.
func (c *Connection) awaitInput() bool {
	c.awaitForeground()
	const while = 100
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(c.In.Fd()), Events: unix.POLLIN}}, while)
	return (n > 0 || err != nil && err != unix.EINTR) && c.InForeground()
}

// write passes on what is typed. A key that would end or stop any other process does nothing to process 1 by itself, so the
// keeper is told of it.
func (c *Connection) write(typed []byte) {
	_, _ = c.terminal.Master.Write(typed)
	settings, err := unix.IoctlGetTermios(int(c.terminal.Master.Fd()), unix.TCGETS)
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

// Foreground returns the process group in the foreground of the command's terminal.
func (c *Connection) Foreground() int {
	group, err := unix.IoctlGetInt(int(c.terminal.Master.Fd()), unix.TIOCGPGRP)
	if err != nil {
		return 0
	}
	return group
}

// awaitForeground returns when what is typed is for us. In the background we do not read, but stop if the command wants to,
// as it would if the terminal were its own. The shell does not tell us of the foreground unless we were stopped.
func (c *Connection) awaitForeground() {
	for !c.InForeground() {
		if c.hasReader() {
			c.want <- struct{}{}
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.mutex.Lock()
	raw := c.raw
	c.mutex.Unlock()
	if !raw {
		c.Take()
	}
}

// hasReader reports whether a process is waiting for what is typed at the command's terminal. proc_pid_syscall(5)
func (c *Connection) hasReader() bool {
	group := c.Foreground()
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
