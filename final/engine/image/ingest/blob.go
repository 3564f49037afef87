//go:build linux

package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"container-workshop/final/engine/image"
)

// Digest is the digest of bytes.
func Digest(content []byte) string {
	hash := sha256.New()
	hash.Write(content)
	return Sum(hash)
}

// Sum is the digest of all bytes that a SHA-256 hash has got.
func Sum(hash hash.Hash) string { return "sha256:" + hex.EncodeToString(hash.Sum(nil)) }

// document reads a small blob into memory, and verifies it.
func (a *Adder) document(ctx context.Context, d image.Descriptor) ([]byte, error) {
	if d.Size > maxDocument {
		return nil, refuse("%s has %d bytes: a manifest or config may have %d", d.Digest, d.Size, maxDocument)
	}
	// The blob of a layer may have the same name, and be large.
	if info, err := os.Stat(a.Store.Blob(d.Digest)); err == nil {
		if info.Size() != d.Size {
			return nil, wrongSize(d, info.Size())
		}
		content, err := os.ReadFile(a.Store.Blob(d.Digest))
		if err != nil {
			return nil, err
		}
		return content, verify(d, content)
	}
	blob, err := a.Source.Open(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	content, err := io.ReadAll(io.LimitReader(blob, d.Size+1))
	if err != nil {
		return nil, err
	}
	return content, verify(d, content)
}

func verify(d image.Descriptor, content []byte) error {
	if int64(len(content)) != d.Size {
		return wrongSize(d, int64(len(content)))
	}
	if digest := Digest(content); digest != d.Digest {
		return refuse("%s has the digest %s: the content is not what the name promises", d.Digest, digest)
	}
	return nil
}

func wrongSize(d image.Descriptor, has int64) error {
	if has > d.Size {
		return refuse("%s has more than the %d bytes that the manifest promises", d.Digest, d.Size)
	}
	return refuse("%s has %d bytes, and the manifest promises %d", d.Digest, has, d.Size)
}

// put writes a verified document into the store.
func (a *Adder) put(digest string, content []byte) error {
	if _, err := os.Stat(a.Store.Blob(digest)); err == nil {
		return nil
	}
	return a.keep(digest, bytes.NewReader(content))
}

func (a *Adder) keep(digest string, content io.Reader) error {
	lock, err := a.Store.LockIngest(image.Hex(digest), func() {})
	if err != nil {
		return err
	}
	defer lock.Unlock()
	file, err := os.Create(a.Store.Ingest(image.Hex(digest)))
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(file, content); err != nil {
		return err
	}
	return os.Rename(file.Name(), a.Store.Blob(digest))
}

// blob brings a layer into the store. What an earlier, broken download has left is not downloaded again.
func (a *Adder) blob(ctx context.Context, d image.Descriptor) error {
	lock, err := a.Store.LockIngest(image.Hex(d.Digest), func() { a.report(d, Blocked, 0) })
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if info, err := os.Stat(a.Store.Blob(d.Digest)); err == nil {
		if info.Size() != d.Size {
			return wrongSize(d, info.Size())
		}
		a.report(d, Exists, d.Size)
		return nil
	}
	file, err := os.OpenFile(a.Store.Ingest(image.Hex(d.Digest)), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	resumed, err := a.download(ctx, d, file)
	var refusal *Refusal
	if errors.As(err, &refusal) && resumed {
		// Perhaps only the part of an earlier download is wrong.
		if err = errors.Join(file.Truncate(0), rewind(file)); err == nil {
			_, err = a.download(ctx, d, file)
		}
	}
	if errors.As(err, &refusal) {
		return errors.Join(err, os.Remove(file.Name()))
	}
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), a.Store.Blob(d.Digest))
}

func rewind(file io.Seeker) error {
	_, err := file.Seek(0, io.SeekStart)
	return err
}

// attempts is how often final tries again, one time after the other, without a byte of progress.
const attempts = 5

// download completes a file that has the beginning of a blob, and verifies all of it. It says whether the file had a beginning.
func (a *Adder) download(ctx context.Context, d image.Descriptor, file *os.File) (resumed bool, err error) {
	hash := sha256.New()
	have, err := io.Copy(hash, file)
	if err != nil {
		return false, err
	}
	resumed = have > 0
	for failed := 0; have < d.Size; {
		n, err := a.more(ctx, d, have, io.MultiWriter(file, hash))
		if have += n; n > 0 {
			failed = 0
		}
		switch {
		case err == nil && have < d.Size:
			return resumed, wrongSize(d, have)
		case err == nil:
		case failed == attempts || comesAgain(err) || ctx.Err() != nil:
			return resumed, err
		default:
			failed++
			if err := a.wait(ctx, failed); err != nil {
				return resumed, err
			}
		}
	}
	if have > d.Size {
		return resumed, wrongSize(d, have)
	}
	if digest := Sum(hash); digest != d.Digest {
		return resumed, refuse("%s has the digest %s: the content is not what the name promises", d.Digest, digest)
	}
	return resumed, nil
}

// more copies a blob from an offset on, up to one byte more than it should have.
func (a *Adder) more(ctx context.Context, d image.Descriptor, offset int64, to io.Writer) (int64, error) {
	blob, err := a.Source.Open(ctx, d, offset)
	if err != nil {
		return 0, err
	}
	defer blob.Close()
	a.report(d, Downloading, offset)
	counted := &counter{to: to, count: func(n int64) { a.report(d, Downloading, offset+n) }}
	n, err := io.CopyBuffer(struct{ io.Writer }{counted}, io.LimitReader(blob, d.Size-offset+1), make([]byte, 256<<10))
	if err != nil {
		err = fmt.Errorf("download %s: %w", d.Digest, err)
	}
	return n, err
}

// wait waits before a download is tried again, each time twice as long.
func (a *Adder) wait(ctx context.Context, failed int) error {
	first := a.FirstWait
	if first == 0 {
		first = time.Second / 2
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(first << (failed - 1)):
		return nil
	}
}

// A counter tells how much has been written.
type counter struct {
	to    io.Writer
	n     int64
	count func(n int64)
}

func (c *counter) Write(content []byte) (int, error) {
	n, err := c.to.Write(content)
	c.n += int64(n)
	c.count(c.n)
	return n, err
}
