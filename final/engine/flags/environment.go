//go:build linux

package flags

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode/utf8"

	"container-workshop/final/spec"
)

// maxEnvFile is how large a file of --env-file may be, in bytes.
const maxEnvFile = 1 << 20

// checkedVariable reads KEY=VALUE or KEY.
func checkedVariable(text string) (string, error) {
	key, value, _ := strings.Cut(text, "=")
	if key == "" || strings.ContainsRune(key+value, 0) {
		return "", errors.New("must be KEY=VALUE, or KEY to pass your own variable on")
	}
	return text, nil
}

// newEnv returns the environment of the command: what the container says, then --env-file, then --env. What comes later
// takes the place of what has the same name. Nothing else is the caller's. environ(7)
func newEnv(o *Options, host *Host, home string, terminal bool) ([]string, error) {
	env := []string{spec.DefaultPath, "HOSTNAME=" + o.Hostname, "HOME=" + home}
	if terminal {
		term, found := host.LookupEnv("TERM")
		if !found || term == "" {
			term = "xterm"
		}
		env = append(env, "TERM="+term)
	}
	if err := o.ReadEnvFiles(host.Open); err != nil {
		return nil, err
	}
	for _, variable := range o.Env {
		env = setVariable(env, variable, host)
	}
	return env, nil
}

// ReadEnvFiles reads the files of --env-file now. What they say comes before Env, and no file is left to read later.
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

// setVariable sets KEY=VALUE, or KEY to what the caller has. A variable that the caller does not have is left alone.
func setVariable(env []string, variable string, host *Host) []string {
	key, _, hasValue := strings.Cut(variable, "=")
	if !hasValue {
		value, found := host.LookupEnv(key)
		if !found {
			return env
		}
		variable = key + "=" + value
	}
	for i, old := range env {
		if strings.HasPrefix(old, key+"=") {
			env[i] = variable
			return env
		}
	}
	return append(env, variable)
}

// readEnvFile returns the variables in a file: one in each line, as it is, without quotes. Empty lines and lines that start
// with # say nothing.
func readEnvFile(name string, open func(name string) (io.ReadCloser, error)) ([]string, error) {
	file, err := open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("no such file")
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxEnvFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxEnvFile {
		return nil, errors.New("must be at most 1 MiB")
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
