//go:build linux

package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/engine/image"
)

// The user of the tests.
const (
	user     = "alice"
	password = "correct horse"
)

// guarded makes a server ask for tokens. It gives a token for pull to everybody, and one for push to the user.
func guarded(s *server) {
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			name, secret, given := r.BasicAuth()
			if given && (name != user || secret != password) {
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			token := "token-for-pull"
			if given {
				token = "token-for-all"
			}
			return say(w, "application/json", fmt.Sprintf(`{"token": %q}`, token))
		}
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		if token == "token-for-all" || token == "token-for-pull" && reads && r.URL.Path != "/v2/" {
			return false
		}
		action := "pull,push"
		if reads {
			action = "pull"
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="tests",scope="repository:app:%s"`, r.Host, action))
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
}

// basic makes a server ask for name and password with each request.
func basic(s *server) {
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if name, secret, _ := r.BasicAuth(); name == user && secret == password {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="tests"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
}

// configured writes the file in which docker login keeps passwords.
func configured(t *testing.T, config any) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	content, err := json.Marshal(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), content, 0o600))
}

func passwordFor(host, password string) any {
	return map[string]any{"auths": map[string]any{host: map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(user + ":" + password))}}}
}

func TestTokens(t *testing.T) {
	s := newServer(t).plain()
	i, r := filled(t, s, quick)
	guarded(s)
	store := newStore(t)
	_, err := pull(store, r, quick)
	require.NoError(t, err, "everybody may pull")
	verified(t, store, i.Digest)
	assert.ErrorContains(t, push(store, i, s.reference(t, "app:2"), quick), "401")

	configured(t, passwordFor(s.host, "wrong"))
	_, err = pull(newStore(t), r, quick)
	assert.ErrorContains(t, err, "401")
	configured(t, passwordFor(s.host, password))
	require.NoError(t, push(store, i, s.reference(t, "app:2"), quick))
	_, err = pull(newStore(t), s.reference(t, "app:2"), quick)
	require.NoError(t, err)
}

func TestPasswords(t *testing.T) {
	s := newServer(t).plain()
	i, r := filled(t, s, quick)
	basic(s)
	_, err := pull(newStore(t), r, quick)
	assert.ErrorContains(t, err, "final login")
	configured(t, passwordFor(s.host, password))
	store := newStore(t)
	_, err = pull(store, r, quick)
	require.NoError(t, err)
	verified(t, store, i.Digest)
}

func TestACredentialHelperIsAsked(t *testing.T) {
	s := newServer(t).plain()
	_, r := filled(t, s, quick)
	basic(s)
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nread host\n[ \"$1 $host\" = \"get %s\" ] && echo '{\"Username\": %q, \"Secret\": %q}'\n", s.host, user, password)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "docker-credential-tests"), []byte(script), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	configured(t, map[string]any{"credHelpers": map[string]string{s.host: "tests"}})
	_, err := pull(newStore(t), r, quick)
	require.NoError(t, err)
}

func TestLoginKeepsWhatTheRegistryKnows(t *testing.T) {
	for name, guard := range map[string]func(*server){"token": guarded, "basic": basic} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t).plain()
			i, r := filled(t, s, quick)
			guard(s)
			t.Setenv("DOCKER_CONFIG", t.TempDir())
			login := func(password string) error {
				client, err := New(context.Background(), image.Reference{Registry: s.host}, quick)
				require.NoError(t, err)
				return client.Login(context.Background(), user, password)
			}
			require.ErrorContains(t, login("wrong"), "401")
			require.NoFileExists(t, ConfigFile())
			require.NoError(t, login(password))
			info, err := os.Stat(ConfigFile())
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), info.Mode())
			store := newStore(t)
			_, err = pull(store, r, quick)
			require.NoError(t, err)
			require.NoError(t, push(store, i, s.reference(t, "app:3"), quick))

			require.NoError(t, Logout(context.Background(), s.host))
			content, err := os.ReadFile(ConfigFile())
			require.NoError(t, err)
			assert.NotContains(t, string(content), base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
			assert.Error(t, push(store, i, s.reference(t, "app:4"), quick))
		})
	}
}

// A password is for one registry. A blob may lie at another server, which gets no password.
func TestAPasswordStaysWithItsRegistry(t *testing.T) {
	s, other := newServer(t).plain(), newServer(t).plain()
	i, r := filled(t, s, quick)
	_, _ = filled(t, other, quick)
	layer := i.Manifest.Layers[1].Digest
	var given []string
	other.answer(func(_ http.ResponseWriter, q *http.Request) bool {
		given = append(given, q.Header.Get("Authorization"))
		return false
	})
	s.answer(func(w http.ResponseWriter, q *http.Request) bool {
		if name, _, _ := q.BasicAuth(); name != user {
			w.Header().Set("WWW-Authenticate", `Basic realm="tests"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		if strings.HasSuffix(q.URL.Path, layer) {
			http.Redirect(w, q, other.URL+q.URL.Path, http.StatusTemporaryRedirect)
			return true
		}
		return false
	})
	configured(t, passwordFor(s.host, password))
	_, err := pull(newStore(t), r, quick)
	require.NoError(t, err)
	assert.Equal(t, []string{""}, given)
}

// Without a certificate that is verified, no password leaves this host, not even for a token.
func TestTokensOfOtherHostsNeedACertificate(t *testing.T) {
	s := newServer(t).plain()
	_, r := filled(t, s, quick)
	s.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://registry.example/token",service="tests"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	configured(t, passwordFor(s.host, password))
	_, err := pull(newStore(t), r, quick)
	assert.ErrorContains(t, err, "registry.example: --tls-verify=false is for this host only")
}
