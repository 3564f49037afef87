//go:build linux

package coach

import (
	"os"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// keys are the keys of the terminal that standard input is. Without a terminal no key ever comes.
type keys struct {
	fd     int
	before *term.State
}

// openKeys makes the terminal hand over each key at once, and Ctrl-C and Ctrl-Z as keys, without showing them. termios(3)
func openKeys() *keys {
	k := &keys{fd: int(os.Stdin.Fd())}
	if before, err := term.GetState(k.fd); err == nil {
		k.before = before
		k.take()
	}
	return k
}

// take is for the terminal in which we read the keys. What is written looks as before, so that other programs can write too.
func (k *keys) take() {
	if k.before == nil {
		return
	}
	if settings, err := unix.IoctlGetTermios(k.fd, unix.TCGETS); err == nil {
		settings.Lflag &^= unix.ICANON | unix.ECHO | unix.ISIG
		settings.Cc[unix.VMIN], settings.Cc[unix.VTIME] = 1, 0
		unix.IoctlSetTermios(k.fd, unix.TCSETS, settings)
	}
}

// giveBack makes the terminal what it was.
func (k *keys) giveBack() {
	if k.before != nil {
		term.Restore(k.fd, k.before)
	}
}

// lend gives the terminal to something that reads it, and takes it again.
func (k *keys) lend(to func()) {
	k.giveBack()
	defer k.take()
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

// The keys that mean something.
const (
	quit    = 'q'
	ctrlC   = 'C' - '@'
	ctrlD   = 'D' - '@'
	suspend = 'Z' - '@'
)
