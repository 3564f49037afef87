//go:build linux

package flags

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/spec"
)

// checkedTarget returns the clean path of a place in the container that a volume, a tmpfs or a device may have.
func checkedTarget(target string) (string, error) {
	if !path.IsAbs(target) {
		return "", fmt.Errorf("%q in the container: must be an absolute path", target)
	}
	clean := path.Clean(target)
	if err := spec.CheckPrintable(clean); err != nil {
		return "", err
	}
	switch clean {
	case "/":
		return "", errors.New("/ in the container: must be a path below / (the root directory comes from --rootfs)")
	case "/dev":
		return "", errors.New("/dev in the container: final makes its own (add a device to it with --device)")
	}
	for _, taken := range []string{"/proc", "/sys", "/dev/pts"} {
		if strings.HasPrefix(clean+"/", taken+"/") {
			return "", fmt.Errorf("%s in the container: nothing can be mounted on or below %s, which is the kernel's", clean, taken)
		}
	}
	return clean, nil
}

// parseVolume reads SRC:DST[:ro|:rw]. The source may be relative to the caller's working directory.
func parseVolume(text string) (specs.Mount, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return specs.Mount{}, errors.New("must be SRC:DST or SRC:DST:ro, such as ./data:/data")
	}
	// Without a word about access, a volume keeps the settings of its source: ro, nosuid, nodev and noexec.
	volume := specs.Mount{Type: "bind", Source: parts[0], Options: []string{"rbind", "rprivate"}}
	if err := spec.CheckPrintable(volume.Source); err != nil {
		return volume, err
	}
	if first, _, _ := strings.Cut(volume.Source, "/"); first != "" && first != "." && first != ".." {
		return volume, fmt.Errorf("source %q: must start with / or ./ (final has no named volumes)", volume.Source)
	}
	var err error
	if volume.Destination, err = checkedTarget(parts[1]); err != nil || len(parts) == 2 {
		return volume, err
	}
	access := ""
	for _, access = range strings.Split(parts[2], ",") {
		if access != "ro" && access != "rw" {
			return volume, fmt.Errorf("option %q: must be ro or rw", access)
		}
	}
	if access == "ro" {
		// The mounts below the source become read-only too.
		volume.Options = append(volume.Options, "rro")
	}
	return volume, nil
}

// tmpfsWords are options without a value, each with its opposite. mount(8)
var tmpfsWords = [...][2]string{{"ro", "rw"}, {"nosuid", "suid"}, {"nodev", "dev"}, {"noexec", "exec"}, {"noatime", "atime"}, {"nosymfollow", "symfollow"}}

// defaultTmpfs is the tmpfs of a container without --tmpfs.
func defaultTmpfs() specs.Mount {
	return specs.Mount{Destination: "/mytemp", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "size=16m", "mode=1777"}}
}

// parseTmpfs reads DIR[:OPTION,...]. An option replaces a default option: nosuid,nodev,size=16m,mode=1777.
func parseTmpfs(text string) (specs.Mount, error) {
	target, given, hasOptions := strings.Cut(text, ":")
	tmpfs := defaultTmpfs()
	var err error
	if tmpfs.Destination, err = checkedTarget(target); err != nil || !hasOptions {
		return tmpfs, err
	}
	for _, option := range strings.Split(given, ",") {
		replaces, option, err := tmpfsOption(option)
		if err != nil {
			return tmpfs, err
		}
		tmpfs.Options = append(slices.DeleteFunc(tmpfs.Options, func(old string) bool {
			key, _, _ := strings.Cut(old, "=")
			return key == replaces || old == option
		}), option)
	}
	return tmpfs, nil
}

// tmpfsOption checks an option, and returns the name of the option that it replaces.
func tmpfsOption(option string) (replaces, checked string, err error) {
	for _, w := range tmpfsWords {
		switch option {
		case w[0]:
			return w[1], option, nil
		case w[1]:
			return w[0], option, nil
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
		_, err = number[int64](1, 1<<31-1, "above 0")(value)
	default:
		return "", "", fmt.Errorf("unknown option %q: use size=, mode=, uid=, gid=, nr_inodes=, ro, rw, exec, noexec, suid, nosuid, dev, nodev, atime, noatime, symfollow or nosymfollow", option)
	}
	if err != nil {
		return "", "", fmt.Errorf("option %s=%s: %w", key, value, err)
	}
	return key, option, nil
}
