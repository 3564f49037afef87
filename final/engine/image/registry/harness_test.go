//go:build linux

package registry

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
)

// TestMain makes the directories of tests elsewhere if /tmp is not sticky, and gives them a home without passwords.
func TestMain(m *testing.M) {
	if info, err := os.Stat(os.TempDir()); err == nil && info.Mode()&os.ModeSticky == 0 {
		os.Setenv("TMPDIR", "/var/tmp")
	}
	home, err := os.MkdirTemp("", "home")
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv("HOME", home)
	os.Unsetenv("DOCKER_CONFIG")
	status := m.Run()
	os.RemoveAll(home)
	os.Exit(status)
}

// A server is a registry on this host. before may answer a request in its place.
type server struct {
	*httptest.Server
	host    string
	handler http.Handler
	mutex   sync.Mutex
	before  func(w http.ResponseWriter, r *http.Request) (answered bool)
	// requests are all of them: the method, the path, and the range.
	requests []string
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.handler = registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mutex.Lock()
		s.requests = append(s.requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")))
		before := s.before
		s.mutex.Unlock()
		if before == nil || !before(w, r) {
			s.handler.ServeHTTP(w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	return s
}

// plain starts the server without TLS.
func (s *server) plain() *server {
	s.Start()
	s.host = strings.TrimPrefix(s.URL, "http://")
	return s
}

// tls starts the server with TLS, and returns a file with its authority.
func (s *server) tls(t *testing.T) (ca string) {
	t.Helper()
	s.StartTLS()
	s.host = strings.TrimPrefix(s.URL, "https://")
	ca = filepath.Join(t.TempDir(), "ca.crt")
	require.NoError(t, os.WriteFile(ca, pemOf(s.Certificate().Raw), 0o600))
	return ca
}

func (s *server) answer(before func(w http.ResponseWriter, r *http.Request) bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.before, s.requests = before, nil
}

// seen returns the requests with the words in them.
func (s *server) seen(words string) (found []string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, r := range s.requests {
		if strings.Contains(r, words) {
			found = append(found, r)
		}
	}
	return found
}

// reference is the name of an image on the server.
func (s *server) reference(t *testing.T, name string) image.Reference {
	t.Helper()
	r, err := image.ParseReference(s.host+"/"+name, image.DefaultRegistry)
	require.NoError(t, err)
	return r
}

var quick = Options{TLSVerify: "false", FirstWait: time.Millisecond}

func newStore(t *testing.T) *image.Store {
	t.Helper()
	store, err := image.Open(filepath.Join(t.TempDir(), "home"))
	require.NoError(t, err)
	return store
}

// pull pulls an image into a store.
func pull(store *image.Store, r image.Reference, o Options) (*image.Image, error) {
	client, err := New(context.Background(), r, o)
	if err != nil {
		return nil, err
	}
	root, err := client.Resolve(context.Background(), r)
	if err != nil {
		return nil, err
	}
	return (&ingest.Adder{Store: store, Source: client, FirstWait: time.Millisecond}).Add(context.Background(), root, r.String())
}

func push(store *image.Store, i *image.Image, r image.Reference, o Options) error {
	client, err := New(context.Background(), r, o)
	if err != nil {
		return err
	}
	found, err := store.Find(i.Digest)
	if err != nil {
		return err
	}
	return client.Push(context.Background(), store, i, r, found[0].Manifest, func(image.Descriptor, string, int64) {})
}

// blobs is a source in memory.
type blobs map[string][]byte

func (b blobs) Open(_ context.Context, d image.Descriptor, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b[d.Digest][offset:])), nil
}

// made adds an image with a small and a large layer to a store.
func made(t *testing.T, store *image.Store) *image.Image {
	t.Helper()
	config := image.Config{OS: "linux", Architecture: runtime.GOARCH, RootFS: image.RootFS{Type: "layers"}}
	all := blobs{}
	var layers []image.Descriptor
	for i, size := range []int{100, 1 << 20} {
		// Random bytes stay as many when they are compressed.
		content := make([]byte, size)
		source := rand.NewChaCha8([32]byte{byte(i)})
		_, _ = source.Read(content)
		var plain, packed bytes.Buffer
		w := tar.NewWriter(&plain)
		require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "file", Mode: 0o644, Size: int64(size)}))
		_, err := w.Write(content)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, ingest.Digest(plain.Bytes()))
		z := gzip.NewWriter(&packed)
		_, err = z.Write(plain.Bytes())
		require.NoError(t, err)
		require.NoError(t, z.Close())
		d := image.Descriptor{MediaType: image.TypeLayerGzip, Digest: ingest.Digest(packed.Bytes()), Size: int64(packed.Len())}
		all[d.Digest] = packed.Bytes()
		layers = append(layers, d)
	}
	content, err := json.Marshal(config)
	require.NoError(t, err)
	i, err := (&ingest.Adder{Store: store, Source: all}).AddMade(context.Background(), content, layers)
	require.NoError(t, err)
	return i
}

// filled pushes an image to the server, and returns the image and its name.
func filled(t *testing.T, s *server, o Options) (*image.Image, image.Reference) {
	t.Helper()
	store, r := newStore(t), s.reference(t, "app:1")
	i := made(t, store)
	require.NoError(t, push(store, i, r, o))
	return i, r
}

// verified requires that a store has an image and nothing wrong.
func verified(t *testing.T, store *image.Store, digest string) {
	t.Helper()
	i, err := store.Resolve(digest)
	require.NoError(t, err)
	require.Equal(t, digest, i.Digest)
	wrong, err := ingest.Verify(store)
	require.NoError(t, err)
	require.Empty(t, wrong)
}

// An answer is what the registry itself answers.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func recorded(s *server, r *http.Request) answer {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return answer{w.Code, w.Result().Header, w.Body.Bytes()}
}
