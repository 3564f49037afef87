//go:build linux

package image

import (
	"fmt"
	"strings"
)

// DefaultRegistry is where an image lives whose name has no registry.
const DefaultRegistry = "docker.io"

// A Reference is the full name of an image: registry, repository, and a tag or a digest.
type Reference struct {
	Registry, Repository string
	// Tag is empty if there is a digest: the digest says more.
	Tag, Digest string
}

// The longest parts of a name that registries accept.
const (
	maxName = 255
	maxTag  = 128
)

// ParseReference reads a name as people write it: [REGISTRY[:PORT]/]REPOSITORY[:TAG][@DIGEST]. The first part is a registry if it has a dot
// or a colon, or is localhost. A name without a registry is one of the given registry, and a name without a tag has the tag latest.
// https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
func ParseReference(text, registry string) (Reference, error) {
	fail := func(why string, args ...any) (Reference, error) {
		return Reference{}, fmt.Errorf("image name %q: %s", text, fmt.Sprintf(why, args...))
	}
	r := Reference{Registry: registry}
	name, digest, found := strings.Cut(text, "@")
	if found {
		if err := CheckDigest(digest); err != nil {
			return fail("%v", err)
		}
		r.Digest = digest
	}
	// A colon behind the last slash begins a tag. A colon before it begins a port.
	if at := strings.LastIndexByte(name, ':'); at > strings.LastIndexByte(name, '/') {
		name, r.Tag = name[:at], name[at+1:]
		if !isTag(r.Tag) {
			return fail("tag %q: must be up to %d letters, digits, '_', '.' or '-', and begin with none of the last two", r.Tag, maxTag)
		}
	}
	switch {
	case r.Digest != "":
		r.Tag = ""
	case r.Tag == "":
		r.Tag = "latest"
	}
	first, rest, found := strings.Cut(name, "/")
	if found && (strings.ContainsAny(first, ".:[") || first == "localhost") {
		if err := CheckRegistry(first); err != nil {
			return fail("%v", err)
		}
		r.Registry, name = first, rest
	}
	if r.Registry == DefaultRegistry && !strings.Contains(name, "/") && name != "" {
		name = "library/" + name
	}
	r.Repository = name
	switch {
	case name == "":
		return fail("the name of the image is missing")
	case len(r.Registry)+1+len(name) > maxName:
		return fail("is longer than %d characters", maxName)
	}
	for part := range strings.SplitSeq(name, "/") {
		if !isComponent(part) {
			return fail("%q: must be lower-case letters and digits, with '.', '_', '__' or '-' only between them", part)
		}
	}
	return r, nil
}

// CheckRegistry refuses what is no HOST[:PORT].
func CheckRegistry(text string) error {
	host, port, found := text, "", false
	if at := strings.LastIndexByte(text, ':'); at > strings.LastIndexByte(text, ']') {
		host, port, found = text[:at], text[at+1:], true
	}
	if found && (port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "") {
		return fmt.Errorf("registry %q: the port must be a number", text)
	}
	if address, closed := strings.CutSuffix(host, "]"); strings.HasPrefix(host, "[") && closed {
		if address = address[1:]; address == "" || strings.Trim(address, "0123456789abcdefABCDEF:.") != "" {
			return fmt.Errorf("registry %q: must be an IPv6 address in brackets", text)
		}
		return nil
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") || strings.ContainsFunc(label, func(r rune) bool {
			return !(isLetter(r) || r >= 'A' && r <= 'Z' || isDigit(r) || r == '-')
		}) {
			return fmt.Errorf("registry %q: must be a host name, with a port if it has one", text)
		}
	}
	return nil
}

// String is the full name, which ParseReference reads again.
func (r Reference) String() string {
	if r.Digest != "" {
		return r.Name() + "@" + r.Digest
	}
	return r.Name() + ":" + r.Tag
}

// Name is the full name without tag and digest.
func (r Reference) Name() string { return r.Registry + "/" + r.Repository }

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' }
func isDigit(r rune) bool  { return r >= '0' && r <= '9' }

func isTag(tag string) bool {
	return tag != "" && len(tag) <= maxTag && tag[0] != '.' && tag[0] != '-' && !strings.ContainsFunc(tag, func(r rune) bool {
		return !(isLetter(r) || r >= 'A' && r <= 'Z' || isDigit(r) || strings.ContainsRune("_.-", r))
	})
}

// isComponent reports whether a part of a repository is words of letters and digits with a separator between them: '.', '_', '__' or hyphens.
func isComponent(part string) bool {
	separator := "start"
	for _, r := range part {
		switch {
		case isLetter(r) || isDigit(r):
			separator = ""
		case separator == "start", !strings.ContainsRune("._-", r):
			return false
		case separator == "", r == '-' && strings.Trim(separator, "-") == "", r == '_' && separator == "_":
			separator += string(r)
		default:
			return false
		}
	}
	return separator == ""
}
