//go:build linux

package spec

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// CheckPrintable refuses text that would spoil a line of a message or of a file.
func CheckPrintable(text string) error {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("%q: must not contain control characters", text)
	}
	return nil
}

// MaxCPUs is how many processors a kernel can have.
const MaxCPUs = 8192

// CPUs returns a bit for each processor in a list such as 0-3,5. Lists of memory nodes look the same. The kernel says whether the host
// has them. cpuset(7), "List format"
func CPUs(list string) ([]uint64, error) {
	mask, _, err := parseList("list", list, MaxCPUs)
	return mask, err
}

// parseList returns a bit for each number in a list, and how many bits are set.
func parseList(what, list string, limit int) (mask []uint64, count int, err error) {
	mask = make([]uint64, limit/64)
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(strings.Trim(part, " "), "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 16)
		to, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || from > to || to >= uint64(limit) {
			return nil, 0, fmt.Errorf("%q: invalid %s: must be numbers below %d and ranges, such as 0-3,5", part, what, limit)
		}
		for n := from; n <= to; n++ {
			mask[n/64] |= 1 << (n % 64)
		}
	}
	for _, word := range mask {
		count += bits.OnesCount64(word)
	}
	return mask, count, nil
}

// IsAccess reports whether text has some of r, w and m, each at most once.
func IsAccess(text string) bool {
	return text != "" && strings.Trim(text, "rwm") == "" &&
		strings.Count(text, "r") < 2 && strings.Count(text, "w") < 2 && strings.Count(text, "m") < 2
}

// lastOfEach keeps the last of several variables with one name: the C library would take the first, and a shell the last. getenv(3)
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

// MaxRecords is how much final reads of the container's /etc/passwd or /etc/group, in bytes.
const MaxRecords = 1 << 20

// Records returns the fields of each line of an /etc/passwd or /etc/group. It leaves out lines with fewer than least fields, lines without
// a name, and lines with a NUL, which are no text. passwd(5), group(5)
func Records(data []byte, least int) (records [][]string) {
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) >= least && fields[0] != "" && !hasNUL(line) {
			records = append(records, fields)
		}
	}
	return records
}
