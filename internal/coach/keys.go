//go:build linux

package coach

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// keys reads single keys from the terminal on standard input. Without a terminal, no key ever comes.
type keys struct {
	fd     int
	before *term.State
}

// openKeys makes the terminal deliver each key at once and without showing it, Ctrl-C and Ctrl-Z included. termios(3)
func openKeys() *keys {
	k := &keys{fd: int(os.Stdin.Fd())}
	if before, err := term.GetState(k.fd); err == nil {
		k.before = before
		k.raw()
	}
	return k
}

// raw turns on the reading of single keys. Output looks as before, so that other programs can write, too.
func (k *keys) raw() {
	if k.before == nil {
		return
	}
	if settings, err := unix.IoctlGetTermios(k.fd, unix.TCGETS); err == nil {
		settings.Lflag &^= unix.ICANON | unix.ECHO | unix.ISIG
		settings.Cc[unix.VMIN], settings.Cc[unix.VTIME] = 1, 0
		unix.IoctlSetTermios(k.fd, unix.TCSETS, settings)
	}
}

// restore puts the terminal back into its first state.
func (k *keys) restore() {
	if k.before != nil {
		term.Restore(k.fd, k.before)
	}
}

// suspendRaw restores the terminal while another program reads from it.
func (k *keys) suspendRaw(to func()) {
	k.restore()
	defer k.raw()
	to()
}

// pressed returns the key that was pressed, and 0 if there was none.
func (k *keys) pressed() byte {
	if k.before == nil {
		return 0
	}
	ready := []unix.PollFd{{Fd: int32(k.fd), Events: unix.POLLIN}}
	if n, _ := unix.Poll(ready, 0); n <= 0 {
		return 0
	}
	var key [1]byte
	if n, err := unix.Read(k.fd, key[:]); n != 1 || err != nil {
		// The terminal is gone.
		return quit
	}
	return key[0]
}

// The control keys.
const (
	quit    = 'q'
	ctrlC   = 'C' - '@'
	ctrlD   = 'D' - '@'
	suspend = 'Z' - '@'
)

// suspend stops us and make, until the shell continues us. A signal to a process with many threads takes a moment, and a process
// without a shell does not stop at all.
func (w *watch) suspend() {
	unix.Kill(0, unix.SIGTSTP)
	select {
	case <-w.continued:
	case <-time.After(saveTime):
	}
}
