//go:build linux

package check

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// left lists the files that the program created, changed or removed: one line for the root file system, one for the rest of the host.
func (s *scratch) left(p *Program) []string {
	rootfs, meant := filepath.Clean(p.Rootfs)+"/", ""
	if p.Step >= 7 {
		// The mount point of the tmpfs stays.
		meant = rootfs + "mytemp"
	}
	var inRootfs, onHost []string
	for _, l := range s.layers {
		upper := fmt.Sprintf("/proc/self/fd/%d/%s", s.memory, l.upper)
		filepath.WalkDir(upper, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || path == upper {
				return nil
			}
			inside := strings.TrimPrefix(path, upper)
			place := filepath.Join(l.place, inside)
			if text := difference(place, fmt.Sprintf("/proc/self/fd/%d%s", l.lower, inside), entry); text != "" && place != meant {
				if strings.HasPrefix(place, rootfs) {
					inRootfs = append(inRootfs, text)
				} else {
					onHost = append(onHost, text)
				}
			}
			return nil
		})
	}
	return slices.Concat(summed(inRootfs), summed(onHost))
}

// difference describes how an entry of an upper layer differs from the host's file of the same place. It returns "" for a directory
// that is there only because something below it differs.
func difference(place, onHost string, entry fs.DirEntry) string {
	info, err := entry.Info()
	if err != nil {
		return ""
	}
	before, err := os.Lstat(onHost)
	switch {
	// An overlay marks a removed file with a character device 0/0.
	case info.Mode()&fs.ModeCharDevice != 0 && info.Sys().(*syscall.Stat_t).Rdev == 0:
		return place + " (removed)"
	case err != nil:
		return place
	case before.IsDir() && info.IsDir():
		return ""
	}
	return place + " (changed)"
}

// summed returns the first place, and the number of the others.
func summed(places []string) []string {
	if len(places) < 2 {
		return places
	}
	return []string{fmt.Sprintf("%s and %d more", places[0], len(places)-1)}
}
