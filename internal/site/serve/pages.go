package serve

import (
	"net/http"
	"os"
	"path"
	"strings"
)

// A pages handler serves the files of a folder. Each request opens the folder anew, because make site replaces it.
type pages struct{ dir string }

// ServeHTTP sends a file. No address leads out of the folder, and folders are not listed.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Clean("/" + r.URL.Path)[1:]
	if strings.HasSuffix(r.URL.Path, "/") {
		name = path.Join(name, "index.html")
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		http.Error(w, "There are no pages yet. make site writes them.", http.StatusNotFound)
		return
	}
	defer root.Close()
	file, err := root.Open(name)
	if err != nil {
		http.Error(w, "There is no page here. The first page is at /index.html.", http.StatusNotFound)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case info.IsDir():
		http.Redirect(w, r, path.Base(name)+"/", http.StatusMovedPermanently)
	default:
		http.ServeContent(w, r, name, info.ModTime(), file)
	}
}
