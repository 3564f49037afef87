//go:build linux

package verbs

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
)

// A progress shows what happens to the layers of an image: a bar for each at a terminal, and a line for each event elsewhere.
type progress struct {
	quiet, terminal bool
	mutex           sync.Mutex
	bars            []*bar
	// drawn is when and how many lines were drawn.
	drawn time.Time
	lines int
}

type bar struct {
	layer image.Descriptor
	what  string
	bytes int64
}

func newProgress(quiet bool) *progress {
	return &progress{quiet: quiet, terminal: term.IsTerminal(2)}
}

func (p *progress) report(d image.Descriptor, what string, bytes int64) {
	if p.quiet {
		return
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	at := slices.IndexFunc(p.bars, func(b *bar) bool { return b.layer.Digest == d.Digest })
	if at == -1 {
		p.bars = append(p.bars, &bar{layer: d})
		at = len(p.bars) - 1
	}
	b := p.bars[at]
	changed := b.what != what
	b.what, b.bytes = what, bytes
	switch {
	case p.terminal && (changed || time.Since(p.drawn) > 100*time.Millisecond):
		p.draw()
	case !p.terminal && changed && what != ingest.Waiting:
		fmt.Fprintf(os.Stderr, "%s %s, %s\n", short(d.Digest), what, size(d.Size))
	}
}

// draw draws all bars over the last ones. console_codes(4)
func (p *progress) draw() {
	width, height, err := term.GetSize(2)
	if err != nil || width < 20 {
		width, height = 80, 24
	}
	// Lines that have left the screen cannot be drawn over.
	bars := p.bars[:min(len(p.bars), max(height-2, 1))]
	var out strings.Builder
	if p.lines > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", p.lines)
	}
	for _, b := range bars {
		fmt.Fprintf(&out, "\r\x1b[K%s\n", b.text(width-1))
	}
	p.lines, p.drawn = len(bars), time.Now()
	fmt.Fprint(os.Stderr, out.String())
}

func (b *bar) text(width int) string {
	line := fmt.Sprintf("%s %-11s", short(b.layer.Digest), b.what)
	switch b.what {
	case ingest.Downloading, ingest.Uploading:
		const length = 24
		part := length
		if b.layer.Size > 0 {
			part = int(min(b.bytes, b.layer.Size) * length / b.layer.Size)
		}
		line += fmt.Sprintf(" [%s%s] %s of %s", strings.Repeat("=", part), strings.Repeat(" ", length-part), size(b.bytes), size(b.layer.Size))
	default:
		line += " " + size(b.layer.Size)
	}
	return line[:min(len(line), width)]
}

// end draws the bars a last time.
func (p *progress) end() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.terminal && !p.quiet && len(p.bars) > 0 {
		p.draw()
	}
}
