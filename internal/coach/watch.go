//go:build linux

package coach

import "errors"

// watch examines the learner's program at each save.
func (c *coach) watch() error {
	return errors.New("not there yet: make check")
}
