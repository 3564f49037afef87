// Package page knows pages with sections that different targets of make write, such as final/CONFORMANCE.md.
package page

import (
	"fmt"
	"strings"
)

const begin = "<!-- written by: make "

// Section returns the section of a target: what stands between its comment and the comment of the next section.
func Section(page, target string) (string, error) {
	start, end, err := find(page, target)
	return page[start:end], err
}

// Replace returns the page with another section of a target. A section begins and ends with an empty line.
func Replace(page, target, section string) (string, error) {
	start, end, err := find(page, target)
	return page[:start] + section + page[end:], err
}

func find(page, target string) (start, end int, err error) {
	comment := begin + target + " -->\n"
	before, after, found := strings.Cut(page, comment)
	if !found {
		return 0, 0, fmt.Errorf("the page has no line %q: take the page from the repository again", strings.TrimSpace(comment))
	}
	start = len(before) + len(comment)
	section, _, _ := strings.Cut(after, begin)
	return start, start + len(section), nil
}
