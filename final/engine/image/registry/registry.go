//go:build linux

// Package registry runs in final-helper. It speaks with registries, over HTTP: it is the source of the images that are pulled, and pushes
// images. A registry is hostile: package ingest verifies whatever it answers. Names and passwords go to no server but the registry that they
// are for, and to the server that gives out its tokens.
// https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"

	"container-workshop/final/engine/image"
)

// Options say how to speak with a registry.
type Options struct {
	// TLSVerify is true, false or force. With false, a registry on this host may have any certificate or none, and with force, any registry.
	TLSVerify string
	// CA is a file with certificates to trust.
	CA string
	// Explain learns about each request, if it is not nil.
	Explain func(line string)
	// Stall is how long a download may bring nothing: a minute if it is 0. FirstWait is the first wait after a failure: half a second if it
	// is 0.
	Stall, FirstWait time.Duration
}

// A Client speaks with one registry about one repository.
type Client struct {
	repository *remote.Repository
	options    Options
	credential credentials.Store
	// root is the digest of the manifest that was asked for by name, and rootContent its bytes.
	root        string
	rootContent []byte
}

// New makes a client for the repository of an image. It asks the registry for nothing, but with TLSVerify false for whether it has TLS.
func New(ctx context.Context, r image.Reference, o Options) (*Client, error) {
	transport, err := newTransport(r.Registry, o)
	if err != nil {
		return nil, err
	}
	store, err := credentialStore()
	if err != nil {
		return nil, err
	}
	policy := patience(cmp.Or(o.FirstWait, time.Second/2))
	client := &auth.Client{
		Client:     &http.Client{Transport: &retry.Transport{Base: transport, Policy: func() retry.Policy { return policy }}, CheckRedirect: checkRedirect},
		Header:     http.Header{"User-Agent": {"container-workshop-final"}},
		Cache:      auth.NewCache(),
		Credential: credentials.Credential(store),
		ClientID:   "container-workshop-final",
	}
	c := &Client{repository: &remote.Repository{
		Client: client, Reference: registry.Reference{Registry: r.Registry, Repository: r.Repository}, SkipReferrersGC: true,
	}, options: o, credential: store}
	if o.TLSVerify != "true" {
		c.repository.PlainHTTP, err = isPlain(ctx, transport, c.repository.Reference.Host())
	}
	return c, err
}

// patience says when a request is sent again: five times after what a registry that is busy or broken answers. Each wait is twice as long as
// the one before, and a registry that says how long to wait is believed up to a minute.
func patience(first time.Duration) retry.Policy {
	backoff := retry.ExponentialBackoff(first, 2, 0.1)
	return &retry.GenericPolicy{
		Retryable: retry.DefaultPredicate,
		Backoff: func(attempt int, answer *http.Response) time.Duration {
			if wait, ok := retryAfter(answer); ok {
				return wait
			}
			return backoff(attempt, nil)
		},
		MaxWait:  time.Minute,
		MaxRetry: 5,
	}
}

// retryAfter reads the header that says how long to wait: seconds, or a time. RFC 9110, 10.2.3
func retryAfter(answer *http.Response) (time.Duration, bool) {
	if answer == nil {
		return 0, false
	}
	text := answer.Header.Get("Retry-After")
	if seconds, err := time.ParseDuration(text + "s"); err == nil && seconds >= 0 {
		return seconds, true
	}
	at, err := http.ParseTime(text)
	return time.Until(at), err == nil
}

// isPlain reports whether a registry speaks HTTP without TLS.
func isPlain(ctx context.Context, transport http.RoundTripper, host string) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/v2/", nil)
	if err != nil {
		return false, err
	}
	answer, err := (&http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(request)
	if errors.Is(err, http.ErrSchemeMismatch) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("registry %s: %w", host, cause(err))
	}
	answer.Body.Close()
	return false, nil
}

// isLoopback reports whether a HOST[:PORT] is this host.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

// checkRedirect follows no redirect that is less safe than the request.
func checkRedirect(request *http.Request, via []*http.Request) error {
	switch {
	case via[len(via)-1].URL.Scheme == "https" && request.URL.Scheme != "https":
		return fmt.Errorf("the registry leads from https to %s, where everybody could read and change what we get", request.URL.Redacted())
	case len(via) >= 10:
		return errors.New("the registry leads from one place to another, ten times")
	}
	return nil
}

// credentialStore is the file in which docker login and podman login keep passwords, and the programs that this file names.
func credentialStore() (credentials.Store, error) {
	if os.Getenv("DOCKER_CONFIG") == "" && os.Getenv("HOME") == "" {
		return credentials.NewMemoryStore(), nil
	}
	return credentials.NewStoreFromDocker(credentials.StoreOptions{AllowPlaintextPut: true})
}

// ConfigFile is the file of credentialStore.
func ConfigFile() string {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return filepath.Join(dir, "config.json")
	}
	return filepath.Join(os.Getenv("HOME"), ".docker/config.json")
}

// cause leaves out what an error of package net/http repeats.
func cause(err error) error {
	var operation *net.OpError
	if errors.As(err, &operation) && errors.Is(err, os.ErrDeadlineExceeded) {
		return operation
	}
	return err
}

// explained adds what to do to an error of a registry.
func explained(name string, err error) error {
	var answer *errcode.ErrorResponse
	switch {
	case err == nil:
		return nil
	case errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("%s: the registry has no TLS (for one on this host: --tls-verify=false): %w", name, err)
	case strings.Contains(err.Error(), "certificate"):
		return fmt.Errorf("%s: %w (if the registry has its own authority: --ca FILE)", name, err)
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return fmt.Errorf("%s: the registry wants a name and a password (final login)", name)
	case errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		return fmt.Errorf("%s: %w (no such image, or you may not have it: final login)", name, err)
	case errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s: %w (the registry has no such repository or tag: look at the name and the tag)", name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}
