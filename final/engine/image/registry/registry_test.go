//go:build linux

package registry

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
)

func pemOf(certificate []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
}

func TestAnImageGoesToARegistryAndBack(t *testing.T) {
	s := newServer(t).plain()
	i, r := filled(t, s, quick)
	for _, name := range []string{"app:1", "app@" + i.Digest} {
		store := newStore(t)
		got, err := pull(store, s.reference(t, name), quick)
		require.NoError(t, err)
		assert.Equal(t, i.Digest, got.Digest)
		verified(t, store, i.Digest)
	}
	// What the registry has is not sent again.
	s.answer(nil)
	store := newStore(t)
	_, err := pull(store, r, quick)
	require.NoError(t, err)
	require.NoError(t, push(store, i, s.reference(t, "app:2"), quick))
	assert.Empty(t, s.seen("POST"))

	_, err = pull(store, s.reference(t, "none:1"), quick)
	assert.ErrorContains(t, err, "404")
	_, err = pull(store, s.reference(t, "app:none"), quick)
	assert.ErrorContains(t, err, "app:none")
}

func TestTLS(t *testing.T) {
	s := newServer(t)
	ca := s.tls(t)
	trusting := Options{TLSVerify: "true", CA: ca, FirstWait: time.Millisecond}
	i, r := filled(t, s, trusting)
	store := newStore(t)
	_, err := pull(store, r, Options{TLSVerify: "true"})
	assert.ErrorContains(t, err, "--ca FILE")
	for _, o := range []Options{trusting, quick, {TLSVerify: "force"}} {
		_, err = pull(store, r, o)
		require.NoError(t, err)
	}
	verified(t, store, i.Digest)

	_, err = pull(store, r, Options{TLSVerify: "true", CA: "/dev/null"})
	assert.ErrorContains(t, err, "/dev/null has no certificate")
	plain := newServer(t).plain()
	_, err = pull(store, plain.reference(t, "app:1"), Options{TLSVerify: "true"})
	assert.ErrorContains(t, err, "the registry has no TLS (for one on this host: --tls-verify=false)")
	elsewhere, err := image.ParseReference("registry.example/app", "")
	require.NoError(t, err)
	_, err = pull(store, elsewhere, Options{TLSVerify: "false"})
	assert.ErrorContains(t, err, "registry.example is not this host")
	_, err = pull(store, r, Options{TLSVerify: "maybe"})
	assert.ErrorContains(t, err, "must be true, false or force")
}

// The name of a registry is no pattern, though it may have brackets.
func TestTheAuthorityOfARegistryWithAnIPv6Address(t *testing.T) {
	was := certificates
	t.Cleanup(func() { certificates = was })
	certificates = t.TempDir()
	for _, host := range []string{"[::1]:5000", "registry.example"} {
		require.NoError(t, os.Mkdir(filepath.Join(certificates, host), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(certificates, host, "own.crt"), []byte("none"), 0o600))
		_, err := newTransport(host, Options{TLSVerify: "true"})
		assert.ErrorContains(t, err, host+"/own.crt has no certificate")
	}
	_, err := newTransport("other.example", Options{TLSVerify: "true"})
	require.NoError(t, err)
}

func TestNoRedirectIsLessSafe(t *testing.T) {
	s := newServer(t)
	ca := s.tls(t)
	plain := newServer(t).plain()
	i, r := filled(t, s, Options{TLSVerify: "true", CA: ca})
	layer := i.Manifest.Layers[1].Digest
	to := plain.URL
	s.answer(func(w http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, layer) {
			http.Redirect(w, q, to+q.URL.Path, http.StatusTemporaryRedirect)
			return true
		}
		return false
	})
	_, err := pull(newStore(t), r, Options{TLSVerify: "true", CA: ca, FirstWait: time.Millisecond})
	assert.ErrorContains(t, err, "from https to http")
	assert.Empty(t, plain.seen(layer))
	to = "https://registry.example"
	_, err = pull(newStore(t), r, quick)
	assert.ErrorContains(t, err, "registry.example: --tls-verify=false is for this host only")
}

// A registry that is busy says how long to wait, and one that is broken does not.
func TestARequestIsSentAgain(t *testing.T) {
	for name, header := range map[string]http.Header{"429": {"Retry-After": {"0"}}, "503": {"Retry-After": {time.Now().UTC().Format(http.TimeFormat)}}, "500": {}} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t).plain()
			i, r := filled(t, s, quick)
			status, err := strconv.Atoi(name)
			require.NoError(t, err)
			failed := map[string]int{}
			s.answer(func(w http.ResponseWriter, q *http.Request) bool {
				s.mutex.Lock()
				defer s.mutex.Unlock()
				if failed[q.URL.Path]++; failed[q.URL.Path] > 2 || q.URL.Path == "/v2/" {
					return false
				}
				for key, value := range header {
					w.Header()[key] = value
				}
				w.WriteHeader(status)
				return true
			})
			store := newStore(t)
			_, err = pull(store, r, quick)
			require.NoError(t, err)
			verified(t, store, i.Digest)
			assert.Len(t, s.seen("/manifests/1"), 3)
		})
	}
	for text, want := range map[string]time.Duration{"7": 7 * time.Second, "0": 0} {
		wait, ok := retryAfter(&http.Response{Header: http.Header{"Retry-After": {text}}})
		assert.True(t, ok)
		assert.Equal(t, want, wait)
	}
	wait, ok := retryAfter(&http.Response{Header: http.Header{"Retry-After": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}})
	assert.True(t, ok)
	assert.Greater(t, wait, 50*time.Minute)
	for _, text := range []string{"", "soon", "-1"} {
		_, ok := retryAfter(&http.Response{Header: http.Header{"Retry-After": {text}}})
		assert.False(t, ok, text)
	}
}

// A registry that goes on failing is given up, in few requests.
func TestARegistryThatFailsIsGivenUp(t *testing.T) {
	s := newServer(t).plain()
	_, r := filled(t, s, quick)
	s.answer(func(w http.ResponseWriter, q *http.Request) bool {
		if q.URL.Path == "/v2/" {
			return false
		}
		w.WriteHeader(http.StatusBadGateway)
		return true
	})
	_, err := pull(newStore(t), r, quick)
	assert.ErrorContains(t, err, "502")
	assert.Len(t, s.seen("/manifests/1"), 6)
}

// breaks ends the connection after some bytes of a blob.
func breaks(s *server, blob string, after int, ranges bool) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, blob) {
			return false
		}
		if !ranges {
			r.Header.Del("Range")
		}
		content := recorded(s, r)
		for key, values := range content.header {
			w.Header()[key] = values
		}
		w.WriteHeader(content.status)
		if len(content.body) <= after {
			_, _ = w.Write(content.body)
			return true
		}
		_, _ = w.Write(content.body[:after])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func TestABrokenDownloadGoesOnWhereItBroke(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		t.Run(fmt.Sprint("ranges ", ranges), func(t *testing.T) {
			s := newServer(t).plain()
			i, r := filled(t, s, quick)
			layer := i.Manifest.Layers[1]
			after := 400_000
			if !ranges {
				// Without ranges each answer begins at the beginning, so it has to come further each time.
				after = int(layer.Size) - 1
			}
			s.answer(breaks(s, layer.Digest, after, ranges))
			store := newStore(t)
			_, err := pull(store, r, quick)
			if !ranges {
				require.Error(t, err)
				s.answer(nil)
				_, err = pull(store, r, quick)
			}
			require.NoError(t, err)
			verified(t, store, i.Digest)
			seen := s.seen(layer.Digest)
			if ranges {
				assert.Len(t, seen, 3)
				assert.Contains(t, seen[1], "bytes=400000-")
				assert.Contains(t, seen[2], "bytes=800000-")
			} else {
				assert.Contains(t, seen[0], fmt.Sprintf("bytes=%d-", after))
			}
		})
	}
}

// A registry that stops sending is asked again.
func TestADownloadThatStallsGoesOn(t *testing.T) {
	s := newServer(t).plain()
	i, r := filled(t, s, quick)
	layer := i.Manifest.Layers[1]
	stalled := false
	s.answer(func(w http.ResponseWriter, q *http.Request) bool {
		if !strings.HasSuffix(q.URL.Path, layer.Digest) || stalled {
			return false
		}
		stalled = true
		w.Header().Set("Content-Length", strconv.FormatInt(layer.Size, 10))
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-q.Context().Done()
		return true
	})
	o := quick
	o.Stall = 50 * time.Millisecond
	store := newStore(t)
	_, err := pull(store, r, o)
	require.NoError(t, err)
	assert.True(t, stalled)
	verified(t, store, i.Digest)
}

func TestLiesOfARegistryAreRefused(t *testing.T) {
	for name, m := range map[string]struct {
		lie   func(i *image.Image, w http.ResponseWriter, r *http.Request) bool
		words string
	}{
		"other manifest": {func(i *image.Image, w http.ResponseWriter, r *http.Request) bool {
			return strings.Contains(r.URL.Path, "/manifests/") && say(w, image.TypeManifest, `{"schemaVersion": 2}`)
		}, "the manifest has no config"},
		"page in place of a manifest": {func(i *image.Image, w http.ResponseWriter, r *http.Request) bool {
			return strings.Contains(r.URL.Path, "/manifests/") && say(w, "text/html", "<html>")
		}, "the manifest is no JSON"},
		"huge manifest": {func(i *image.Image, w http.ResponseWriter, r *http.Request) bool {
			return strings.Contains(r.URL.Path, "/manifests/") && say(w, image.TypeManifest, strings.Repeat(" ", maxManifest+1))
		}, "the manifest has more than"},
		"other blob": {func(i *image.Image, w http.ResponseWriter, r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, i.Manifest.Layers[1].Digest) && say(w, "", strings.Repeat("x", int(i.Manifest.Layers[1].Size)))
		}, "the content is not what the name promises"},
		"longer blob": {func(i *image.Image, w http.ResponseWriter, r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, i.Manifest.Layers[1].Digest) && say(w, "", strings.Repeat("x", int(i.Manifest.Layers[1].Size)+1))
		}, "has more than the"},
		"shorter blob": {func(i *image.Image, w http.ResponseWriter, r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, i.Manifest.Layers[1].Digest) && say(w, "", "x")
		}, "has 1 bytes, and the manifest promises"},
		"other config": {func(i *image.Image, w http.ResponseWriter, r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, i.Manifest.Config.Digest) && say(w, "", strings.Repeat("x", int(i.Manifest.Config.Size)))
		}, "the content is not what the name promises"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t).plain()
			i, r := filled(t, s, quick)
			s.answer(func(w http.ResponseWriter, q *http.Request) bool { return m.lie(i, w, q) })
			store := newStore(t)
			_, err := pull(store, r, quick)
			var refusal *ingest.Refusal
			assert.ErrorAs(t, err, &refusal)
			assert.ErrorContains(t, err, m.words)
			left, err := store.Left()
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
	// A registry that has another manifest under a digest does not get through with it, and leaves nothing.
	s := newServer(t).plain()
	i, _ := filled(t, s, quick)
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		return strings.Contains(r.URL.Path, "/manifests/") && say(w, image.TypeManifest, `{"schemaVersion": 2}`)
	})
	_, err := pull(newStore(t), s.reference(t, "app@"+i.Digest), quick)
	assert.ErrorContains(t, err, "the registry has answered with the manifest")
}

func say(w http.ResponseWriter, mediaType, content string) bool {
	w.Header().Set("Content-Type", mediaType)
	_, _ = w.Write([]byte(content))
	return true
}
