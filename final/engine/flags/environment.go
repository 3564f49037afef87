//go:build linux

package flags

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"container-workshop/final/spec"
)

// maxEnvFile is how large the file of --env-file may be, in bytes.
const maxEnvFile = 1 << 20

// checkedVariable reads KEY=VALUE or KEY.
func checkedVariable(text string) (string, error) {
	key, value, _ := strings.Cut(text, "=")
	if key == "" || strings.ContainsRune(key+value, 0) {
		return "", errors.New("must be KEY=VALUE, or KEY to pass your own variable on")
	}
	return text, nil
}

// makeEnv returns the environment of the command: first what describes the container, then --env-file and --env. A later variable replaces
// an earlier variable of the same name. The container gets no other variables of the caller. environ(7)
func makeEnv(o *Options, host *Host, home string, terminal bool) []string {
	env := []string{spec.DefaultPath, "HOSTNAME=" + o.Hostname, "HOME=" + home}
	if terminal {
		term, _ := host.LookupEnv("TERM")
		env = append(env, "TERM="+cmp.Or(term, "xterm"))
	}
	for _, variable := range o.Env {
		env = setVariable(env, variable, host)
	}
	return env
}

// ReadEnvFiles reads the files of --env-file, and puts their variables in front of Env. Call it before [MakeSpec].
func (o *Options) ReadEnvFiles(open func(name string) (io.ReadCloser, error)) error {
	var all []string
	for _, name := range o.EnvFiles {
		variables, err := readEnvFile(name, open)
		if err != nil {
			return fmt.Errorf("--env-file %s: %w", name, err)
		}
		all = append(all, variables...)
	}
	o.Env, o.EnvFiles = append(all, o.Env...), nil
	return nil
}

// setVariable sets KEY=VALUE, or copies KEY from the caller. If the caller has no such variable, nothing changes.
func setVariable(env []string, variable string, host *Host) []string {
	key, _, hasValue := strings.Cut(variable, "=")
	if !hasValue {
		value, found := host.LookupEnv(key)
		if !found {
			return env
		}
		variable = key + "=" + value
	}
	if i := slices.IndexFunc(env, func(old string) bool { return strings.HasPrefix(old, key+"=") }); i >= 0 {
		env[i] = variable
		return env
	}
	return append(env, variable)
}

// readEnvFile returns the variables in a file, one for each line. Quotes are part of a value. readEnvFile skips empty lines and lines that
// start with #.
func readEnvFile(name string, open func(name string) (io.ReadCloser, error)) ([]string, error) {
	file, err := open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("no such file")
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := spec.ReadAll(file, maxEnvFile)
	if err != nil {
		return nil, err
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	if !utf8.ValidString(text) {
		return nil, errors.New("must be UTF-8 text")
	}
	var variables []string
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimLeft(strings.TrimSuffix(line, "\r"), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		key, _, _ := strings.Cut(line, "=")
		if _, err := checkedVariable(line); err != nil || strings.ContainsAny(key, " \t") {
			return nil, fmt.Errorf("line %d: must be KEY=VALUE, or KEY to pass your own variable on, without spaces in KEY", i+1)
		}
		variables = append(variables, line)
	}
	return variables, nil
}
