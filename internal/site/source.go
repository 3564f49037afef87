package site

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"html/template"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"container-workshop/internal/lesson"
)

// mention remembers that a page leads to a file or a folder, so that the site shows the file, too.
func (s *Site) mention(file string, from *Page) {
	if !slices.Contains(s.mentions[file], from) {
		s.mentions[file] = append(s.mentions[file], from)
	}
}

// address returns where the page of a file or a folder is.
func (s *Site) address(file string) string {
	info, err := os.Stat(filepath.Join(s.top, file))
	switch {
	case err == nil && info.IsDir():
		return path.Join(file, "index.html")
	case path.Ext(file) == ".md":
		return lesson.Address(file)
	case slices.ContainsFunc(s.programs, func(p *program) bool { return p.path == file }):
		return path.Join(path.Dir(file), "code.html")
	}
	return file + ".html"
}

// sourcePages returns the pages of the files and folders that other pages lead to. A folder brings its files along.
func (s *Site) sourcePages() ([]*Page, error) {
	shown := map[string]*Page{}
	for _, file := range slices.Sorted(maps.Keys(s.mentions)) {
		if err := s.show(file, shown); err != nil {
			return nil, fmt.Errorf("%s leads to %s: %w", s.mentions[file][0].Source, file, err)
		}
	}
	return slices.SortedFunc(maps.Values(shown), func(a, b *Page) int { return strings.Compare(a.Source, b.Source) }), nil
}

// show adds the page of a file, or the pages of a folder and its files, unless they are there.
func (s *Site) show(file string, shown map[string]*Page) error {
	if shown[file] != nil || s.address(file) == path.Join(path.Dir(file), "code.html") {
		return nil
	}
	p := &Page{Source: file, Address: s.address(file), Title: file, Kind: "source"}
	shown[file] = p
	entries, err := os.ReadDir(filepath.Join(s.top, file))
	if err != nil {
		return s.showFile(p, shown)
	}
	var list strings.Builder
	for _, entry := range entries {
		name := path.Join(file, entry.Name())
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".md") || entry.Name() == "testdata" || ofAnEditor(entry.Name()) {
			continue
		}
		if err := s.show(name, shown); err != nil {
			return err
		}
		fmt.Fprintf(&list, "<dt><a href=\"%s\">%s</a></dt>\n<dd>%s</dd>\n", p.to(s.address(name)), entry.Name(), template.HTMLEscapeString(shown[name].Summary))
	}
	p.Summary = s.packageComment(file)
	p.Body = template.HTML(s.origin(p, shown) + "<dl class=\"files\">\n" + list.String() + "</dl>\n")
	return nil
}

// ofAnEditor says whether a file is there only while somebody edits another file: a copy, or a lock, which can be a link to nothing.
func ofAnEditor(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~")
}

// showFile fills the page of a file.
func (s *Site) showFile(p *Page, shown map[string]*Page) error {
	text, err := os.ReadFile(filepath.Join(s.top, p.Source))
	if err != nil {
		return err
	}
	lines, err := highlight(path.Base(p.Source), string(text))
	if err != nil {
		return err
	}
	p.Summary = about(p.Source, text)
	p.Body = template.HTML(s.origin(p, shown) + listing(strings.TrimPrefix(path.Ext(p.Source), "."), lines))
	return nil
}

// origin says what a file is, and leads to its folder and to the pages that lead to the file.
func (s *Site) origin(p *Page, shown map[string]*Page) string {
	var links []string
	for _, from := range s.mentions[p.Source] {
		links = append(links, fmt.Sprintf(`<a href="%s">%s</a>`, p.to(from.Address), template.HTMLEscapeString(from.Title)))
	}
	if folder := path.Dir(p.Source); shown[folder] != nil {
		links = append(links, fmt.Sprintf(`<a href="%s">%s</a>`, p.to(s.address(folder)), template.HTMLEscapeString(folder)))
	}
	about := ""
	if p.Summary != "" {
		about = "<p>" + template.HTMLEscapeString(p.Summary) + "</p>\n"
	}
	return about + `<p class="ways">` + strings.Join(links, " ") + "</p>\n"
}

// about returns the first sentence of a Go file's first comment on a package or on a declaration, or the first comment of another file.
func about(name string, text []byte) string {
	if path.Ext(name) != ".go" {
		for line := range strings.Lines(string(text)) {
			if words, ok := strings.CutPrefix(line, "# "); ok {
				return strings.TrimSpace(words)
			}
		}
		return ""
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
	if err != nil {
		return ""
	}
	comments := []*ast.CommentGroup{file.Doc}
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			comments = append(comments, d.Doc)
		case *ast.GenDecl:
			comments = append(comments, d.Doc)
		}
	}
	for _, comment := range comments {
		if sentence := new(doc.Package).Synopsis(comment.Text()); sentence != "" {
			return sentence
		}
	}
	return ""
}

// packageComment returns the first sentence of the comment on a folder's package.
func (s *Site) packageComment(folder string) string {
	files, _ := filepath.Glob(filepath.Join(s.top, folder, "*.go"))
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err == nil && file.Doc != nil {
			return new(doc.Package).Synopsis(file.Doc.Text())
		}
	}
	return ""
}
