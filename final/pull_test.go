//go:build linux

package main

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A loopback is a registry on this host, without TLS. written is called with each piece that the registry sends.
type loopback struct {
	host    string
	mutex   sync.Mutex
	written func()
}

func newLoopback(t *testing.T) *loopback {
	t.Helper()
	l := &loopback{}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(&inPieces{w, l}, r)
	}))
	t.Cleanup(server.Close)
	l.host = strings.TrimPrefix(server.URL, "http://")
	return l
}

func (l *loopback) onWrite(do func()) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.written = do
}

// inPieces writes in small pieces.
type inPieces struct {
	http.ResponseWriter
	*loopback
}

func (s *inPieces) Write(content []byte) (written int, err error) {
	for len(content) > 0 && err == nil {
		s.mutex.Lock()
		do := s.written
		s.mutex.Unlock()
		if do != nil {
			do()
		}
		n := 0
		n, err = s.ResponseWriter.Write(content[:min(len(content), 16<<10)])
		content, written = content[n:], written+n
	}
	return written, err
}

// random is text that does not compress.
func random(size int) string {
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(rand.Uint32())
	}
	return string(content)
}

func TestAnImageGoesToARegistryAndBack(t *testing.T) {
	l := newLoopback(t)
	name := l.host + "/team/app:1"
	digest := imported(t, name, map[string]string{"etc/hello": "registry"})
	refused(t, final(t, "push", name), 1, "the registry has no TLS (for one on this host: --tls-verify=false)")
	r := final(t, "push", "--tls-verify=false", name)
	require.Equal(t, 0, r.status, r.stderr)
	assert.Equal(t, digest+"\n", r.stdout)
	assert.Contains(t, r.stderr, " complete, ")
	require.Equal(t, 0, final(t, "rmi", name).status)

	r = final(t, "pull", "--tls-verify=false", "--explain", name)
	require.Equal(t, 0, r.status, r.stderr)
	assert.Equal(t, digest+"\n", r.stdout)
	assert.Contains(t, r.stderr, "GET http://"+l.host+"/v2/team/app/manifests/1: 200 OK")
	assert.Contains(t, listImages(t), digest)
	r = final(t, "pull", "--tls-verify=false", "--quiet", "--registry", l.host, "team/app@"+digest)
	assert.Equal(t, result{stdout: digest + "\n"}, r)
	require.Equal(t, 0, final(t, "rmi", digest).status)

	refused(t, final(t, "pull", "--tls-verify=false", l.host+"/team/none:1"), 1, "team/none:1", "404", "look at the name and the tag")
	refused(t, final(t, "pull", "--tls-verify=false", "registry.example/app"), 1, "is not this host")
	refused(t, final(t, "push", "--tls-verify=false", l.host+"/team/none:1"), 1, "no such image")
}

func TestAMirrorIsAskedFirst(t *testing.T) {
	l, empty := newLoopback(t), newLoopback(t)
	name := l.host + "/app:1"
	digest := imported(t, name, map[string]string{"etc/hello": "mirror"})
	require.Equal(t, 0, final(t, "push", "--tls-verify=false", name).status)
	r := final(t, "pull", "--quiet", "--tls-verify=false", "--mirror", empty.host, "--mirror", l.host, "127.0.0.1:1/app:1")
	assert.Equal(t, result{stdout: digest + "\n"}, r)
	require.Equal(t, 0, final(t, "rmi", "127.0.0.1:1/app:1").status)
}

// Whenever a pull is killed, the next pull completes, and nothing is left of the broken one.
func TestAPullThatIsKilledLeavesNothingBehind(t *testing.T) {
	l := newLoopback(t)
	name := l.host + "/app:1"
	digest := imported(t, name, map[string]string{"a": random(500_000), "b": random(500_000)})
	require.Equal(t, 0, final(t, "push", "--tls-verify=false", name).status)
	pieces := 0
	l.onWrite(func() { pieces++ })
	pull := []string{"pull", "--tls-verify=false", name}
	require.Equal(t, 0, final(t, "rmi", name).status)
	require.Equal(t, 0, final(t, pull...).status)
	require.Greater(t, pieces, 50)
	rounds := 34
	if testing.Short() {
		rounds = 8
	}
	for range rounds {
		require.Equal(t, 0, final(t, "rmi", name).status)
		// Three broken pulls, one after the other, and then a whole one.
		for range 3 {
			killed(t, l, rand.IntN(pieces*5/4), pull...)
		}
		r := final(t, pull...)
		require.Equal(t, 0, r.status, r.stderr)
		require.Equal(t, digest+"\n", r.stdout)
		require.Equal(t, result{}, final(t, "images", "--verify"))
	}
}

// killed starts a pull and kills it when the registry sends the given piece, or when the pull says what it does after the last piece.
func killed(t *testing.T, l *loopback, piece int, args ...string) {
	t.Helper()
	cmd := command(t, args...)
	said, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	sent := 0
	l.onWrite(func() {
		if sent++; sent == piece {
			_ = cmd.Process.Kill()
		}
	})
	defer l.onWrite(nil)
	for buffer := make([]byte, 4096); ; {
		n, err := said.Read(buffer)
		if strings.Contains(string(buffer[:n]), "unpacking") {
			_ = cmd.Process.Kill()
		}
		if err != nil {
			break
		}
	}
	_ = cmd.Wait()
}

// Two programs that pull the same image at once do not disturb each other.
func TestManyPullTheSameAtOnce(t *testing.T) {
	l := newLoopback(t)
	name := l.host + "/app:1"
	digest := imported(t, name, map[string]string{"a": random(300_000)})
	require.Equal(t, 0, final(t, "push", "--tls-verify=false", name).status)
	require.Equal(t, 0, final(t, "rmi", name).status)
	var work sync.WaitGroup
	results := make([]result, 4)
	for i := range results {
		cmd := command(t, "pull", "--quiet", "--tls-verify=false", name)
		work.Go(func() { results[i] = outcome(t, cmd) })
	}
	work.Wait()
	for _, r := range results {
		assert.Equal(t, result{stdout: digest + "\n"}, r)
	}
	require.Equal(t, result{}, final(t, "images", "--verify"))
}

func TestLoginNeedsARegistryThatKnows(t *testing.T) {
	l := newLoopback(t)
	dir := t.TempDir()
	login := func(args ...string) result {
		cmd := command(t, append([]string{"login", "--tls-verify=false"}, args...)...)
		cmd.Env = append(cmd.Env, "DOCKER_CONFIG="+dir)
		cmd.Stdin = strings.NewReader("secret\n")
		return outcome(t, cmd)
	}
	refused(t, login(l.host), 1, "--password-stdin")
	refused(t, login("--password-stdin", l.host), 1, "--username")
	refused(t, login("--password-stdin", "-u", "alice", "127.0.0.1:1"), 1, "127.0.0.1:1")
	r := login("--password-stdin", "-u", "alice", l.host)
	require.Equal(t, 0, r.status, r.stderr)
	assert.Equal(t, fmt.Sprintf("logged in to %s as alice (see %s/config.json)\n", l.host, dir), r.stdout)
	content, err := os.ReadFile(filepath.Join(dir, "config.json"))
	require.NoError(t, err)
	assert.Contains(t, string(content), l.host)
}
