package picture

// A Chart compares numbers by bars that have the same scale.
type Chart struct {
	// Title and Alt are for readers who hear the picture.
	Title, Alt string
	// Headline is above the bars, Note at the foot of the picture.
	Headline, Note string
	Groups         []Group
}

// A Group of bars has a heading.
type Group struct {
	Name string
	Bars []Bar
}

// A Bar has its name at the left and its text behind its end. Ours has the colour that draws the eye.
type Bar struct {
	Name, Text string
	Value      float64
	Ours       bool
}

// Measures of a chart in pixels.
const (
	barHeight  = 14
	barNames   = 130
	barTexts   = 110
	groupSpace = 18
)

// Draw returns the chart as SVG.
func (chart Chart) Draw() ([]byte, error) {
	const left, width = pageMargin + barNames, pageWidth - 2*pageMargin - barNames - barTexts
	longest := 0.0
	for _, group := range chart.Groups {
		for _, bar := range group.Bars {
			longest = max(longest, bar.Value)
		}
	}
	c := &canvas{}
	y := float64(pageMargin)
	c.text(pageMargin, y+textSize, pageWidth-2*pageMargin, "head", chart.Headline)
	y += 16
	for _, group := range chart.Groups {
		y += groupSpace
		c.text(pageMargin, y+textSize, pageWidth-2*pageMargin, "strong", group.Name)
		y += rowHeight
		for _, bar := range group.Bars {
			class := "own"
			if bar.Ours {
				class = "new"
			}
			long := bar.Value / longest * width
			c.text(left-8, y+textSize, barNames-8, "quiet end", bar.Name)
			c.add(`<rect class="%s" x="%d" y="%g" width="%.1f" height="%d" rx="3"/>`, class, left, y+2, long, barHeight)
			c.text(float64(int(left+long+8)), y+textSize, barTexts, "", bar.Text)
			y += rowHeight
		}
	}
	y += groupSpace
	c.text(pageWidth-pageMargin, y+textSize, pageWidth-2*pageMargin, "quiet end", chart.Note)
	return c.page(chart.Title, chart.Alt, y+textSize+pageMargin)
}
