package lesson

import (
	"path"
	"strings"
)

// Address returns where the web page of a Markdown file is, both from the top of the workshop: step02-uts/index.html for
// step02-uts/README.md. A place on the page stays at the end, such as #how-it-works.
func Address(source string) string {
	source, place, found := strings.Cut(source, "#")
	if found {
		place = "#" + place
	}
	if path.Base(source) == "README.md" {
		return path.Join(path.Dir(source), "index.html") + place
	}
	return strings.TrimSuffix(source, ".md") + ".html" + place
}
