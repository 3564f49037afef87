//go:build linux

package network

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Forward is what the helper has changed of the host's sysctls, and has to restore with the last container. Its file is forward.json. It is
// written before the sysctls change, and removed after they are restored.
type Forward struct {
	// Boot is the boot in which that was. After another one the sysctls have their own values.
	Boot string `json:",omitempty"`
	// IPv4 and IPv6 say that forwarding was off.
	IPv4 bool `json:",omitempty"`
	IPv6 bool `json:",omitempty"`
	// Redirects is the value of net.ipv4.conf.all.accept_redirects, which the kernel changes together with net.ipv4.ip_forward. ip-sysctl
	Redirects string `json:",omitempty"`
	// Interfaces were on the host when forwarding was off. The rules see to it that the host forwards nothing between them now.
	Interfaces []string `json:",omitempty"`
	// Others are the rules and bridges of others that were there. What comes later may need that the host forwards.
	Others []string `json:",omitempty"`
}

const forwardFile = "forward.json"

// Forward reads the file. It is empty if nothing has changed.
func (s *Store) Forward() (f Forward, err error) {
	if err = s.read(forwardFile, &f); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if f.Boot != boot() {
		f = Forward{}
	}
	return f, err
}

// boot is a random ID of the time since the host was turned on. random(4)
func boot() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}

// SetForward writes the file, or removes it if nothing has changed.
func (s *Store) SetForward(f Forward) error {
	if f.IPv4 || f.IPv6 {
		f.Boot = boot()
		return s.write(forwardFile, f)
	}
	err := os.Remove(filepath.Join(s.Dir, forwardFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}
