//go:build linux

package flags

import (
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"

	"container-workshop/final/engine/network"
	"container-workshop/final/spec"
)

// number returns a parser for numbers of a range. The error says what the number must be.
func number[T int | int64 | uint16 | uint64](low, high int64, must string) func(string) (T, error) {
	return func(text string) (T, error) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < low || n > high {
			return 0, fmt.Errorf("must be a number %s", must)
		}
		return T(n), nil
	}
}

func parseBool(text string) (bool, error) {
	value, err := strconv.ParseBool(text)
	if err != nil {
		return false, errors.New("must be true or false")
	}
	return value, nil
}

// parseSize returns the bytes of 64m, 1.5g, 10KiB or 1024. Units are powers of 1024. A size is above 0.
func parseSize(text string) (int64, error) {
	bad := errors.New("must be a size above 0: a number of bytes, or a number followed by k, m, g or t, such as 64m")
	end := len(text) - len(strings.TrimLeft(text, "0123456789."))
	number, unit := text[:end], strings.ToLower(text[end:])
	shift := 0
	if unit != "" && unit != "b" {
		shift = 10 * (strings.IndexByte("kmgt", unit[0]) + 1)
		if shift == 0 || unit[1:] != "" && unit[1:] != "b" && unit[1:] != "ib" {
			return 0, bad
		}
	}
	whole, decimals, fractional := strings.Cut(number, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if errors.Is(err, strconv.ErrRange) || n >= math.MaxInt64>>shift {
		return 0, errors.New("too large: must be less than 8 EiB")
	}
	if err != nil || fractional && (shift == 0 || decimals == "") {
		return 0, bad
	}
	n <<= shift
	if fractional {
		part, err := strconv.ParseFloat("0."+decimals, 64)
		if err != nil {
			return 0, bad
		}
		n += int64(part * float64(int64(1)<<shift))
	}
	if n == 0 {
		return 0, bad
	}
	return n, nil
}

// parseID reads a user or group ID: digits only, without leading zeros. The kernel reads the highest number of 32 bits as "do not change",
// and the command would stay root. setresuid(2)
func parseID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == math.MaxUint32 || len(text) > 1 && text[0] == '0' {
		return 0, fmt.Errorf("ID %q: must be a number from 0 to %d", text, uint32(math.MaxUint32)-1)
	}
	return uint32(n), nil
}

// printable returns a line of text if the text is good. Otherwise the error says what the text must be.
func printable(text string, good bool, must string) (string, error) {
	if !good {
		return "", errors.New(must)
	}
	return text, spec.CheckPrintable(text)
}

func checkedID(text string) (string, error) { return text, spec.ValidateID(text) }

// checkedHostname refuses a hostname that would be several names in /etc/hosts. sethostname(2)
func checkedHostname(text string) (string, error) {
	good := text != "" && len(text) <= 64 && !strings.ContainsAny(text, " \t")
	return printable(text, good, "must be 1 to 64 bytes, without spaces")
}

func checkedRootfs(text string) (string, error) {
	return printable(text, text != "", "must be a directory (create one: make rootfs)")
}

func checkedImage(text string) (string, error) {
	return printable(text, text != "", "must be the name or ID of an image (see final images)")
}

func checkedFile(text string) (string, error) {
	return printable(text, text != "", "must be the name of a file")
}

func checkedWorkdir(text string) (string, error) {
	text, err := printable(text, path.IsAbs(text), "must be an absolute path in the container")
	return path.Clean(text), err
}

func checkedNetwork(text string) (string, error) {
	if text == "none" || text == "host" {
		return text, nil
	}
	if id, ok := strings.CutPrefix(text, "container:"); ok {
		return text, spec.ValidateID(id)
	}
	if err := network.CheckName(text); err != nil {
		return "", fmt.Errorf("must be none, bridge, host, or the name of a network: %w", err)
	}
	return text, nil
}

func checkedUserns(text string) (string, error) {
	return printable(text, text == "host" || text == "auto" || text == "keep-id", "must be host, auto or keep-id")
}

func checkedLabel(text string) (string, error) {
	return printable(text, text != "", "must not be empty")
}

func checkedCpuset(text string) (string, error) {
	_, err := spec.CPUs(text)
	return text, err
}

// setSysctl reads KEY=VALUE. [MakeSpec] says whether the container may set the parameter.
func (o *Options) setSysctl(text string) error {
	key, value, found := strings.Cut(text, "=")
	if _, err := printable(text, found && key != "", "must be KEY=VALUE, such as net.ipv4.ip_forward=1"); err != nil {
		return err
	}
	if o.Linux.Sysctl == nil {
		o.Linux.Sysctl = map[string]string{}
	}
	o.Linux.Sysctl[spec.SysctlKey(key)] = value
	return nil
}

// setSecurity reads NAME=VALUE, or NAME:VALUE as older programs write it.
func (o *Options) setSecurity(text string) (err error) {
	name, value, end := text, "", strings.IndexAny(text, "=:")
	if end >= 0 {
		name, value = text[:end], text[end+1:]
	}
	switch {
	case name == "seccomp":
		o.Seccomp, err = printable(value, value != "", "must be seccomp=FILE or seccomp=unconfined")
	case name == "no-new-privileges" && end < 0:
		o.NoNewPrivileges = new(true)
	case name == "no-new-privileges":
		if err = one(&o.NoNewPrivileges, pointer(parseBool))(value); err != nil {
			err = fmt.Errorf("no-new-privileges: %w", err)
		}
	default:
		err = fmt.Errorf("unknown option %q: must be seccomp=FILE, seccomp=unconfined or no-new-privileges=false", name)
	}
	return err
}

// setLog reads NAME=VALUE, with the names that Docker has for its own logs.
func (o *Options) setLog(text string) error {
	name, value, _ := strings.Cut(text, "=")
	switch name {
	case "max-size":
		if err := one(&o.LogSize, parseLimit)(value); err != nil {
			return fmt.Errorf("max-size: %w, or -1 for no limit", err)
		}
	case "max-file":
		if err := one(&o.LogFiles, number[int](1, maxLogFiles, "of files, from 1 to 1000"))(value); err != nil {
			return fmt.Errorf("max-file: %w", err)
		}
	default:
		return errors.New("must be max-size=SIZE or max-file=N")
	}
	return nil
}
