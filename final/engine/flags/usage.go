//go:build linux

package flags

import (
	"fmt"
	"io"
	"strings"
)

// The usage has at most 80 columns, so it fits any terminal.
const columns, textColumn = 80, 32

// Usage writes how to call run.
func Usage(w io.Writer) {
	var text strings.Builder
	text.WriteString("Usage: final run [flags] COMMAND [ARG ...]\n\nRuns COMMAND in a new container.\n")
	group, options := "", Defaults()
	for _, f := range flags(&options) {
		if f.group != group {
			group = f.group
			fmt.Fprintf(&text, "\n%s:\n", group)
		}
		f.usage(&text)
	}
	text.WriteString("\nThe exit status is that of COMMAND, or 128+n if signal n ended it. It is 125 if\n" +
		"final failed, 126 if COMMAND cannot be executed, 127 if COMMAND is not found.\n" +
		"\nTo run a container from an OCI bundle, see run --bundle DIR --help.\n")
	io.WriteString(w, text.String())
}

// usage writes the lines of one flag.
func (f *flag) usage(text *strings.Builder) {
	left := "      --" + f.name
	if f.short != "" {
		left = "  -" + f.short + ", --" + f.name
	}
	if f.alias != "" {
		left += ", --" + f.alias
	}
	left = strings.TrimRight(left+" "+f.arg, " ")
	about := f.about
	if f.value != "" {
		value := "(default " + f.value + ")"
		last := about[strings.LastIndexByte(about, '\n')+1:]
		// A default that does not fit into the line gets a line of its own.
		space := " "
		if textColumn+len(last)+1+len(value) > columns {
			space = "\n"
		}
		about += space + value
	}
	for i, line := range strings.Split(about, "\n") {
		if i > 0 {
			left = ""
		}
		fmt.Fprintf(text, "%-*s%s\n", textColumn, left, line)
	}
}
