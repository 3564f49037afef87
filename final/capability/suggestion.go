//go:build linux

package capability

import "strings"

// nearest is the capability whose name differs least, or empty if all differ in more than a third of the letters.
func nearest(name string) string {
	if len(name) > 64 {
		return ""
	}
	wanted := strings.TrimPrefix(strings.ToUpper(name), "CAP_")
	best, least := "", len(wanted)/3+1
	for _, known := range names {
		if d := distance(wanted, known[len("CAP_"):]); d < least {
			best, least = known, d
		}
	}
	return best
}

// distance is the number of letters to insert, to remove, to replace, or to exchange with their neighbour.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
