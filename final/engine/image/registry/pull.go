//go:build linux

package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
)

// maxManifest is the size of manifests that registries accept.
const maxManifest = 4 << 20

// accept is the Accept header of a request for a manifest: the media types that final understands.
var accept = strings.Join([]string{image.TypeIndex, image.TypeManifest, image.DockerIndex, image.DockerManifest}, ", ")

// Resolve asks which manifest a tag or a digest names.
func (c *Client) Resolve(ctx context.Context, r image.Reference) (image.Descriptor, error) {
	name := r.Tag
	if r.Digest != "" {
		name = r.Digest
	}
	content, mediaType, err := c.manifest(ctx, name)
	if err != nil {
		return image.Descriptor{}, explained(r.String(), err)
	}
	d := image.Descriptor{MediaType: mediaType, Digest: ingest.Digest(content), Size: int64(len(content))}
	if r.Digest != "" && r.Digest != d.Digest {
		return d, &ingest.Refusal{Why: fmt.Sprintf("%s: the registry has answered with the manifest %s", r, d.Digest)}
	}
	c.root, c.rootContent = d.Digest, content
	return d, nil
}

// manifest gets a manifest or an index by a tag or a digest.
func (c *Client) manifest(ctx context.Context, name string) (content []byte, mediaType string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answer, err := c.get(ctx, "manifests/"+name, http.Header{"Accept": {accept}})
	if err != nil {
		return nil, "", err
	}
	body := newWatched(answer.Body, answer.Body, cancel, c.options.Stall)
	defer body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, "", failure(answer)
	}
	mediaType, _, err = mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil {
		return nil, "", fmt.Errorf("content type of the manifest: %w", err)
	}
	content, err = io.ReadAll(io.LimitReader(body, maxManifest+1))
	if err == nil && len(content) > maxManifest {
		err = &ingest.Refusal{Why: fmt.Sprintf("the manifest has more than %d bytes", maxManifest)}
	}
	return content, mediaType, err
}

// Open makes the client a source of blobs and manifests. See [ingest.Source].
func (c *Client) Open(ctx context.Context, d image.Descriptor, offset int64) (io.ReadCloser, error) {
	if d.Digest == c.root {
		return io.NopCloser(bytes.NewReader(c.rootContent)), nil
	}
	if image.IsIndex(d.MediaType) || image.IsManifest(d.MediaType) {
		content, mediaType, err := c.manifest(ctx, d.Digest)
		if err == nil && mediaType != d.MediaType {
			err = &ingest.Refusal{Why: fmt.Sprintf("the index says that %s has the type %q, and the registry says %q", d.Digest, d.MediaType, mediaType)}
		}
		return io.NopCloser(bytes.NewReader(content)), err
	}
	// The context has to live as long as the download.
	ctx, cancel := context.WithCancelCause(ctx)
	header := http.Header{}
	if offset > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, d.Size-1))
	}
	answer, err := c.get(ctx, "blobs/"+d.Digest, header)
	if err == nil && answer.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		// This registry does not know ranges of this kind, so it sends all of the blob.
		answer.Body.Close()
		answer, err = c.get(ctx, "blobs/"+d.Digest, http.Header{})
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	body, err := from(answer, offset)
	if err != nil {
		answer.Body.Close()
		cancel(nil)
		return nil, err
	}
	return newWatched(body, answer.Body, cancel, c.options.Stall), nil
}

// from returns the body of an answer from an offset on, whether or not the registry knows ranges.
func from(answer *http.Response, offset int64) (io.Reader, error) {
	switch {
	case answer.StatusCode == http.StatusOK:
		_, err := io.CopyN(io.Discard, answer.Body, offset)
		return answer.Body, err
	case answer.StatusCode == http.StatusPartialContent && offset > 0:
		if !strings.HasPrefix(answer.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)) {
			return nil, ingest.Permanent{Err: fmt.Errorf("the registry was asked for the bytes from %d on, and answers with %q", offset, answer.Header.Get("Content-Range"))}
		}
		return answer.Body, nil
	}
	return nil, failure(answer)
}

// get sends a request for something in the repository.
func (c *Client) get(ctx context.Context, what string, header http.Header) (*http.Response, error) {
	ctx = auth.AppendRepositoryScope(ctx, c.repository.Reference, auth.ActionPull)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url()+what, nil)
	if err != nil {
		return nil, err
	}
	for key, values := range header {
		request.Header[key] = values
	}
	return c.repository.Client.Do(request)
}

func (c *Client) url() string {
	scheme := "https"
	if c.repository.PlainHTTP {
		scheme = "http"
	}
	return scheme + "://" + c.repository.Reference.Host() + "/v2/" + c.repository.Reference.Repository + "/"
}

// failure is the error of an answer. What a client has done wrong, it would do wrong again.
func failure(answer *http.Response) error {
	response := &errcode.ErrorResponse{Method: answer.Request.Method, URL: answer.Request.URL, StatusCode: answer.StatusCode}
	var body struct{ Errors errcode.Errors }
	if json.NewDecoder(io.LimitReader(answer.Body, 8<<10)).Decode(&body) == nil {
		response.Errors = body.Errors
	}
	if answer.StatusCode < 500 {
		return ingest.Permanent{Err: response}
	}
	return response
}

// watched is a download that ends if it brings nothing for a while.
type watched struct {
	io.Reader
	body   io.Closer
	cancel context.CancelCauseFunc
	stall  time.Duration
	timer  *time.Timer
}

var errStalled = errors.New("the registry has sent nothing for a while")

func newWatched(from io.Reader, body io.Closer, cancel context.CancelCauseFunc, stall time.Duration) *watched {
	if stall == 0 {
		stall = time.Minute
	}
	return &watched{from, body, cancel, stall, time.AfterFunc(stall, func() { cancel(errStalled) })}
}

func (w *watched) Read(content []byte) (int, error) {
	w.timer.Reset(w.stall)
	return w.Reader.Read(content)
}

func (w *watched) Close() error {
	w.timer.Stop()
	w.cancel(nil)
	return w.body.Close()
}
