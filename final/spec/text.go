//go:build linux

package spec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// CheckPrintable refuses what would spoil a line of a message or of a file.
func CheckPrintable(text string) error {
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			return fmt.Errorf("%q: must not contain control characters", text)
		}
	}
	return nil
}

// CheckCPUs refuses what is not a list of processors or memory nodes. The kernel says whether the host has them. cpuset(7)
func CheckCPUs(list string) error {
	for _, part := range strings.Split(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 16)
		to, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || from > to {
			return errors.New("must be numbers and ranges, such as 0-3,5")
		}
	}
	return nil
}

// IsAccess reports whether text has some of r, w and m, each once at most.
func IsAccess(text string) bool {
	return text != "" && strings.Trim(text, "rwm") == "" &&
		strings.Count(text, "r") < 2 && strings.Count(text, "w") < 2 && strings.Count(text, "m") < 2
}

// lastOfEach leaves out variables that come again later: the C library takes the first of a name, and a shell the last. getenv(3)
func lastOfEach(env []string) []string {
	seen := map[string]bool{}
	var kept []string
	for _, variable := range slices.Backward(env) {
		name, _, isVariable := strings.Cut(variable, "=")
		if !isVariable || !seen[name] {
			kept = append(kept, variable)
		}
		seen[name] = seen[name] || isVariable
	}
	slices.Reverse(kept)
	return kept
}
