package site

import (
	"fmt"
	"html/template"
	"io"
	"strings"

	"container-workshop/internal/lesson"
)

// labels are the notes above a block that a reader needs, and how the page says them.
var labels = map[string]string{
	"second terminal": "second terminal",
	"cgroup v1":       "cgroup version 1",
	"cgroup v2":       "cgroup version 2",
}

// terminal draws commands and their output. The prompts are marked, so that nobody copies them.
func terminal(w io.Writer, block lesson.Block) error {
	class, captions := "terminal", ""
	for _, note := range strings.Split(block.Note, ", ") {
		if label, ok := labels[note]; ok {
			class += " labelled"
			captions += fmt.Sprintf("<figcaption>%s</figcaption>", label)
		}
	}
	fmt.Fprintf(w, `<figure class="%s">%s<pre tabindex="0"><code>`, class, captions)
	for _, line := range block.Lines {
		if prompt, command, ok := lesson.Prompt(line); ok {
			fmt.Fprintf(w, "<span class=\"typed\"><span class=\"%s\">%s</span><kbd>%s</kbd>\n</span>", side(prompt), template.HTMLEscapeString(prompt), template.HTMLEscapeString(command))
			continue
		}
		fmt.Fprintln(w, strings.ReplaceAll(template.HTMLEscapeString(line), "&lt;…&gt;", `<span class="varies" title="differs from machine to machine">&lt;…&gt;</span>`))
	}
	_, err := fmt.Fprint(w, "</code></pre></figure>\n")
	return err
}

// side returns the class of a prompt: a shell in a container has another colour than a shell on the host.
func side(prompt string) string {
	if strings.HasPrefix(prompt, "root@container:") {
		return "prompt inside"
	}
	return "prompt"
}
