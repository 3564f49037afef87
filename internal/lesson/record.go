//go:build linux

package lesson

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/creack/pty"
)

// recorded is the size of the terminal in a recording, in characters.
var recorded = pty.Winsize{Rows: 24, Cols: 112}

// pace is the time between two keys in a recording, and pause is the time before Enter.
const pace, pause = 40 * time.Millisecond, 700 * time.Millisecond

// Record types the page's recorded block at a new terminal, and writes terminal.cast and terminal.svg to the folder of the page.
// It needs root.
func (d *Document) Record(top, rootfs string) error {
	block, err := d.recordedBlock()
	if err != nil {
		return err
	}
	script, err := d.script(Block.here)
	if err != nil {
		return err
	}
	machine, err := Boot(top, rootfs, recorded)
	if err != nil {
		return err
	}
	defer machine.Close()
	terminal := machine.Terminal()
	// Start the recording with the first prompt.
	started := len(terminal.since(0)) - 1
	at := "$ "
	for i, turn := range script {
		if turn.Line < block.Line || turn.Line >= block.Line+len(block.Lines) || turn.behind {
			continue
		}
		at = next(script[i:])
		if err := terminal.slowly(turn.Exchange, at); err != nil {
			return fmt.Errorf("%s: %w", d.Path, err)
		}
	}
	cast := Cast{Title: d.Headings[0].Text, Events: terminal.since(started)}
	if at != "$ " {
		// Leave the container first. If the closing terminal ended it, its cgroups could stay.
		if _, err := terminal.Exchange(Exchange{Prompt: at, Command: "exit"}, "$ "); err != nil {
			return fmt.Errorf("%s: %w", d.Path, err)
		}
	}
	if err := cast.write(filepath.Join(filepath.Dir(d.Path), "terminal.cast")); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(d.Path), "terminal.svg"), cast.picture(), 0o644)
}

// recordedBlock returns the block of the page that is recorded.
func (d *Document) recordedBlock() (Block, error) {
	for _, block := range d.Blocks {
		if block.has(Recorded) {
			return block, nil
		}
	}
	return Block{}, fmt.Errorf("%s: no block is to be recorded", d.Path)
}

// slowly types a command at the speed of a person, and waits for the next prompt.
func (t *Terminal) slowly(e Exchange, following string) error {
	for i, key := range []byte(e.Command) {
		before, _ := t.shown(0)
		if _, err := t.tty.Write([]byte{key}); err != nil {
			return err
		}
		if text, err := t.until(len(before), func(text string) bool { return text != "" }); err != nil {
			return e.failed(err, text)
		}
		time.Sleep(pace)
		if i == len(e.Command)-1 {
			time.Sleep(pause)
		}
	}
	before, _ := t.shown(0)
	if _, err := t.tty.WriteString("\n"); err != nil {
		return err
	}
	text, err := t.await(following, len(before))
	if err != nil {
		return e.failed(err, text)
	}
	return e.Match(lines(strings.TrimPrefix(strings.TrimSuffix(text, following), "\r\n")))
}

// A Cast is a recording of a terminal, as asciinema keeps it. https://docs.asciinema.org/manual/asciicast/v2/
type Cast struct {
	Title  string
	Events []Event
}

// header is the first line of a recording.
type header struct {
	Version int    `json:"version"`
	Width   uint16 `json:"width"`
	Height  uint16 `json:"height"`
	Title   string `json:"title"`
}

func (c Cast) write(path string) error {
	var file strings.Builder
	encoder := json.NewEncoder(&file)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(header{2, recorded.Cols, recorded.Rows, c.Title}); err != nil {
		return err
	}
	for _, event := range c.Events {
		seconds := event.At.Sub(c.Events[0].At).Round(time.Millisecond).Seconds()
		if err := encoder.Encode([]any{seconds, "o", event.Text}); err != nil {
			return err
		}
	}
	return os.WriteFile(path, []byte(file.String()), 0o644)
}

// ReadCast reads a recording.
func ReadCast(path string) (Cast, error) {
	file, err := os.Open(path)
	if err != nil {
		return Cast{}, err
	}
	defer file.Close()
	decoder := json.NewDecoder(file)
	var h header
	if err := decoder.Decode(&h); err != nil {
		return Cast{}, fmt.Errorf("%s: %w", path, err)
	}
	if h.Version != 2 || h.Width == 0 || h.Height == 0 {
		return Cast{}, fmt.Errorf("%s: no header of version 2: %+v", path, h)
	}
	c := Cast{Title: h.Title}
	for decoder.More() {
		var seconds float64
		var kind, text string
		if err := decoder.Decode(&[]any{&seconds, &kind, &text}); err != nil || kind != "o" {
			return Cast{}, errors.Join(fmt.Errorf("%s: after %d events", path, len(c.Events)), err)
		}
		c.Events = append(c.Events, Event{time.Unix(0, 0).Add(time.Duration(seconds * float64(time.Second))), text})
	}
	return c, nil
}

// Lines returns the text on the terminal at the end, without the last prompt.
func (c Cast) Lines() []string {
	var text strings.Builder
	for _, event := range c.Events {
		text.WriteString(event.Text)
	}
	all := lines(text.String())
	return all[:len(all)-1]
}

// These are the measures of a picture, in pixels.
const glyphWidth, lineHeight, margin = 8.43, 19, 16

// picture draws the text on the terminal at the end, as SVG.
func (c Cast) picture() []byte {
	all := c.Lines()
	var svg strings.Builder
	width, height := int(glyphWidth*float64(recorded.Cols))+2*margin, lineHeight*len(all)+2*margin
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img">
<title>%s</title>
<style>
text { font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #c9d1d9; white-space: pre; }
.prompt { fill: #7ee787; }
.typed { fill: #ffffff; font-weight: bold; }
</style>
<rect width="%[1]d" height="%[2]d" rx="8" fill="#0d1117"/>
`, width, height, html.EscapeString(c.Title))
	for i, line := range all {
		fmt.Fprintf(&svg, `<text x="%d" y="%d" xml:space="preserve">%s</text>`+"\n", margin, margin+14+i*lineHeight, drawn(line))
	}
	svg.WriteString("</svg>\n")
	return []byte(svg.String())
}

// drawn returns the SVG of a line on the terminal.
func drawn(line string) string {
	line = strings.ReplaceAll(line, "\t", "    ")
	parts := prompt.FindStringSubmatch(line)
	if parts == nil {
		return html.EscapeString(line)
	}
	return fmt.Sprintf(`<tspan class="prompt">%s</tspan> <tspan class="typed">%s</tspan>`, html.EscapeString(parts[1]), html.EscapeString(parts[2]))
}
