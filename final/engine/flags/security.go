//go:build linux

package flags

import (
	"errors"
	"fmt"
	"strings"

	"container-workshop/final/spec"
)

// setSecurity reads NAME=VALUE, or NAME:VALUE as older programs write it.
func (o *Options) setSecurity(text string) error {
	name, value := text, ""
	i := strings.IndexAny(text, "=:")
	if i >= 0 {
		name, value = text[:i], text[i+1:]
	}
	switch name {
	case "seccomp":
		if value == "" {
			return errors.New("must be seccomp=FILE or seccomp=unconfined")
		}
		if err := spec.CheckPrintable(value); err != nil {
			return err
		}
		o.Seccomp = value
	case "no-new-privileges":
		on := true
		if i >= 0 {
			var err error
			if on, err = parseBool(value); err != nil {
				return fmt.Errorf("no-new-privileges: %w", err)
			}
		}
		o.NoNewPrivileges = &on
	default:
		return fmt.Errorf("unknown option %q: must be seccomp=FILE, seccomp=unconfined or no-new-privileges=false", name)
	}
	return nil
}

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
