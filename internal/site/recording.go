package site

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// recording returns the recording that a picture of a terminal stands for, or nothing: terminal.cast beside terminal.svg.
func (s *Site) recording(picture string) (string, error) {
	file := strings.TrimSuffix(picture, path.Ext(picture)) + ".cast"
	switch _, err := os.Stat(filepath.Join(s.top, file)); {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	}
	return file, nil
}

// record gives the page a recording, and the script that plays it.
func (p *Page) record(file string) {
	if len(p.recordings) == 0 {
		p.Scripts = append(p.Scripts, "player.js")
	}
	p.recordings = append(p.recordings, file)
}

// writeRecording writes a recording as a script. A page that is opened as a file may load scripts, but no data.
func (s *Site) writeRecording(out, file string) error {
	cast, err := os.ReadFile(filepath.Join(s.top, file))
	if err != nil {
		return err
	}
	quoted, err := json.Marshal(string(cast))
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(out, file+".js"), fmt.Appendf(nil, "window.recording = %s;\n", quoted))
}
