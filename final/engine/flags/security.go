//go:build linux

package flags

import (
	"errors"
	"fmt"
	"strings"

	"container-workshop/final/spec"
)

// setSecurity reads NAME=VALUE, or NAME:VALUE as older programs write it.
func (o *Options) setSecurity(text string) error {
	name, value := text, ""
	i := strings.IndexAny(text, "=:")
	if i >= 0 {
		name, value = text[:i], text[i+1:]
	}
	switch name {
	case "seccomp":
		if value == "" {
			return errors.New("must be seccomp=FILE or seccomp=unconfined")
		}
		if err := spec.CheckPrintable(value); err != nil {
			return err
		}
		o.Seccomp = value
	case "no-new-privileges":
		on := true
		if i >= 0 {
			var err error
			if on, err = parseBool(value); err != nil {
				return fmt.Errorf("no-new-privileges: %w", err)
			}
		}
		o.NoNewPrivileges = &on
	default:
		return fmt.Errorf("unknown option %q: must be seccomp=FILE, seccomp=unconfined or no-new-privileges=false", name)
	}
	return nil
}
