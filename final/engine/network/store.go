//go:build linux

package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/owned"
)

// A Store is the directory with all networks, HOME/networks, and the lock on it. Whoever has the store open is alone with all files, with
// the interfaces and with the rules:
//
//	lock                    the lock, which Open takes
//	forward.json            what the helper has changed of the host's sysctls: see package link
//	NAME/network.json       a Network
//	NAME/endpoints/ID.json  an Endpoint
//	.servers                the lock and the socket of each process of a network: see package server
//
// All of these belong to root, and only the group [Server] can read them. The directory .servers belongs to the user [Server]. A name in a
// file never becomes a path before somebody has checked it.
type Store struct {
	// Dir is the path of the directory.
	Dir string
	// Lock is the open lock. It stays locked as long as anybody has it open, so the helper inherits it.
	Lock *os.File
}

// In is the directory of the networks in the home directory of an engine.
func In(home string) string { return filepath.Join(home, "networks") }

// Open opens the directory, makes it if it is missing, and waits for the lock.
func Open(dir string) (*Store, error) {
	// The directory above has the storage of containers, too, through which users of containers must get. See package engine, openStorage.
	if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	fd, err := owned.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("the directory of networks is not safe: %w", err)
	}
	defer unix.Close(fd)
	share(dir, 0o750)
	lock, err := unix.Openat(fd, "lock", unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: filepath.Join(dir, "lock"), Err: err}
	}
	s := &Store{Dir: dir, Lock: os.NewFile(uintptr(lock), filepath.Join(dir, "lock"))}
	for {
		err = unix.Flock(lock, unix.LOCK_EX)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("lock %s: %w", s.Lock.Name(), err)
	}
	return s, nil
}

// Inherit returns the store for a helper, which has got the lock from final.
func Inherit(dir string, lock *os.File) *Store { return &Store{Dir: dir, Lock: lock} }

// Close gives the lock up.
func (s *Store) Close() { s.Lock.Close() }

// Has reports whether a container with this ID is in any network. It takes no lock: most containers are in none.
func Has(dir, id string) bool {
	networks, _ := os.ReadDir(dir)
	for _, entry := range networks {
		if _, err := os.Lstat(filepath.Join(dir, entry.Name(), "endpoints", id+".json")); err == nil {
			return true
		}
	}
	return false
}

// CheckName refuses what cannot be the name of a network: a name is a part of paths, and of DNS names.
func CheckName(name string) error {
	rest := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")
	switch {
	case name == "" || len(name) > 63 || rest != "" || strings.ContainsAny(name[:1], "_-"):
		return fmt.Errorf("%q is no name for a network: use up to 63 lowercase letters, digits, _ and -, and begin with a letter or a digit", name)
	case name == "lock":
		return fmt.Errorf("%q is no name for a network: final has a file of this name", name)
	case name == "none" || name == "host" || name == "container":
		return fmt.Errorf("%q is no name for a network: --network %s means something else", name, name)
	}
	return nil
}

// Network returns a network by its name. The error is fs.ErrNotExist if there is no such network.
func (s *Store) Network(name string) (*Network, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	n := new(Network)
	if err := s.read(filepath.Join(name, "network.json"), n); err != nil {
		return nil, err
	}
	n.Name = name
	number, isBridge := strings.CutPrefix(n.Bridge, bridgePrefix)
	if _, err := strconv.ParseUint(number, 10, 16); err != nil || !isBridge {
		return nil, damaged(filepath.Join(s.Dir, name, "network.json"), fmt.Errorf("bridge %q", n.Bridge))
	}
	if !n.IPv4.Addr().Is4() || n.IPv4 != n.IPv4.Masked() {
		return nil, damaged(filepath.Join(s.Dir, name, "network.json"), fmt.Errorf("subnet %s", n.IPv4))
	}
	return n, nil
}

// Networks returns all networks, sorted by their names.
func (s *Store) Networks() (all []*Network, err error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if !entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		n, err := s.Network(entry.Name())
		switch {
		case err == nil:
			all = append(all, n)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return all, nil
}

// Endpoints returns the endpoints of a network, sorted by the IDs of their containers.
func (s *Store) Endpoints(n *Network) (all []*Endpoint, err error) {
	entries, err := os.ReadDir(filepath.Join(s.Dir, n.Name, "endpoints"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range entries {
		id, isJSON := strings.CutSuffix(entry.Name(), ".json")
		if !isJSON {
			continue
		}
		e := new(Endpoint)
		err := s.read(filepath.Join(n.Name, "endpoints", entry.Name()), e)
		if errors.Is(err, fs.ErrNotExist) {
			// The container has ended meanwhile: not all readers have the lock.
			continue
		}
		if err != nil {
			return nil, err
		}
		e.ID, e.Network = id, n.Name
		if e.IPv4.Is4() && n.IPv4.Contains(e.IPv4) {
			all = append(all, e)
		}
	}
	return all, nil
}

// Find returns the network and the endpoint of a container, or nil if the container is in no network.
func (s *Store) Find(root, id string) (*Network, *Endpoint, error) {
	networks, err := s.Networks()
	if err != nil {
		return nil, nil, err
	}
	for _, n := range networks {
		all, err := s.Endpoints(n)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range all {
			if e.ID == id && e.Root == root {
				return n, e, nil
			}
		}
	}
	return nil, nil, nil
}

func (s *Store) endpointFile(e *Endpoint) string {
	return filepath.Join(e.Network, "endpoints", e.ID+".json")
}

func (s *Store) read(name string, to any) error {
	name = filepath.Join(s.Dir, name)
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if len(content) == 0 {
		// The power of the host has failed before the content was on the disk. No container has survived that.
		_ = os.Remove(name)
		return &os.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	if err := json.Unmarshal(content, to); err != nil {
		return damaged(name, err)
	}
	return nil
}

func damaged(name string, err error) error {
	return fmt.Errorf("%s is damaged: %w (restore the file, or remove it with what it describes: rm %[1]s)", name, err)
}

// write writes a file in one step: whoever is killed meanwhile leaves the old file or the new one.
func (s *Store) write(name string, from any) error {
	content, err := json.MarshalIndent(from, "", "  ")
	if err != nil {
		return err
	}
	name = filepath.Join(s.Dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	share(filepath.Dir(name), 0o750)
	partial := filepath.Join(s.Dir, ".new")
	if err := os.WriteFile(partial, append(content, '\n'), 0o600); err != nil {
		return err
	}
	share(partial, 0o640)
	return os.Rename(partial, name)
}

// Served reports whether the process of a network lives: then the process has its lock.
func (s *Store) Served(n *Network) bool {
	lock, err := os.OpenFile(filepath.Join(s.Dir, ".servers", n.Name+".lock"), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer lock.Close()
	return unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
}

// Server is the user, and the group, of the processes of networks. No distribution gives this ID to anybody, so these processes share files
// and limits with no others. The user nobody has processes of other programs, and of containers. Debian Policy Manual, section 9.2.2
const Server = 65533

// share lets processes of networks read a file. In a user namespace without this group, these processes stay root.
func share(name string, mode os.FileMode) {
	if os.Chown(name, -1, Server) == nil {
		_ = os.Chmod(name, mode)
	}
}
