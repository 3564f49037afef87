//go:build linux

package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"container-workshop/final/owned"
)

// A Store is a directory with images, in the layout of the OCI: so skopeo and others can read it, too.
//
//	oci-layout, index.json   which names there are, and the manifest of each
//	blobs/sha256/HEX         manifests, configurations and layers, named by the digest of their content
//	layers/HEX/              a layer, unpacked for overlay on the layers below it: named by its chain ID, which stands for all of these.
//	                         A layer of many images is here once
//	unpacked/HEX             the chain IDs of the layers of an image: named by the digest of its manifest
//	ingest/                  what is being downloaded or unpacked. Only complete and verified files leave it, by rename(2)
//	boot                     the run of the host in which the files were written: see AfterRestart
//	lock, index.lock         see Lock
//
// Only root can write to it, or the user whose store it is. So what is in blobs and layers is believed: it was verified before it came there.
// https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
type Store struct {
	// Home is the storage of final, and Dir is the directory of the images in it.
	Home, Dir string
}

// Open opens the store in final's storage, and makes it if it is missing.
func Open(home string) (*Store, error) {
	s := &Store{Home: home, Dir: filepath.Join(home, "images")}
	if !filepath.IsAbs(home) {
		return nil, fmt.Errorf("there is no place for images: %q is no directory (set HOME)", home)
	}
	if err := os.MkdirAll(home, 0o711); err != nil {
		return nil, err
	}
	for _, dir := range []string{"", "blobs", "blobs/sha256", "layers", "unpacked", "ingest"} {
		if err := os.Mkdir(s.path(dir), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
	fd, err := owned.Open(s.Dir)
	if err != nil {
		return nil, fmt.Errorf("the storage of images is not safe: %w", err)
	}
	unix.Close(fd)
	if _, err := os.Lstat(s.path("oci-layout")); errors.Is(err, os.ErrNotExist) {
		err = s.write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Store) path(name string) string { return filepath.Join(s.Dir, name) }

// Blob is the file of a blob, Layer the directory of an unpacked layer by its chain ID, and Ingest the place of a file that is not complete.
func (s *Store) Blob(digest string) string   { return filepath.Join(s.Dir, "blobs/sha256", Hex(digest)) }
func (s *Store) Layer(chainID string) string { return filepath.Join(s.Dir, "layers", Hex(chainID)) }
func (s *Store) Ingest(name string) string   { return filepath.Join(s.Dir, "ingest", name) }

// A Lock keeps others away from the store until Unlock, or until the process ends, however it ends. flock(2)
type Lock struct{ file *os.File }

// ErrBusy is the error of a lock that somebody else has.
var ErrBusy = errors.New("another final is at work on the images")

// Share keeps the garbage collection away. Whoever adds images, or begins to use one, shares the lock with all others who do.
func (s *Store) Share() (*Lock, error) { return s.lock("lock", unix.LOCK_SH) }

// alone is the lock of the garbage collection. It does not wait: a pull may take long.
func (s *Store) alone() (*Lock, error) { return s.lock("lock", unix.LOCK_EX|unix.LOCK_NB) }

func (s *Store) lock(name string, how int) (*Lock, error) {
	file, err := os.OpenFile(s.path(name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(file.Fd()), how)
		if err != unix.EINTR {
			break
		}
	}
	switch {
	case err == unix.EWOULDBLOCK:
		file.Close()
		return nil, ErrBusy
	case err != nil:
		file.Close()
		return nil, &os.PathError{Op: "flock", Path: s.path(name), Err: err}
	}
	return &Lock{file}, nil
}

// Unlock lets others go on.
func (l *Lock) Unlock() { l.file.Close() }

// write writes a small file of the store as a whole: after a crash there is the old content or the new one.
func (s *Store) write(name string, content []byte) error {
	return writeWhole(s.path(name), s.Ingest("write-*"), content)
}

// writeWhole writes a file under another name first, and renames the file when its content is on the disk. rename(2), fsync(2)
func writeWhole(name, draft string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(draft), filepath.Base(draft))
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncDir(filepath.Dir(name))
}

// Sync writes all of the store to the disk. syncfs(2)
func (s *Store) Sync() error {
	dir, err := os.Open(s.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(dir.Fd())))
}

// syncDir writes the names in a directory to the disk.
func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// readJSON reads a document of the store.
func readJSON(name string, value any) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// LockIngest lets one process at a time work at a part of an image. It calls waits if it has to wait. The garbage collection removes the file.
func (s *Store) LockIngest(name string, waits func()) (*Lock, error) {
	name = filepath.Join("ingest", name+".lock")
	lock, err := s.lock(name, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, ErrBusy) {
		waits()
		lock, err = s.lock(name, unix.LOCK_EX)
	}
	return lock, err
}
