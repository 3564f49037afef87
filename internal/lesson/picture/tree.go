package picture

import "fmt"

// A tree is one of directories. Those from the first that is marked on are in a frame of their own.
type tree []branch

type branch struct {
	// depth is 0 for the root of the tree.
	depth int
	name  string
	// note is at the right.
	note string
	// class is empty, quiet or new.
	class string
}

func (n tree) height() float64 { return rowHeight * float64(len(n)) }

func (n tree) draw(c *canvas, x, y, width float64) {
	const indent = 22
	for i, b := range n {
		if b.class == "new" {
			left := x + indent*float64(b.depth) - 8
			c.rectangle("new", place{left, y + float64(i)*rowHeight, x + width - left + 4, float64(n.inside(i))*rowHeight + 4})
		}
	}
	connectors := ""
	for i, b := range n {
		left, top := x+indent*float64(b.depth), y+float64(i)*rowHeight
		if b.depth > 0 {
			parent := y + float64(n.parent(i)+1)*rowHeight - 1
			connectors += fmt.Sprintf("M%g %gV%gh%d", left-indent+5, parent, top+12, indent-10)
		}
		c.text(left, top+textSize+2, x+width-left, "mono "+b.class, b.name)
		if b.note != "" {
			c.text(x+width-4, top+textSize+2, width, b.class+" end", b.note)
		}
	}
	c.add(`<path class="line" d="%s"/>`, connectors)
}

// parent returns the branch that another is in.
func (n tree) parent(i int) int {
	for j := i; j >= 0; j-- {
		if n[j].depth < n[i].depth {
			return j
		}
	}
	return 0
}

// inside returns how many branches a branch has in it, with itself.
func (n tree) inside(i int) int {
	for j := i + 1; j < len(n); j++ {
		if n[j].depth <= n[i].depth {
			return j - i
		}
	}
	return len(n) - i
}
