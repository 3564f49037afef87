//go:build browser

package browser

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"container-workshop/internal/live"
	"container-workshop/internal/site/serve"
)

// patience is how long a script may take, on a machine that does other things, too.
const patience = 10 * time.Minute

func TestPagesInABrowser(t *testing.T) {
	require.NotEmpty(t, os.Getenv("CHROMIUM"), "CHROMIUM is the browser: type make test-site")
	build, err := filepath.Abs("../../../build")
	require.NoError(t, err)
	scripts, err := filepath.Glob("*.test.mjs")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(script, ".test.mjs"), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(handler(workshop(t, build)))
			defer server.Close()
			defer server.CloseClientConnections()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			node := exec.CommandContext(ctx, "node", "--test-reporter=spec", script)
			node.Env = append(os.Environ(), "MODULES="+build+"/npm/", "SITE="+server.URL+"/", "FILES="+build+"/site/")
			output, err := node.CombinedOutput()
			t.Logf("%s", output)
			require.NoError(t, err)
		})
	}
}

// workshop returns a folder with the pages of this workshop, and without a program.
func workshop(t *testing.T, build string) string {
	top := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(top, "build"), 0o755))
	require.NoError(t, os.Symlink(filepath.Join(build, "site"), filepath.Join(top, "build/site")))
	require.NoError(t, os.Mkdir(filepath.Join(top, "work"), 0o755))
	return top
}

// handler serves the pages as make serve does, at the top and below a path, as on GitHub. What a test puts at /test/state is what the
// coach sees.
func handler(top string) http.Handler {
	mux := http.NewServeMux()
	pages := serve.Handler(top)
	mux.Handle("/", pages)
	mux.Handle("/below/a/path/", http.StripPrefix("/below/a/path", pages))
	mux.HandleFunc("PUT /test/state", func(w http.ResponseWriter, r *http.Request) {
		state, err := io.ReadAll(r.Body)
		if err == nil {
			// The page must never see half a state.
			err = os.WriteFile(live.StateFile(top)+".new", state, 0o644)
		}
		if err == nil {
			err = os.Rename(live.StateFile(top)+".new", live.StateFile(top))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return mux
}
