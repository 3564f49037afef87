//go:build linux

// Package ingest runs in final-helper. It brings images into the store: it asks a source for the parts of an image, and believes none of
// them. Digests and sizes are verified before anything is used, and the digest of a layer's tar file once more when the layer is unpacked.
// A part gets its name in the store when it is complete, and the image gets its name last, when all parts are on the disk. So at any moment a
// signal or a power failure leaves a store without wrong images.
package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/layer"
)

// A Source has the parts of images: a registry, or an archive.
type Source interface {
	// Open opens a blob or a manifest from an offset on. It need not verify anything.
	Open(ctx context.Context, d image.Descriptor, offset int64) (io.ReadCloser, error)
}

// What happens to a layer.
const (
	Waiting     = "waiting"
	Blocked     = "waiting for another final, which is at work on this layer"
	Downloading = "downloading"
	Uploading   = "uploading"
	Unpacking   = "unpacking"
	Exists      = "exists"
	Complete    = "complete"
)

// An Adder adds images to a store.
type Adder struct {
	Store  *image.Store
	Source Source
	// Options say how layers are unpacked.
	Options layer.Options
	// Report learns what happens to each layer, and how many bytes of it there are. It is called by several goroutines, and often.
	Report func(d image.Descriptor, what string, bytes int64)
	// FirstWait is the time before a broken download goes on. It is half a second if it is 0.
	FirstWait time.Duration
	// room is what is left for all images together: see left.
	room *layer.Limits
}

func (a *Adder) report(d image.Descriptor, what string, bytes int64) {
	if a.Report != nil {
		a.Report(d, what, bytes)
	}
}

// Add adds the image of a manifest, or the image of an index that is for this machine, under names. An image that is refused leaves nothing.
// After another error the store keeps what is complete, and the beginnings of the rest: the next try goes on there.
func (a *Adder) Add(ctx context.Context, root image.Descriptor, names ...string) (*image.Image, error) {
	if err := a.Store.AfterRestart(); err != nil {
		return nil, err
	}
	lock, err := a.Store.Share()
	if err != nil {
		return nil, err
	}
	added, err := a.add(ctx, root, names)
	lock.Unlock()
	var refusal *Refusal
	if err == nil || errors.As(err, &refusal) {
		if _, err2 := a.Store.Collect(); err2 != nil && !errors.Is(err2, image.ErrBusy) {
			err = errors.Join(err, err2)
		}
	}
	return added, err
}

func (a *Adder) add(ctx context.Context, root image.Descriptor, names []string) (*image.Image, error) {
	content, m, d, err := a.manifest(ctx, root)
	if err != nil {
		return nil, err
	}
	config, err := a.document(ctx, *m.Config)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	c, err := ParseConfig(config, m)
	if err != nil {
		return nil, err
	}
	if err := a.reserve(m); err != nil {
		return nil, err
	}
	chainIDs := layer.ChainIDs(c.RootFS.DiffIDs)
	if err := a.layers(ctx, m, chainIDs, c.RootFS.DiffIDs); err != nil {
		return nil, err
	}
	if err := a.put(m.Config.Digest, config); err != nil {
		return nil, err
	}
	if err := a.put(d.Digest, content); err != nil {
		return nil, err
	}
	if err := a.Store.SetUnpacked(d.Digest, chainIDs); err != nil {
		return nil, err
	}
	if err := a.Store.Sync(); err != nil {
		return nil, err
	}
	if err := a.Store.Name(d, names...); err != nil {
		return nil, err
	}
	return a.Store.Read(d.Digest)
}

// manifest gets the manifest of the image. If the root is an index, that is the manifest for this machine.
func (a *Adder) manifest(ctx context.Context, d image.Descriptor) ([]byte, *image.Manifest, image.Descriptor, error) {
	// An index may name an index once, which nobody does.
	for range 2 {
		content, err := a.document(ctx, d)
		if err != nil {
			return nil, nil, d, fmt.Errorf("manifest: %w", err)
		}
		m, err := ParseManifest(content, d.MediaType)
		if err != nil || !image.IsIndex(d.MediaType) {
			return content, m, d, err
		}
		best, err := choose(m)
		if err != nil {
			return nil, nil, d, refused(err)
		}
		d = image.Descriptor{MediaType: best.MediaType, Digest: best.Digest, Size: best.Size}
	}
	return nil, nil, d, refuse("the index leads to another index")
}

// parallel is how many layers are downloaded at once.
const parallel = 4

// layers downloads all layers, and unpacks them from the bottom up: a layer depends on those below it. The first error ends all of it.
func (a *Adder) layers(ctx context.Context, m *image.Manifest, chainIDs, diffIDs []string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	complete := a.blobs(ctx, cancel, &work, m.Layers)
	write := make(chan struct{}, 1)
	work.Go(func() {
		// The disk writes layers while others are unpacked, so Add has less to wait for in the end.
		for range write {
			if err := a.Store.Sync(); err != nil {
				cancel(err)
			}
		}
	})
	for i, d := range m.Layers {
		if <-complete[i] != nil {
			break
		}
		if err := a.unpack(d, diffIDs[i], chainIDs[:i+1]); err != nil {
			cancel(err)
			break
		}
		a.report(d, Complete, d.Size)
		select {
		case write <- struct{}{}:
		default:
		}
	}
	close(write)
	// Nobody leaves the store before the last download has ended.
	work.Wait()
	return context.Cause(ctx)
}

// blobs downloads layers, several at once. Each channel says when a layer is there, or why not.
func (a *Adder) blobs(ctx context.Context, cancel context.CancelCauseFunc, work *sync.WaitGroup, layers []image.Descriptor) []chan error {
	complete := make([]chan error, len(layers))
	free := make(chan struct{}, parallel)
	for i, d := range layers {
		a.report(d, Waiting, 0)
		complete[i] = make(chan error, 1)
	}
	work.Go(func() {
		for i, d := range layers {
			free <- struct{}{}
			work.Go(func() {
				err := ctx.Err()
				if err == nil {
					err = a.blob(ctx, d)
				}
				if err != nil {
					cancel(fmt.Errorf("layer: %w", err))
				}
				complete[i] <- err
				<-free
			})
		}
	})
	return complete
}

// AddMade adds an image that has no manifest yet: this is its configuration, and its layers are in the source.
func (a *Adder) AddMade(ctx context.Context, config []byte, layers []image.Descriptor, names ...string) (*image.Image, error) {
	m := &image.Manifest{SchemaVersion: 2, MediaType: image.TypeManifest, Layers: layers,
		Config: &image.Descriptor{MediaType: image.TypeConfig, Digest: Digest(config), Size: int64(len(config))}}
	manifest, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	root := image.Descriptor{MediaType: image.TypeManifest, Digest: Digest(manifest), Size: int64(len(manifest))}
	if _, err := a.left(); err != nil {
		return nil, err
	}
	made := *a
	made.Source = &documents{a.Source, map[string][]byte{root.Digest: manifest, m.Config.Digest: config}}
	return made.Add(ctx, root, names...)
}
