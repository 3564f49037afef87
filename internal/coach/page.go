//go:build linux

package coach

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	picture = regexp.MustCompile(`!\[([^\]]*)\]\([^)]*\)`)
	link    = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	summary = regexp.MustCompile(`<summary>(.*)</summary>`)
)

// A page is Markdown for a terminal: paragraphs are wrapped, code is indented, and folded parts stay folded.
type page struct {
	width     int
	lines     []string
	paragraph string
	code      bool
	folded    bool
}

// readable returns the page as lines for a terminal of that width.
func readable(markdown string, width int) string {
	p := &page{width: width}
	for line := range strings.Lines(markdown) {
		p.add(strings.TrimRight(line, "\n"))
	}
	p.end()
	return strings.Trim(strings.Join(p.lines, "\n"), "\n")
}

// add adds a line.
func (p *page) add(line string) {
	switch {
	case strings.HasPrefix(line, "</details>"):
		p.folded = false
	case summary.MatchString(line):
		p.put("[folded: " + summary.FindStringSubmatch(line)[1] + "]")
	case p.folded, strings.HasPrefix(line, "<!--"):
	case strings.HasPrefix(line, "<details>"):
		p.end()
		p.folded = true
	case strings.HasPrefix(line, "```"):
		p.end()
		p.code = !p.code
	case p.code && line != "":
		p.put("    " + strings.ReplaceAll(line, "\t", "    "))
	case line == "":
		p.end()
		if n := len(p.lines); n > 0 && p.lines[n-1] != "" {
			p.put("")
		}
	case strings.HasPrefix(line, "#"):
		p.end()
		title := strings.TrimLeft(line, "# ")
		p.put(title)
		p.put(strings.Repeat("─", utf8.RuneCountInString(title)))
	case strings.HasPrefix(line, "|"):
		p.put(words(line))
	default:
		if strings.HasPrefix(line, "- ") {
			p.end()
		}
		p.paragraph += line + " "
	}
}

// end ends a paragraph.
func (p *page) end() {
	indent := ""
	if strings.HasPrefix(p.paragraph, "- ") {
		indent = "  "
	}
	if p.paragraph != "" {
		for i, line := range wrap(words(p.paragraph), p.width-len(indent)) {
			if i > 0 {
				line = indent + line
			}
			p.put(line)
		}
	}
	p.paragraph = ""
}

func (p *page) put(line string) { p.lines = append(p.lines, line) }

// words returns a text without the addresses of its links.
func words(text string) string {
	return link.ReplaceAllString(picture.ReplaceAllString(text, "(picture: $1)"), "$1")
}

// pager returns a command that shows a page, starting at the heading of an anchor. It returns nil without a pager.
func pager(where string, width int) *exec.Cmd {
	path, anchor, _ := strings.Cut(where, "#")
	text, err := os.ReadFile(path)
	less, lessErr := exec.LookPath("less")
	if err != nil || lessErr != nil {
		return nil
	}
	// This is the prompt below a page.
	args := []string{"-Ps q to return, space for the next page"}
	if heading := headingOf(path, anchor); heading != "" {
		args = append(args, "+/^"+regexp.QuoteMeta(heading)+"$")
	}
	cmd := exec.Command(less, args...)
	cmd.Stdin = strings.NewReader(readable(string(text), width))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}
