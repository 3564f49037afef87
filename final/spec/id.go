//go:build linux

package spec

import (
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// maxID is how long the ID of a container may be: as long as the name of a file. path_resolution(7)
const maxID = 255

// ValidateID returns an error unless id can be the ID of a container: 1 to 255 bytes of A-Z a-z 0-9 _ . + -, the first of
// which is neither "." nor "-". So it is safe as the name of a file, and as an argument.
func ValidateID(id string) error {
	valid := id != "" && len(id) <= maxID && id[0] != '.' && id[0] != '-'
	for _, c := range []byte(id) {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '.', c == '+', c == '-':
		default:
			valid = false
		}
	}
	if valid {
		return nil
	}
	shown := id
	if len(shown) > 40 {
		shown = shown[:40] + "…"
	}
	return fmt.Errorf("container ID %q: must be 1 to %d letters, digits and _.+-, and must not start with . or -", shown, maxID)
}

// NewID returns an ID of 12 random hexadecimal digits. getrandom(2)
func NewID() (string, error) {
	random := make([]byte, 6)
	n, err := unix.Getrandom(random, 0)
	if err == nil && n < len(random) {
		err = errors.New("too few bytes")
	}
	if err != nil {
		return "", fmt.Errorf("getrandom: %w", err)
	}
	return hex.EncodeToString(random), nil
}
