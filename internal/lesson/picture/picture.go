// Package picture draws what a process sees before and after a step, as SVG. A picture is light or dark, as its reader's
// system is.
package picture

import (
	"errors"
	"fmt"
	"html"
	"strings"
)

// A picture shows the same scene twice: before the step, and after it.
type picture struct {
	// title and alt are for readers who hear a picture: a few words, and what there is to see.
	title, alt    string
	before, after panel
	// note is at the foot of the picture, at the right.
	note string
	// stacked puts the two panels below each other. They are side by side otherwise.
	stacked bool
}

// A panel is one of the two scenes.
type panel struct {
	headline string
	scene    node
	arrows   []arrow
}

// Measures in pixels. A picture is as wide as a page of text, so a reader sees the letters in the size that they have here.
const (
	pageWidth  = 800
	pageMargin = 24
	panelGap   = 32
	textSize   = 14
	rowHeight  = 22
	padding    = 12
	headHeight = 62
	// A letter of a monospaced font is this wide. One of any other font is hardly ever wider.
	letterWidth = 8.43
)

// Draw returns the picture of a step, from 1 to 7.
func Draw(step int) ([]byte, error) {
	if step < 1 || step > len(steps) {
		return nil, fmt.Errorf("draw step %d: there are %d steps", step, len(steps))
	}
	return steps[step-1].draw()
}

func (p picture) draw() ([]byte, error) {
	const width = pageWidth - 2*pageMargin
	c := &canvas{places: map[string]place{}}
	y := float64(pageMargin)
	if p.stacked {
		for _, at := range []struct {
			when string
			panel
		}{{"Before", p.before}, {"After", p.after}} {
			at.draw(c, at.when, pageMargin, y, width)
			y += at.height() + panelGap
		}
	} else {
		const half = (width - panelGap) / 2
		p.before.draw(c, "Before", pageMargin, y, half)
		p.after.draw(c, "After", pageMargin+half+panelGap, y, half)
		tall := max(p.before.height(), p.after.height())
		c.add(`<path class="line faint" d="M%g %gV%g"/>`, pageWidth/2., y, y+tall)
		y += tall + panelGap
	}
	c.legend(pageMargin, y)
	if p.note != "" {
		c.text(pageWidth-pageMargin, y+13, width/2, "quiet end", p.note)
	}
	return c.page(p.title, p.alt, y+16+pageMargin)
}

// page returns what was drawn, on paper of this height.
func (c *canvas) page(title, alt string, height float64) ([]byte, error) {
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %g" width="%[1]d" height="%[2]g" role="img" aria-labelledby="title alt">
<title id="title">%s</title>
<desc id="alt">%s</desc>
<style>%s</style>
<rect class="paper" x="0.5" y="0.5" width="%d" height="%g" rx="12"/>
%s</svg>
`, pageWidth, height, html.EscapeString(title), html.EscapeString(alt), style, pageWidth-1, height-1, c.svg.String())
	return []byte(svg.String()), errors.Join(c.wrong...)
}

func (p panel) height() float64 { return headHeight + p.scene.height() }

func (p panel) draw(c *canvas, when string, x, y, width float64) {
	c.text(x, y+textSize, width, "when", when)
	c.text(x, y+textSize+26, width, "head", p.headline)
	p.scene.draw(c, x, y+headHeight, width)
	for _, a := range p.arrows {
		a.draw(c)
	}
}

// A canvas is what nodes draw on.
type canvas struct {
	svg strings.Builder
	// places are those of the nodes that have a name, for arrows.
	places map[string]place
	// wrong has what does not fit.
	wrong []error
}

// A place is a rectangle on the canvas.
type place struct{ x, y, width, height float64 }

func (c *canvas) add(format string, values ...any) {
	fmt.Fprintf(&c.svg, format+"\n", values...)
}

// text writes a line with its first letter at x, or its last one where the class has "end", or its middle one for "middle".
func (c *canvas) text(x, y, width float64, class, line string) {
	letter := letterWidth
	if strings.Contains(class, "head") {
		letter *= 16. / textSize
	}
	if needs := letter * float64(len([]rune(line))); needs > width+0.5 {
		c.wrong = append(c.wrong, fmt.Errorf("%q is too long: it needs %.0f pixels and has %.0f", line, needs, width))
	}
	c.add(`<text class="%s" x="%g" y="%g" xml:space="preserve">%s</text>`, strings.TrimSpace(class), x, y, html.EscapeString(line))
}

// rectangle draws one with round corners.
func (c *canvas) rectangle(class string, at place) {
	c.add(`<rect class="%s" x="%g" y="%g" width="%g" height="%g" rx="8"/>`, class, at.x, at.y, at.width, at.height)
}

// legend says what the colours of the picture mean.
func (c *canvas) legend(x, y float64) {
	drawn := c.svg.String()
	for _, entry := range []struct{ class, name string }{{"host", "of the host"}, {"own", "of the container"}, {"new", "new in this step"}} {
		if !strings.Contains(drawn, `"`+entry.class+`"`) && !strings.Contains(drawn, `"chip `+entry.class+`"`) {
			continue
		}
		c.add(`<rect class="%s" x="%g" y="%g" width="16" height="16" rx="4"/>`, entry.class, x, y)
		c.text(x+24, y+13, 200, "quiet", entry.name)
		x += 24 + letterWidth*float64(len(entry.name)) + 16
	}
}

// style has the colours of both modes. A viewer that does not know the question for the mode draws the light one.
const style = `
text { font: 14px system-ui, -apple-system, "Segoe UI", "Noto Sans", Arial, sans-serif; fill: #1f2328; white-space: pre; }
.mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.when { letter-spacing: 1px; fill: #59636e; }
.head { font-size: 16px; font-weight: 600; }
.strong { font-weight: 600; }
.quiet { fill: #59636e; }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
.paper { fill: #ffffff; stroke: #d1d9e0; }
.host { fill: #f6f8fa; stroke: #b7c0c9; }
.own { fill: #e9f4ff; stroke: #4493e0; }
.new { fill: #fff1d6; stroke: #d98a1b; stroke-width: 2; }
text.new { fill: #8a4600; stroke: none; font-weight: 600; }
.screen { fill: #1c2128; stroke: none; }
.label { fill: #9aa4af; }
.shown { fill: #d1d7e0; }
.typed { fill: #ffffff; font-weight: 600; }
.chip { rx: 14px; }
.full { fill: #d98a1b; }
.line { fill: none; stroke: #7d8894; stroke-width: 1.5; }
.line.faint { stroke: #d1d9e0; }
.line.new { fill: none; stroke: #d98a1b; stroke-width: 2; }
.tip { fill: #7d8894; }
.tip.new { fill: #d98a1b; stroke: none; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.when, .quiet { fill: #9aa4af; }
.paper { fill: #0d1117; stroke: #30363d; }
.host { fill: #1a2029; stroke: #4b5563; }
.own { fill: #10243f; stroke: #3f8ae0; }
.new { fill: #35270f; stroke: #d9952f; }
text.new { fill: #ffc266; }
.screen { fill: #010409; stroke: #30363d; }
.label { fill: #9aa4af; }
.shown { fill: #d1d7e0; }
.typed { fill: #ffffff; }
.full { fill: #d9952f; }
.line, .line.faint { stroke: #7d8894; }
.line.faint { stroke: #30363d; }
.line.new { fill: none; stroke: #d9952f; }
.tip.new { fill: #d9952f; }
}
`
