//go:build linux

package flags

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"container-workshop/final/spec"
)

// A Volume is a file or directory of the host that is seen in the container too.
type Volume struct {
	// Source is absolute, or relative to [Host.Dir].
	Source string
	// Target is absolute and clean.
	Target   string
	ReadOnly bool
}

// A Tmpfs is a file system in memory. tmpfs(5)
type Tmpfs struct {
	// Target is absolute and clean.
	Target string
	// Options are those of mount(8), the defaults among them.
	Options []string
}

// checkedTarget returns the clean path of a place in the container that is nobody else's.
func checkedTarget(target string) (string, error) {
	if !path.IsAbs(target) {
		return "", fmt.Errorf("%q in the container: must be an absolute path", target)
	}
	clean := path.Clean(target)
	if err := spec.CheckPrintable(clean); err != nil {
		return "", err
	}
	switch {
	case clean == "/":
		return "", errors.New("/ in the container: must be a path below / (the root directory comes from --rootfs)")
	case clean == "/dev":
		return "", errors.New("/dev in the container: final makes its own (add a device to it with --device)")
	}
	for _, taken := range []string{"/proc", "/sys", "/dev/pts"} {
		if below(taken, clean) {
			return "", fmt.Errorf("%s in the container: nothing can be mounted on or below %s, which is the kernel's", clean, taken)
		}
	}
	return clean, nil
}

// below reports whether a clean path is dir or in it.
func below(dir, name string) bool {
	return name == dir || strings.HasPrefix(name, dir+"/")
}

// parseVolume reads SRC:DST[:ro|:rw].
func parseVolume(text string) (Volume, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return Volume{}, errors.New("must be SRC:DST or SRC:DST:ro, such as ./data:/data")
	}
	volume := Volume{Source: parts[0]}
	if err := spec.CheckPrintable(volume.Source); err != nil {
		return volume, err
	}
	if first, _, _ := strings.Cut(volume.Source, "/"); first != "" && first != "." && first != ".." {
		return volume, fmt.Errorf("source %q: must start with / or ./ (final has no named volumes)", volume.Source)
	}
	var err error
	if volume.Target, err = checkedTarget(parts[1]); err != nil || len(parts) == 2 {
		return volume, err
	}
	for _, option := range strings.Split(parts[2], ",") {
		switch option {
		case "ro":
			volume.ReadOnly = true
		case "rw":
			volume.ReadOnly = false
		default:
			return volume, fmt.Errorf("option %q: must be ro or rw", option)
		}
	}
	return volume, nil
}

// tmpfsWords are the options without a value, each with what it takes the place of. mount(8)
var tmpfsWords = [...]struct{ word, opposite string }{
	{"ro", "rw"}, {"rw", "ro"},
	{"nosuid", "suid"}, {"suid", "nosuid"},
	{"nodev", "dev"}, {"dev", "nodev"},
	{"noexec", "exec"}, {"exec", "noexec"},
	{"noatime", "atime"}, {"atime", "noatime"},
	{"nosymfollow", "symfollow"}, {"symfollow", "nosymfollow"},
}

// defaultTmpfs is there if no other is asked for.
func defaultTmpfs() Tmpfs {
	return Tmpfs{Target: "/mytemp", Options: []string{"nosuid", "nodev", "size=16m", "mode=1777"}}
}

// parseTmpfs reads DIR[:OPTION,...]. What is given takes the place of the default: nosuid,nodev,size=16m,mode=1777.
func parseTmpfs(text string) (Tmpfs, error) {
	target, given, hasOptions := strings.Cut(text, ":")
	tmpfs := defaultTmpfs()
	var err error
	if tmpfs.Target, err = checkedTarget(target); err != nil || !hasOptions {
		return tmpfs, err
	}
	for _, option := range strings.Split(given, ",") {
		replaces, option, err := tmpfsOption(option)
		if err != nil {
			return tmpfs, err
		}
		kept := tmpfs.Options[:0]
		for _, old := range tmpfs.Options {
			if key, _, _ := strings.Cut(old, "="); key != replaces && old != option {
				kept = append(kept, old)
			}
		}
		tmpfs.Options = append(kept, option)
	}
	return tmpfs, nil
}

// tmpfsOption checks an option, and returns the name of the one that it takes the place of.
func tmpfsOption(option string) (replaces, checked string, err error) {
	for _, w := range tmpfsWords {
		if w.word == option {
			return w.opposite, option, nil
		}
	}
	key, value, _ := strings.Cut(option, "=")
	switch key {
	case "size":
		var size int64
		size, err = parseSize(value)
		option = "size=" + strconv.FormatInt(size, 10)
	case "mode":
		if mode, bad := strconv.ParseUint(value, 8, 32); bad != nil || mode > 0o7777 {
			err = errors.New("must be an octal number such as 1777")
		}
	case "uid", "gid":
		_, err = parseID(value)
	case "nr_inodes":
		if n, bad := strconv.ParseUint(value, 10, 31); bad != nil || n == 0 {
			err = errors.New("must be a number above 0")
		}
	default:
		return "", "", fmt.Errorf("unknown option %q: use size=, mode=, uid=, gid=, nr_inodes=, ro, rw, exec, noexec, suid, nosuid, dev, nodev, atime, noatime, symfollow or nosymfollow", option)
	}
	if err != nil {
		return "", "", fmt.Errorf("option %s=%s: %w", key, value, err)
	}
	return key, option, nil
}
