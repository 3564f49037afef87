//go:build linux

// Package archive runs in final-helper. It reads images from tar files and writes them: the layout of the OCI, and the archives of docker
// save. An archive is hostile input like an answer of a registry: package ingest verifies each part.
package archive

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
)

// The limits of an archive. maxArchive is the size of its tar file, and maxDocument that of a JSON file in it. The names of all files are in
// memory, and those of images are about a hundred bytes long.
const (
	maxArchive  = 256 << 30
	maxEntries  = 100_000
	maxImages   = 1000
	maxDocument = 4 << 20
	maxLinks    = 8
	maxName     = 1024
)

// An Archive is a tar file with images.
type Archive struct {
	file  *os.File
	files map[string]place
	// blobs are files that have no name of a blob, by their digests, and known are their descriptors by their names.
	blobs map[string]string
	known map[string]image.Descriptor
}

// A place is where a file is in the tar file. A link has a target instead.
type place struct {
	offset, size int64
	target       string
}

// Open reads the list of files in an archive. The archive may be compressed, and may be a pipe: then its tar file is put into a file in dir
// that has no name, so nothing of it can stay.
func Open(input *os.File, dir string) (*Archive, error) {
	file, err := plain(input, dir)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", input.Name(), err)
	}
	a := &Archive{file: file, files: map[string]place{}, blobs: map[string]string{}, known: map[string]image.Descriptor{}}
	reader := tar.NewReader(file)
	for n := 0; ; n++ {
		header, err := reader.Next()
		switch {
		case err == io.EOF && n > 0:
			return a, nil
		case err == io.EOF:
			err = errors.New("the file is empty")
		case err == nil && n >= maxEntries:
			err = fmt.Errorf("there are more than %d files in it", maxEntries)
		case err == nil && max(len(header.Name), len(header.Linkname)) > maxName:
			err = fmt.Errorf("a name in it has more than %d bytes", maxName)
		}
		if err != nil {
			a.Close()
			return nil, fmt.Errorf("read %s as a tar file: %w", input.Name(), err)
		}
		name := path.Clean("/" + header.Name)
		switch header.Typeflag {
		case tar.TypeReg:
			// The reader has read the header and nothing behind it.
			offset, err := file.Seek(0, io.SeekCurrent)
			if err != nil {
				return nil, err
			}
			a.files[name] = place{offset: offset, size: header.Size}
		case tar.TypeSymlink:
			a.files[name] = place{target: path.Join(path.Dir(name), header.Linkname)}
		case tar.TypeLink:
			a.files[name] = place{target: path.Clean("/" + header.Linkname)}
		}
	}
}

// Close closes the archive.
func (a *Archive) Close() { a.file.Close() }

// plain returns a tar file that is not compressed, and in which one can seek.
func plain(input *os.File, dir string) (*os.File, error) {
	reader := bufio.NewReaderSize(input, 256<<10)
	compression := ingest.Compression(reader)
	if _, err := input.Seek(0, io.SeekStart); err == nil {
		if compression == "" {
			return input, nil
		}
		// The file begins again, and the reader has its beginning already.
		reader.Reset(input)
	}
	content, err := ingest.Decompress(reader, compression)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	file, err := Nameless(dir)
	if err != nil {
		return nil, err
	}
	return file, fill(file, content, dir)
}

// fill copies a tar file into a new file, and goes back to the beginning of the file. fill stops before the disk is full. After an error, the
// file is closed.
func fill(file *os.File, content io.Reader, dir string) error {
	room, err := ingest.Room(dir)
	if err == nil {
		var n int64
		most := min(room.Bytes, maxArchive)
		n, err = io.Copy(file, io.LimitReader(content, most+1))
		if err == nil && n > most {
			err = fmt.Errorf("its tar file has more than %d bytes, and there is no room for more in %s (make room on the disk)", most, dir)
		}
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
	}
	return err
}

// Nameless makes a file without a name. open(2), O_TMPFILE
func Nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_RDWR|unix.O_TMPFILE|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.EOPNOTSUPP) {
		file, err := os.CreateTemp(dir, "nameless-*")
		if err != nil {
			return nil, err
		}
		return file, os.Remove(file.Name())
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return os.NewFile(uintptr(fd), filepath.Join(dir, "(nameless)")), nil
}

// find returns a file of the archive. It follows links of the archive, and no other links.
func (a *Archive) find(name string) (place, error) {
	name = path.Clean("/" + name)
	for range maxLinks {
		p, found := a.files[name]
		if !found {
			return p, &os.PathError{Op: "open", Path: name[1:], Err: os.ErrNotExist}
		}
		if p.target == "" {
			return p, nil
		}
		name = p.target
	}
	return place{}, &os.PathError{Op: "open", Path: name[1:], Err: unix.ELOOP}
}

func (a *Archive) section(p place) *io.SectionReader {
	return io.NewSectionReader(a.file, p.offset, p.size)
}

// document reads a JSON file of the archive.
func (a *Archive) document(name string) ([]byte, error) {
	p, err := a.find(name)
	if err != nil {
		return nil, err
	}
	if p.size > maxDocument {
		return nil, fmt.Errorf("%s has more than %d bytes", name, maxDocument)
	}
	return io.ReadAll(a.section(p))
}

func (a *Archive) readJSON(name string, value any) error {
	content, err := a.document(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Open makes an archive a source of blobs. See [ingest.Source].
func (a *Archive) Open(_ context.Context, d image.Descriptor, offset int64) (io.ReadCloser, error) {
	name, known := a.blobs[d.Digest]
	if !known {
		name = "blobs/sha256/" + image.Hex(d.Digest)
	}
	p, err := a.find(name)
	if err != nil {
		return nil, ingest.Permanent{Err: err}
	}
	section := a.section(p)
	if _, err := section.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	return io.NopCloser(section), nil
}
