//go:build linux

package flags

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxLogFiles is how many files a log has at most.
const maxLogFiles = 1000

// setLog reads NAME=VALUE, with the names that Docker has for its own logs.
func (o *Options) setLog(text string) (err error) {
	name, value, _ := strings.Cut(text, "=")
	switch name {
	case "max-size":
		if value == "-1" {
			o.LogSize = -1
			return nil
		}
		if o.LogSize, err = parseSize(value); err != nil {
			return fmt.Errorf("max-size: %w, or -1 for no limit", err)
		}
	case "max-file":
		files, err := strconv.Atoi(value)
		if err != nil || files < 1 || files > maxLogFiles {
			return fmt.Errorf("max-file: must be a number of files, from 1 to %d", maxLogFiles)
		}
		o.LogFiles = files
	default:
		return errors.New("must be max-size=SIZE or max-file=N")
	}
	return nil
}
