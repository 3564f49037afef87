package site

import (
	"path"
	"strings"

	"container-workshop/internal/lesson"
)

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

// Number is the first part of the title of a lesson, such as "Step 2", and Name is the rest.
func (v view) Number() string { number, _ := v.split(); return number }
func (v view) Name() string   { _, name := v.split(); return name }

func (v view) split() (number, name string) {
	if number, name, ok := strings.Cut(v.Title, ": "); ok && v.Kind == "lesson" {
		return number, name
	}
	return "", v.Title
}

// Anchor is the anchor of the title.
func (v view) Anchor() string { return lesson.Heading{Text: v.Title}.Anchor() }

// Related are the pages beside a page of text in the same folder, such as the hints of a step and its program.
func (v view) Related() []*Page {
	var related []*Page
	if !v.Markdown() {
		return nil
	}
	for _, p := range v.site.pages {
		inFolder := path.Dir(p.Address) == path.Dir(v.Address) && path.Dir(p.Address) != "."
		if inFolder && p != v.Page && (p.Markdown() || path.Base(p.Address) == "code.html") {
			related = append(related, p)
		}
	}
	return related
}

// ForOthers are the pages for those who teach or change the workshop.
func (v view) ForOthers() []*Page {
	var others []*Page
	for _, p := range v.site.pages {
		if p.Markdown() && path.Dir(p.Source) == "." && p.Kind != "home" {
			others = append(others, p)
		}
	}
	return others
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
