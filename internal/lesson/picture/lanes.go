package picture

// Lanes show processes over time, which goes from left to right.
type lanes struct {
	processes []lane
	// calls are from one process to another.
	calls []call
}

// A lane is a process.
type lane struct {
	name, id string
	parts    []part
}

// A part is what a process does from one moment to another. The whole time is 0 to 100.
type part struct {
	from, to float64
	// class is that of a box, or wait.
	class, label string
}

// A call goes from one lane to another at a moment, or stays in its lane.
type call struct {
	at       float64
	from, to int
	class    string
	label    string
}

// Measures in pixels.
const laneHeight, laneGap, laneName = 36, 30, 104

func (n lanes) height() float64 {
	return float64(len(n.processes))*(laneHeight+laneGap) - laneGap
}

func (n lanes) draw(c *canvas, x, y, width float64) {
	start, all := x+laneName, width-laneName
	at := func(moment float64) float64 { return start + all*moment/100 }
	for i, lane := range n.processes {
		top := y + float64(i)*(laneHeight+laneGap)
		c.text(x, top+15, laneName, "strong", lane.name)
		c.text(x, top+33, laneName, "quiet", lane.id)
		for _, p := range lane.parts {
			left, wide := at(p.from), at(p.to)-at(p.from)
			if p.class == "wait" {
				c.add(`<path class="line" stroke-dasharray="3 5" d="M%g %gH%g"/>`, left+4, top+laneHeight/2, left+wide-4)
				c.text(left+wide/2, top+laneHeight/2-7, wide, "quiet middle", p.label)
				continue
			}
			c.rectangle(p.class, place{left, top, wide, laneHeight})
			c.text(left+wide/2, top+23, wide-8, "mono middle", p.label)
		}
	}
	for _, call := range n.calls {
		if call.from == call.to {
			c.text(at(call.at), y+float64(call.from)*(laneHeight+laneGap)-8, width, "quiet middle", call.label)
			continue
		}
		down := call.to > call.from
		y1, y2 := y+float64(call.from)*(laneHeight+laneGap), y+float64(call.to)*(laneHeight+laneGap)
		if down {
			y1 += laneHeight
		} else {
			y2 += laneHeight
		}
		arrow{class: call.class}.vertical(c, at(call.at), y1, y2)
		c.text(at(call.at)+9, (y1+y2)/2+5, width, "quiet", call.label)
	}
}
