package picture

import "strings"

// A node is a part of a scene. It is as wide as the scene gives it, and as high as it needs.
type node interface {
	height() float64
	draw(c *canvas, x, y, width float64)
}

// A column has its nodes below each other.
type column struct {
	gap   float64
	nodes []node
}

func below(gap float64, nodes ...node) node { return column{gap, nodes} }

func (n column) height() float64 {
	high := n.gap * float64(len(n.nodes)-1)
	for _, node := range n.nodes {
		high += node.height()
	}
	return high
}

func (n column) draw(c *canvas, x, y, width float64) {
	for _, node := range n.nodes {
		node.draw(c, x, y, width)
		y += node.height() + n.gap
	}
}

// A row has its nodes side by side, all of the same width and height.
type row struct {
	gap   float64
	nodes []node
}

func beside(gap float64, nodes ...node) node { return row{gap, nodes} }

func (n row) height() float64 {
	high := 0.
	for _, node := range n.nodes {
		high = max(high, node.height())
	}
	return high
}

func (n row) draw(c *canvas, x, y, width float64) {
	each := (width - n.gap*float64(len(n.nodes)-1)) / float64(len(n.nodes))
	for _, node := range n.nodes {
		if b, ok := node.(box); ok {
			b.least = n.height()
			node = b
		}
		node.draw(c, x, y, each)
		x += each + n.gap
	}
}

// A box has a title, and something in it. Its class is its colour: host, own, new or screen.
type box struct {
	class, title string
	// note is behind the title, at the right.
	note string
	body node
	// name is for arrows.
	name string
	// least is the height that the box has at least.
	least float64
}

func (n box) head() float64 {
	if n.title == "" {
		return padding
	}
	return padding + rowHeight + 2
}

func (n box) height() float64 {
	high := n.head() + padding
	if n.body != nil {
		high += n.body.height()
	}
	return max(high, n.least)
}

func (n box) draw(c *canvas, x, y, width float64) {
	at := place{x, y, width, n.height()}
	if n.name != "" {
		c.places[n.name] = at
	}
	c.rectangle(n.class, at)
	inner := width - 2*padding
	if n.title != "" {
		class := "strong"
		switch n.class {
		case "new":
			class = "new"
		case "screen":
			class = "label"
		}
		c.text(x+padding, y+padding+textSize, inner, class, n.title)
	}
	if n.note != "" {
		c.text(x+width-padding, y+padding+textSize, inner-letterWidth*float64(len([]rune(n.title))+1), "quiet end", n.note)
	}
	if n.body != nil {
		n.body.draw(c, x+padding, y+n.head(), inner)
	}
}

// Lines are a table of two columns, the second at the right.
type lines []line

type line struct {
	// left is monospaced, and right is not.
	left, right string
	// class is empty, quiet, strong or new.
	class string
	// name is for arrows.
	name string
}

func (n lines) height() float64 { return rowHeight * float64(len(n)) }

func (n lines) draw(c *canvas, x, y, width float64) {
	for _, line := range n {
		if line.class == "new" {
			c.rectangle("new", place{x - 6, y, width + 12, rowHeight})
		}
		if line.name != "" {
			c.places[line.name] = place{x - padding, y, width + 2*padding, rowHeight}
		}
		c.text(x, y+textSize+2, width, "mono "+line.class, line.left)
		if line.right != "" {
			class := line.class
			if class == "" {
				class = "quiet"
			}
			c.text(x+width, y+textSize+2, width-letterWidth*float64(len([]rune(line.left))+1), class+" end", line.right)
		}
		y += rowHeight
	}
}

// screen is the terminal of a process, which has that title. What is typed comes after "$ " or "# ".
func screen(name, title string, shown ...string) node {
	return box{class: "screen", title: title, body: terminal(shown), name: name}
}

type terminal []string

func (n terminal) height() float64 { return rowHeight*float64(len(n)) - 4 }

func (n terminal) draw(c *canvas, x, y, width float64) {
	for _, line := range n {
		class := "mono shown"
		if strings.HasPrefix(line, "$ ") || strings.HasPrefix(line, "# ") {
			class = "mono typed"
		}
		// A terminal may use the space at its sides.
		c.text(x, y+textSize-1, width+padding/2, class, line)
		y += rowHeight
	}
}

// A caption is a remark.
type caption []string

func (n caption) height() float64 { return rowHeight * float64(len(n)) }

func (n caption) draw(c *canvas, x, y, width float64) {
	for _, line := range n {
		c.text(x, y+textSize+2, width, "quiet", line)
		y += rowHeight
	}
}

// A plate has one word, in the middle.
type plate struct{ class, word string }

func (n plate) height() float64 { return 34 }

func (n plate) draw(c *canvas, x, y, width float64) {
	c.rectangle("paper", place{x, y, width, n.height()})
	c.text(x+width/2, y+n.height()/2+5, width, "mono middle "+n.class, n.word)
}

// Chips are processes, side by side.
type chips struct {
	class string
	words []string
}

func (n chips) height() float64 { return 28 }

func (n chips) draw(c *canvas, x, y, width float64) {
	end := x + width
	for _, word := range n.words {
		wide := letterWidth*float64(len([]rune(word))) + 20
		c.rectangle("chip "+n.class, place{x, y, wide, n.height()})
		c.text(x+10, y+19, end-x-20, "mono", word)
		x += wide + 8
	}
}

// A gauge is a limit, and how much of it is used: from 0 to 1, or less than 0 where there is no limit.
type gauge struct {
	name string
	used float64
	note string
}

func (n gauge) height() float64 { return 26 }

func (n gauge) draw(c *canvas, x, y, width float64) {
	const bar = 64
	c.text(x, y+18, width, "mono", n.name)
	x += letterWidth*10 + 10
	if n.used < 0 {
		c.add(`<path class="line faint" d="M%g %gh%d" stroke-dasharray="4 4"/>`, x, y+13, bar)
	} else {
		c.add(`<rect class="paper" x="%g" y="%g" width="%d" height="12" rx="4"/>`, x, y+7, bar)
		c.add(`<rect class="full" x="%g" y="%g" width="%g" height="12" rx="4"/>`, x, y+7, bar*n.used)
	}
	c.text(x+bar+10, y+18, width-letterWidth*10-bar-20, "quiet", n.note)
}

// Pages are those of memory, some of them in use.
type pages struct{ used, all int }

func (n pages) height() float64 { return rowHeight }

func (n pages) draw(c *canvas, x, y, width float64) {
	each := (width + 4) / float64(n.all)
	for i := range n.all {
		class := "paper"
		if i < n.used {
			class = "full"
		}
		c.add(`<rect class="%s" x="%g" y="%g" width="%g" height="20" rx="3"/>`, class, x+float64(i)*each, y+1, each-4)
	}
}
