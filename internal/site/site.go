// Package site makes the web pages of the workshop: from the Markdown whose commands the tests run, and from the programs. It makes
// files that a browser can open without a server.
package site

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// look has the style, the scripts and the template of the pages.
//
//go:embed look
var look embed.FS

// lessons are the Markdown files that you read from the first to the last, as patterns. besides are the others.
var (
	lessons = []string{"README.md", "step0*/README.md", "final/README.md"}
	besides = []string{"step0*/PROCESS.md", "step0*/HINTS.md", "final/IMAGES.md", "final/NETWORK.md", "final/ROOTLESS.md", "final/KUBERNETES.md", "final/READING.md", "final/CONFORMANCE.md", "final/BENCHMARKS.md", "INSTRUCTOR.md", "CONTRIBUTING.md"}
)

// A Site is the set of pages.
type Site struct {
	// top is the folder of the workshop.
	top string
	// pages are all pages. You read the first of them, from README.md to final's, in this order.
	pages []*Page
	// programs are the programs of the steps, in order. process is process.go, the same file in all steps.
	programs []*program
	process  *program
	// mentions are the files and folders that pages lead to, from the top, and the pages.
	mentions map[string][]*Page
	// page is the template of all pages.
	page *template.Template
}

// New reads the pages of the workshop in the folder top.
func New(top string) (*Site, error) {
	s := &Site{top: top, mentions: map[string][]*Page{}}
	var err error
	if s.page, err = template.ParseFS(look, "look/*.html"); err != nil {
		return nil, err
	}
	if s.programs, err = readPrograms(top); err != nil {
		return nil, err
	}
	if s.process, err = readProgram(top, "step01-exec/process.go", 1, &program{}); err != nil {
		return nil, err
	}
	for _, pattern := range slices.Concat(lessons, besides) {
		files, err := fs.Glob(os.DirFS(top), pattern)
		if err == nil && len(files) == 0 {
			err = fmt.Errorf("no page %s", pattern)
		}
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			p, err := s.read(file)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			p.Lesson = slices.Contains(lessons, pattern)
			s.pages = append(s.pages, p)
		}
	}
	return s, s.addPrograms()
}

// addPrograms adds the pages that show programs and other files, and the live page.
func (s *Site) addPrograms() error {
	sources, err := s.sourcePages()
	if err != nil {
		return err
	}
	live, err := livePages()
	if err != nil {
		return err
	}
	s.pages = slices.Concat(s.pages, s.codePages(), []*Page{s.comparePage()}, sources, live)
	return nil
}

// Build writes the site into the folder out, in place of an older site. After an error, the older site is still there.
func (s *Site) Build(out string) error {
	fresh := out + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	for _, p := range s.pages {
		if err := s.write(fresh, p); err != nil {
			return fmt.Errorf("%s: %w", p.Source, err)
		}
	}
	if err := s.copyLook(filepath.Join(fresh, "site")); err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	return os.Rename(fresh, out)
}

// write writes a page and the pictures that it shows.
func (s *Site) write(out string, p *Page) error {
	file, err := create(filepath.Join(out, p.Address))
	if err != nil {
		return err
	}
	if err := s.page.ExecuteTemplate(file, "page.html", view{s, p}); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	for _, picture := range p.files {
		text, err := os.ReadFile(filepath.Join(s.top, picture))
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(out, picture), text); err != nil {
			return err
		}
	}
	for _, recording := range p.recordings {
		if err := s.writeRecording(out, recording); err != nil {
			return err
		}
	}
	return nil
}

// copyLook writes the style, the scripts and the icon.
func (s *Site) copyLook(out string) error {
	style, err := stylesheet()
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(out, "style.css"), style); err != nil {
		return err
	}
	for _, pattern := range []string{"look/*.js", "look/*.svg"} {
		files, err := fs.Glob(look, pattern)
		if err != nil {
			return err
		}
		for _, file := range files {
			text, err := look.ReadFile(file)
			if err != nil {
				return err
			}
			if err := writeFile(filepath.Join(out, path.Base(file)), text); err != nil {
				return err
			}
		}
	}
	return nil
}

// stylesheet returns all style sheets as one.
func stylesheet() ([]byte, error) {
	var sheet bytes.Buffer
	files, err := fs.Glob(look, "look/*.css")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := look.ReadFile(file)
		if err != nil {
			return nil, err
		}
		sheet.Write(text)
	}
	return sheet.Bytes(), nil
}

// find returns the page of a Markdown file, or nil.
func (s *Site) find(source string) *Page {
	i := slices.IndexFunc(s.pages, func(p *Page) bool { return p.Source == source })
	if i < 0 {
		return nil
	}
	return s.pages[i]
}

// create makes a file, and the folders above it.
func create(name string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	return os.Create(name)
}

// writeFile writes a file, and makes the folders above it.
func writeFile(name string, text []byte) error {
	file, err := create(name)
	if err != nil {
		return err
	}
	if _, err := file.Write(text); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
