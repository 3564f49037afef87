//go:build linux

package flags

import (
	"errors"
	"strings"

	"container-workshop/final/spec"
)

func checkedNetwork(text string) (string, error) {
	if text != "none" && text != "host" {
		return "", errors.New("must be none or host")
	}
	return text, nil
}

// checkedHostname refuses what would be more than one name in /etc/hosts. sethostname(2)
func checkedHostname(text string) (string, error) {
	if text == "" || len(text) > 64 || strings.ContainsAny(text, " \t") {
		return "", errors.New("must be 1 to 64 bytes, without spaces")
	}
	return text, spec.CheckPrintable(text)
}

func checkedID(text string) (string, error) {
	if err := spec.ValidateID(text); err != nil {
		return "", err
	}
	return text, nil
}

func checkedRootfs(text string) (string, error) {
	if text == "" {
		return "", errors.New("must be a directory (create one: make rootfs)")
	}
	return text, spec.CheckPrintable(text)
}

func checkedFile(text string) (string, error) {
	if text == "" {
		return "", errors.New("must be the name of a file")
	}
	return text, spec.CheckPrintable(text)
}

func checkedWorkdir(text string) (string, error) {
	if !strings.HasPrefix(text, "/") {
		return "", errors.New("must be an absolute path in the container")
	}
	return text, spec.CheckPrintable(text)
}

// checkedSysctl reads KEY=VALUE, and returns it with dots in the key. Whether the container may set it is seen later.
func checkedSysctl(text string) (string, error) {
	key, value, found := strings.Cut(text, "=")
	if !found || key == "" {
		return "", errors.New("must be KEY=VALUE, such as net.ipv4.ip_forward=1")
	}
	if err := spec.CheckPrintable(text); err != nil {
		return "", err
	}
	return spec.SysctlKey(key) + "=" + value, nil
}

func checkedCpuset(text string) (string, error) {
	_, err := spec.CPUs(text)
	return text, err
}
