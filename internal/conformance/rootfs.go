//go:build linux

package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// busybox is where the package busybox-static installs its program.
const busybox = "/bin/busybox"

// makeRootfs puts the archive of the root file system where the programs look for it. The suite brings an archive for amd64 only. On
// other machines, the busybox in the archive is replaced by the machine's own.
func makeRootfs(source, built string) error {
	in, err := os.Open(filepath.Join(source, "rootfs-amd64.tar.gz"))
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(built, "rootfs-"+runtime.GOARCH+".tar.gz"))
	if err != nil {
		return err
	}
	if runtime.GOARCH == "amd64" {
		_, err = io.Copy(out, in)
	} else {
		err = replaceBusybox(out, in, busybox)
	}
	return errors.Join(err, out.Close())
}

// replaceBusybox copies a compressed archive, with another busybox in it.
func replaceBusybox(out io.Writer, in io.Reader, file string) error {
	program, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%w; it is in the package busybox-static", err)
	}
	zipped, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	zip := gzip.NewWriter(out)
	to, from := tar.NewWriter(zip), tar.NewReader(zipped)
	for {
		header, err := from.Next()
		if err == io.EOF {
			return errors.Join(to.Close(), zip.Close())
		}
		if err != nil {
			return err
		}
		found := filepath.Join("/", header.Name) == busybox
		if found {
			header.Size = int64(len(program))
		}
		if err := to.WriteHeader(header); err != nil {
			return err
		}
		if found {
			_, err = to.Write(program)
		} else {
			_, err = io.Copy(to, from)
		}
		if err != nil {
			return err
		}
	}
}
