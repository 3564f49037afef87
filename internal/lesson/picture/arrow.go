package picture

import "fmt"

// An arrow goes from one named node to another.
type arrow struct {
	from, to string
	// class is empty or new.
	class string
	// label is beside the arrow.
	label string
	// both makes a line without a tip: the two are the same thing.
	both bool
}

func (a arrow) draw(c *canvas) {
	from, known := c.places[a.from]
	to, alsoKnown := c.places[a.to]
	if !known || !alsoKnown {
		c.wrong = append(c.wrong, fmt.Errorf("arrow from %q to %q: no such name", a.from, a.to))
		return
	}
	if from.y+from.height <= to.y {
		a.down(c, from, to)
		return
	}
	x1, y1 := from.x+from.width, from.y+from.height/2
	x2, y2 := to.x, to.y+to.height/2
	middle := (x1 + x2) / 2
	c.add(`<path class="line %s" d="M%g %gC%g %g %g %g %g %g"/>`, a.class, x1, y1, middle, y1, middle, y2, x2, y2)
	if !a.both {
		a.tip(c, x2, y2, -6, -5, -6, 5)
	}
	if a.label != "" {
		c.text(middle, (y1+y2)/2-8, 200, "quiet middle", a.label)
	}
}

// down draws the arrow straight from the lower edge of a node to the upper edge of another, where they overlap.
func (a arrow) down(c *canvas, from, to place) {
	x := (max(from.x, to.x) + min(from.x+from.width, to.x+to.width)) / 2
	y1, y2 := from.y+from.height, to.y
	a.vertical(c, x, y1, y2)
	if a.label != "" {
		c.text(x+10, (y1+y2)/2+4, max(from.x+from.width, to.x+to.width)-x-10, "quiet", a.label)
	}
}

// vertical draws an arrow down or up.
func (a arrow) vertical(c *canvas, x, y1, y2 float64) {
	back := -8.
	if y2 < y1 {
		back = 8
	}
	c.add(`<path class="line %s" d="M%g %gV%g"/>`, a.class, x, y1, y2+back/2)
	a.tip(c, x, y2, -5, back, 5, back)
}

// tip draws the end of an arrow at x and y, with its other two corners that far away.
func (a arrow) tip(c *canvas, x, y, dx1, dy1, dx2, dy2 float64) {
	c.add(`<path class="tip %s" d="M%g %gl%g %gL%g %gz"/>`, a.class, x, y, dx1, dy1, x+dx2, y+dy2)
}
