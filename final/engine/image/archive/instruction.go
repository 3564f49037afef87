//go:build linux

package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"

	"container-workshop/final/engine/image"
)

// instructions are those of a Dockerfile that only change the settings of an image.
// https://docs.docker.com/reference/dockerfile/
var instructions = map[string]func(s *image.Settings, rest string) error{
	"CMD": func(s *image.Settings, rest string) error { s.Cmd = commandOf(rest); return nil },
	"ENTRYPOINT": func(s *image.Settings, rest string) error {
		s.Entrypoint = commandOf(rest)
		return nil
	},
	"USER": func(s *image.Settings, rest string) error { s.User = rest; return nil },
	"WORKDIR": func(s *image.Settings, rest string) error {
		if !path.IsAbs(rest) {
			rest = path.Join("/", s.WorkingDir, rest)
		}
		s.WorkingDir = path.Clean(rest)
		return nil
	},
	"STOPSIGNAL": func(s *image.Settings, rest string) error { s.StopSignal = rest; return nil },
	"ENV": func(s *image.Settings, rest string) error {
		return pairs(rest, func(key, value string) {
			s.Env = slices.DeleteFunc(slices.Clone(s.Env), func(old string) bool { return strings.HasPrefix(old, key+"=") })
			s.Env = append(s.Env, key+"="+value)
		})
	},
	"LABEL": func(s *image.Settings, rest string) error {
		labels := map[string]string{}
		maps.Copy(labels, s.Labels)
		s.Labels = labels
		return pairs(rest, func(key, value string) { labels[key] = value })
	},
}

// apply changes settings as an instruction says.
func apply(s *image.Settings, instruction string) error {
	instruction = strings.TrimSpace(instruction)
	end := strings.IndexFunc(instruction, unicode.IsSpace)
	name, rest := instruction, ""
	if end >= 0 {
		name, rest = instruction[:end], strings.TrimSpace(instruction[end:])
	}
	if do := instructions[strings.ToUpper(name)]; do != nil && rest != "" && !strings.ContainsRune(rest, 0) {
		return do(s, rest)
	}
	return fmt.Errorf("must be one of %s with a value, as in ENV NAME=VALUE", strings.Join(slices.Sorted(maps.Keys(instructions)), ", "))
}

// commandOf reads a command: a list in JSON, or a line for the shell.
func commandOf(rest string) []string {
	var list []string
	if json.Unmarshal([]byte(rest), &list) == nil {
		return list
	}
	return []string{"/bin/sh", "-c", rest}
}

// pairs reads NAME=VALUE ..., or NAME VALUE as old Dockerfiles have it.
func pairs(rest string, set func(key, value string)) error {
	all, err := words(rest)
	if err != nil {
		return err
	}
	if key, _, found := strings.Cut(all[0], "="); !found && key != "" && len(all) > 1 {
		set(key, strings.TrimSpace(strings.TrimPrefix(rest, key)))
		return nil
	}
	for _, word := range all {
		key, value, found := strings.Cut(word, "=")
		if !found || key == "" {
			return fmt.Errorf("%q: must be NAME=VALUE", word)
		}
		set(key, value)
	}
	return nil
}

// words splits a line as a shell does: quotes keep spaces in a word, and a backslash takes the meaning from the next character.
func words(line string) (all []string, err error) {
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			inWord, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			inWord, quote = true, r
		case quote == 0 && unicode.IsSpace(r):
			if inWord {
				all = append(all, word.String())
			}
			word.Reset()
			inWord = false
		default:
			inWord = true
			word.WriteRune(r)
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("a quote or a backslash at the end is open")
	}
	if inWord {
		all = append(all, word.String())
	}
	if len(all) == 0 {
		return nil, errors.New("must be NAME=VALUE")
	}
	return all, nil
}
