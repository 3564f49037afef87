package site

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	takes = regexp.MustCompile(`(?s)<p>Minutes: (\d+) · Difficulty: (easy|medium|hard) · At the end you can say: (.*?)</p>`)
	next  = regexp.MustCompile(`<p>Next: <a [^\n]*</p>\n$`)
	hero  = regexp.MustCompile(`(?s)^<p>(.*?)</p>\n<p>(<img .*?)</p>\n<p>(.*?)</p>`)
	table = regexp.MustCompile(`(?s)<table>.*?</table>`)
)

// finish draws what Markdown has no words for: what a lesson takes becomes a card, and a wide table scrolls alone. A lesson's last
// line, which leads to the next lesson, goes: the foot of the page has that link.
func (p *Page) finish(body string) string {
	body = takes.ReplaceAllString(body, `<div class="takes"><p class="facts"><span>$1 minutes</span> <span class="$2">$2</span></p>`+
		`<p><b>At the end you can say</b> $3</p></div>`)
	body = stepTable.ReplaceAllStringFunc(body, cards)
	body = table.ReplaceAllString(body, `<div class="table">$0</div>`)
	if p.Kind == "lesson" {
		body = next.ReplaceAllString(body, "")
	}
	if p.Kind == "hints" {
		body = markNames(body)
	}
	if p.Kind == "home" {
		body = hero.ReplaceAllString(body, `<div class="hero wide"><div><p class="lead">$1</p>`+
			`<p>$3</p><p class="actions"><a class="button" href="step01-exec/index.html">Start with step 1</a>`+
			`<a class="button second" href="#quick-start">Quick start</a></p></div><p>$2</p></div>`)
	}
	if strings.Contains(body, `<details class="fold">`) {
		body += "</details>\n"
	}
	return body
}

// fold draws the beginning of a part that the reader unfolds, such as a hint. It ends the part before.
func (d *drawing) fold(id string) string {
	d.folds++
	start := fmt.Sprintf(`<details class="fold"><summary><h2 id="%s">`, id)
	if d.folds > 1 {
		return "</details>\n" + start
	}
	return start
}

var comment = regexp.MustCompile(`(?s)<!--.*?-->\n?`)

var generated = regexp.MustCompile(`<!-- generated: (\w+) -->`)

// box draws the comments around a generated part.
func box(comment string) string {
	if name := generated.FindStringSubmatch(comment); name != nil {
		return fmt.Sprintf("<div class=\"generated %s\">\n", name[1])
	}
	if strings.HasPrefix(comment, "<!-- end of generated -->") {
		return "</div>\n"
	}
	return ""
}
