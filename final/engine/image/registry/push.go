//go:build linux

package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
)

// parallel is how many blobs are uploaded at once, and attempts how often the upload of one is tried.
const (
	parallel = 4
	attempts = 4
)

// Push uploads an image under a tag: first the blobs that the registry has not got yet, and the manifest last.
func (c *Client) Push(ctx context.Context, store *image.Store, i *image.Image, r image.Reference, manifest image.Descriptor, report func(d image.Descriptor, what string, bytes int64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	blobs := append([]image.Descriptor{*i.Manifest.Config}, i.Manifest.Layers...)
	seen := map[string]bool{}
	free := make(chan struct{}, parallel)
	var work sync.WaitGroup
	for _, d := range blobs {
		if seen[d.Digest] {
			continue
		}
		seen[d.Digest] = true
		free <- struct{}{}
		work.Go(func() {
			defer func() { <-free }()
			if err := c.pushBlob(ctx, store, d, report); err != nil {
				cancel(err)
			}
		})
	}
	work.Wait()
	if err := context.Cause(ctx); err != nil {
		return explained(r.String(), err)
	}
	file, err := os.Open(store.Blob(manifest.Digest))
	if err != nil {
		return err
	}
	defer file.Close()
	return explained(r.String(), c.repository.PushReference(ctx, described(manifest), file, r.Tag))
}

func described(d image.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: d.MediaType, Digest: digest.Digest(d.Digest), Size: d.Size}
}

// pushBlob uploads a blob, unless the registry has it. An upload that breaks begins again.
func (c *Client) pushBlob(ctx context.Context, store *image.Store, d image.Descriptor, report func(d image.Descriptor, what string, bytes int64)) error {
	exists, err := c.repository.Blobs().Exists(ctx, described(d))
	if err != nil {
		return fmt.Errorf("upload %s: %w", d.Digest, err)
	}
	if exists {
		report(d, ingest.Exists, d.Size)
		return nil
	}
	for attempt := 1; ; attempt++ {
		err := c.upload(ctx, store, d, report)
		var permanent *os.PathError
		if err == nil {
			report(d, ingest.Complete, d.Size)
			return nil
		}
		if attempt == attempts || ctx.Err() != nil || errors.As(err, &permanent) || isOurs(err) {
			return fmt.Errorf("upload %s: %w", d.Digest, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(cmp.Or(c.options.FirstWait, time.Second/2) << (attempt - 1)):
		}
	}
}

// isOurs reports whether the registry says that the request is wrong. The same request would be wrong again.
func isOurs(err error) bool {
	var answer *errcode.ErrorResponse
	return errors.As(err, &answer) && answer.StatusCode < 500
}

func (c *Client) upload(ctx context.Context, store *image.Store, d image.Descriptor, report func(d image.Descriptor, what string, bytes int64)) error {
	file, err := os.Open(store.Blob(d.Digest))
	if err != nil {
		return err
	}
	defer file.Close()
	sent := int64(0)
	return c.repository.Blobs().Push(ctx, described(d), io.TeeReader(file, reporter(func(n int) {
		sent += int64(n)
		report(d, ingest.Uploading, sent)
	})))
}

// reporter is a writer that only counts.
type reporter func(n int)

func (r reporter) Write(content []byte) (int, error) {
	r(len(content))
	return len(content), nil
}
