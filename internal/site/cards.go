package site

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	stepTable = regexp.MustCompile(`(?s)<div class="generated steps">\n<table>.*?</table>\n</div>`)
	row       = regexp.MustCompile(`(?s)<tr>\n<td>.*?</tr>`)
	cell      = regexp.MustCompile(`(?s)<td>(.*?)</td>`)
	stepLink  = regexp.MustCompile(`<a href="([^"]*)">(\d): (.*?)</a>`)
)

// lastCard is final, which comes after the steps and has no row in their table.
const lastCard = `<li><a class="name" href="final/index.html"><b>+</b> <span>final</span></a><p>The same seven ideas, grown up: a runtime ` +
	`hardened against hostile commands. Docker, podman and containerd can run on it.</p></li>` + "\n"

// cards draws the table of the steps as a list of cards, which also fits on a telephone.
func cards(table string) string {
	var list strings.Builder
	list.WriteString("<ol class=\"cards\">\n")
	for _, row := range row.FindAllString(table, -1) {
		var cells []string
		for _, c := range cell.FindAllStringSubmatch(row, -1) {
			cells = append(cells, c[1])
		}
		link := stepLink.FindStringSubmatch(cells[0])
		gain, made, flags, lines, minutes := cells[1], cells[2], cells[3], cells[4], cells[5]
		fmt.Fprintf(&list, `<li data-step="%s"><a class="name" href="%s"><b>%[1]s</b> <span>%[3]s</span></a>`, link[2], link[1], link[3])
		fmt.Fprintf(&list, "<p>%s</p><p class=\"made\">%s</p><p class=\"facts\"><span>%s minutes</span> <span>%s lines</span> %s</p></li>\n",
			gain, strings.ReplaceAll(made, ", ", " "), minutes, lines, flags)
	}
	list.WriteString(lastCard + "</ol>\n")
	return list.String()
}
