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

// left returns what a program has written to the scratch and not removed, in a line for the root file system and a line for the
// rest of the host.
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
			place := filepath.Join(l.place, strings.TrimPrefix(path, upper))
			if text := difference(place, entry); text != "" && place != meant {
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

// difference returns the place of an entry in a layer, if the host has no such entry there. The layer has a directory, too, for
// each directory of the host in which something was changed.
func difference(place string, entry fs.DirEntry) string {
	info, err := entry.Info()
	if err != nil {
		return ""
	}
	before, err := os.Lstat(place)
	switch {
	// An overlay notes so that a file is gone.
	case info.Mode()&fs.ModeCharDevice != 0 && info.Sys().(*syscall.Stat_t).Rdev == 0:
		return place + " (removed)"
	case err != nil:
		return place
	case before.IsDir() && info.IsDir():
		return ""
	}
	return place + " (changed)"
}

// summed returns the first of the places, and how many more there are.
func summed(places []string) []string {
	if len(places) < 2 {
		return places
	}
	return []string{fmt.Sprintf("%s and %d more", places[0], len(places)-1)}
}
