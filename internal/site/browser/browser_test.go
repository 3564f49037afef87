//go:build browser

package browser

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPagesInABrowser(t *testing.T) {
	build, err := filepath.Abs("../../../build")
	require.NoError(t, err)
	require.NotEmpty(t, os.Getenv("CHROMIUM"), "CHROMIUM is the browser: type make test-site")
	pages := http.FileServer(http.Dir(build + "/site"))
	both := http.NewServeMux()
	both.Handle("/", pages)
	both.Handle("/below/a/path/", http.StripPrefix("/below/a/path", pages))
	server := httptest.NewServer(both)
	t.Cleanup(server.Close)

	scripts, err := filepath.Glob("*.test.mjs")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(script, ".test.mjs"), func(t *testing.T) {
			t.Parallel()
			node := exec.Command("node", "--test-reporter=spec", script)
			node.Env = append(os.Environ(), "MODULES="+build+"/npm/", "SITE="+server.URL+"/", "FILES="+build+"/site/")
			output, err := node.CombinedOutput()
			t.Logf("%s", output)
			require.NoError(t, err)
		})
	}
}
