package site

import "strings"

// A view is what the template sees: a page of the site.
type view struct {
	site *Site
	*Page
}

// Steps are the pages of the seven lessons.
func (v view) Steps() []*Page {
	var steps []*Page
	for _, p := range v.site.pages {
		if strings.HasPrefix(p.Source, "step0") && strings.HasSuffix(p.Source, "/README.md") {
			steps = append(steps, p)
		}
	}
	return steps
}

// Next and Previous are the neighbours in the order of the pages, or nil.
func (v view) Next() *Page     { return v.neighbour(1) }
func (v view) Previous() *Page { return v.neighbour(-1) }

func (v view) neighbour(distance int) *Page {
	for i, p := range v.site.pages {
		if at := i + distance; p == v.Page && p.Lesson && at >= 0 && v.site.pages[at].Lesson {
			return v.site.pages[at]
		}
	}
	return nil
}
