//go:build linux

package network

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Forward is what the helper has changed of the host's sysctls, and has to restore with the last container. Its file is forward.json. It is
// written before the sysctls change, and removed after they are restored.
type Forward struct {
	// IPv4 and IPv6 say that forwarding was off.
	IPv4 bool `json:",omitempty"`
	IPv6 bool `json:",omitempty"`
	// Redirects is the value of net.ipv4.conf.all.accept_redirects, which the kernel changes together with net.ipv4.ip_forward. ip-sysctl
	Redirects string `json:",omitempty"`
	// Interfaces were on the host when forwarding was off. The rules see to it that the host forwards nothing between them now.
	Interfaces []string `json:",omitempty"`
}

const forwardFile = "forward.json"

// Forward reads the file. It is empty if nothing has changed.
func (s *Store) Forward() (f Forward, err error) {
	if err = s.read(forwardFile, &f); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return f, err
}

// SetForward writes the file, or removes it if nothing has changed.
func (s *Store) SetForward(f Forward) error {
	if f.IPv4 || f.IPv6 {
		return s.write(forwardFile, f)
	}
	err := os.Remove(filepath.Join(s.Dir, forwardFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}
