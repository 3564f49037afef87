//go:build linux

package copyup

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// File copies a file that is no directory from one open directory to another, which has no file of this name.
func (c Copy) File(from, to int, base string) error { return c.copyFile(from, to, base, base, 1) }

// Attributes gives an open directory the owner, the mode, the extended attributes and the times of another. name is for messages.
func (c Copy) Attributes(from, to int, name string) error {
	var stat unix.Stat_t
	if err := unix.Fstat(from, &stat); err != nil {
		return fmt.Errorf("stat %s: %w", name, err)
	}
	return c.copyAttributes(from, to, name, &stat)
}
