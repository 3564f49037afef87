//go:build linux

package spec

import (
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// maxID is how long the ID of a container may be, in bytes: as long as the name of a file. path_resolution(7)
const maxID = 255

// ValidateID refuses an ID that would not be safe as the name of a file or as an argument. The ID of a container has 1 to 255 bytes of
// A-Z a-z 0-9 _ . + -, and starts with neither "." nor "-".
func ValidateID(id string) error {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-"
	if id != "" && len(id) <= maxID && id[0] != '.' && id[0] != '-' && strings.Trim(id, letters) == "" {
		return nil
	}
	shown := id
	if len(shown) > 40 {
		shown = shown[:40] + "…"
	}
	return fmt.Errorf("container ID %q: must be 1 to %d letters, digits and _.+-, and must not start with . or -", shown, maxID)
}

// MakeID returns an ID of 12 random hexadecimal digits. getrandom(2)
func MakeID() (string, error) {
	random := make([]byte, 6)
	// The kernel gives up to 256 bytes at once.
	if _, err := unix.Getrandom(random, 0); err != nil {
		return "", fmt.Errorf("getrandom: %w", err)
	}
	return hex.EncodeToString(random), nil
}
