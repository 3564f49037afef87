//go:build linux

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// maxMessage is how long a message of ours may be, in characters.
const maxMessage = 4096

// OneLine makes a message that can be shown at a terminal. A container, its image or a hook may have put something into it that does not
// only show, as an escape sequence for the terminal does. Lines become parts of one line. console_codes(4)
func OneLine(message string) string {
	var line strings.Builder
	length := 0
	for _, r := range strings.ReplaceAll(message, "\n", "; ") {
		if length++; length > maxMessage {
			line.WriteRune('…')
			break
		}
		switch {
		case unicode.IsPrint(r):
			line.WriteRune(r)
		case r == '\t':
			line.WriteByte(' ')
		default:
			quoted := strconv.QuoteRune(r)
			line.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return line.String()
}

// Printable returns text as it can be shown in a table, where each character has its place.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// WriteJSON writes a value. The encoder leaves some characters as they are that do something to a terminal: those have another
// name in JSON.
func WriteJSON(w io.Writer, value any, indent string) error {
	var plain, safe bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	for _, r := range plain.String() {
		if r >= 0x7f && r < 0xa0 {
			fmt.Fprintf(&safe, `\u%04x`, r)
		} else {
			safe.WriteRune(r)
		}
	}
	_, err := w.Write(safe.Bytes())
	return err
}
