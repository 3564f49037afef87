//go:build linux

package terminal

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// A Connection connects the caller's terminal with the terminal of the command. All methods of a nil Connection do nothing.
type Connection struct {
	*Console
	terminal *Terminal
	typed    chan unix.Signal
	wanted   chan struct{}
	shown    chan struct{}
	// showing is true while output is on its way to the caller's terminal.
	showing atomic.Bool

	// mutex guards raw and over, and the settings of the caller's terminal.
	mutex sync.Mutex
	// raw is true while the caller's terminal passes on every key.
	raw bool
	// over is true when nobody may change the caller's terminal any more.
	over bool
}

// Connect prepares a connection of two terminals, which lasts from Start to Stop.
func Connect(t *Terminal, c *Console) *Connection {
	return &Connection{Console: c, terminal: t, typed: make(chan unix.Signal), wanted: make(chan struct{}), shown: make(chan struct{})}
}

// Start begins to pass on keys and output. The caller's terminal gets the raw mode: it passes on every key, and shows output unchanged.
func (c *Connection) Start() {
	// As long as one goroutine waits for a key, the other one might get its turn to show output milliseconds late.
	runtime.GOMAXPROCS(2)
	c.Take()
	go c.show()
	go c.read()
}

// Stop waits until all output is shown, however slowly it is read, and restores the caller's terminal.
func (c *Connection) Stop() {
	<-c.shown
	c.mutex.Lock()
	c.over = true
	c.mutex.Unlock()
	c.Release()
	c.terminal.Close()
}

// show passes on output until the command has ended and everything is shown.
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

// Drain waits until the output so far is shown. It waits for a second at most, because a command may print without end, and the
// reader of the output may have stopped.
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
		// Ask in this order: show announces output before it takes the output from the terminal.
		if !c.terminal.hasOutput(0) && !c.showing.Load() {
			return
		}
	}
}

// Keys returns a channel with the signals of keys that were typed, such as SIGINT for Ctrl-C. See write.
func (c *Connection) Keys() <-chan unix.Signal {
	if c == nil {
		return nil
	}
	return c.typed
}

// Wanted returns a channel that is ready when the command waits for a key while this process is in the background.
func (c *Connection) Wanted() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.wanted
}

// Take puts the caller's terminal into raw mode, if this process is in the foreground of the terminal.
func (c *Connection) Take() {
	if c == nil || c.settings == nil || !c.InForeground() {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.over || c.raw {
		return
	}
	c.changed(c.settings)
	_, err := term.MakeRaw(int(c.In.Fd()))
	c.raw = err == nil
	c.Resize()
}

// Release gives the caller's terminal its own settings back.
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

// Resize gives the command's terminal the size of the caller's terminal. It reports whether the caller's terminal has a size.
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

// read passes on keys until the caller's input ends.
func (c *Connection) read() {
	buffer := make([]byte, 4096)
	for {
		if c.settings != nil && !c.awaitKey() {
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

// tick is how often read looks whether this process is in the foreground.
const tick = 100 * time.Millisecond

// awaitKey waits for a key, for one tick at most. In the background it takes no keys: they are for the shell. The kernel would stop a
// command of the shell that reads in the background, and let it run as long as it does not read. So awaitKey asks for a stop when
// the command waits for a key. Nothing tells this process of an fg of a job that runs, so awaitKey looks at every tick, and puts the
// terminal into raw mode again.
func (c *Connection) awaitKey() bool {
	if !c.InForeground() {
		if c.hasReader() {
			c.wanted <- struct{}{}
		}
		time.Sleep(tick)
		return false
	}
	c.Take()
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(c.In.Fd()), Events: unix.POLLIN}}, int(tick.Milliseconds()))
	return (n > 0 || err != nil && err != unix.EINTR) && c.InForeground()
}

// end ends the command's input when the caller's input, a file or a pipe, has ended. A user would type Ctrl-D at a terminal, and type
// Ctrl-D again for each program that reads on. So does end: it types the next Ctrl-D as soon as the last one has been read.
func (c *Connection) end() {
	const controlD = 4
	for ; ; time.Sleep(tick) {
		if c.terminal.hasInput() {
			continue
		}
		if _, err := c.terminal.Master.Write([]byte{controlD}); err != nil {
			return
		}
	}
}

// write passes on keys. The kernel turns Ctrl-C, Ctrl-\ and Ctrl-Z into signals, unless the command has switched that off, but the
// default action of these signals does nothing to process 1 of a PID namespace. So write also sends the signals to the channel of
// Keys. pid_namespaces(7), termios(3)
func (c *Connection) write(keys []byte) {
	_, _ = c.terminal.Master.Write(keys)
	settings, err := unix.IoctlGetTermios(int(c.terminal.Master.Fd()), unix.TCGETS)
	if err != nil || settings.Lflag&unix.ISIG == 0 {
		return
	}
	for _, key := range []struct {
		character int
		signal    unix.Signal
	}{{unix.VINTR, unix.SIGINT}, {unix.VQUIT, unix.SIGQUIT}, {unix.VSUSP, unix.SIGTSTP}} {
		character := settings.Cc[key.character]
		if character != 0 && bytes.IndexByte(keys, character) >= 0 {
			c.typed <- key.signal
		}
	}
}

// Foreground returns the process group in the foreground of the command's terminal, 0 if there is none. tcgetpgrp(3)
func (c *Connection) Foreground() int {
	group, err := unix.IoctlGetInt(int(c.terminal.Master.Fd()), unix.TIOCGPGRP)
	if err != nil {
		return 0
	}
	return group
}
