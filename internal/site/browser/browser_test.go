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

// chromiums are the names of browsers that playwright-core can move.
var chromiums = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

func TestPagesInABrowser(t *testing.T) {
	build, err := filepath.Abs("../../../build")
	require.NoError(t, err)
	require.FileExists(t, build+"/site/index.html", "type make site")
	server := httptest.NewServer(http.FileServer(http.Dir(build + "/site")))
	defer server.Close()

	scripts, err := filepath.Glob("*.test.mjs")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(script, ".test.mjs"), func(t *testing.T) {
			node := exec.Command("node", "--test-reporter=spec", script)
			node.Env = append(os.Environ(), "CHROMIUM="+chromium(t), "MODULES="+build+"/npm/", "SITE="+server.URL+"/", "FILES="+build+"/site/")
			output, err := node.CombinedOutput()
			t.Logf("%s", output)
			require.NoError(t, err)
		})
	}
}

// chromium returns the browser of this machine.
func chromium(t *testing.T) string {
	for _, name := range chromiums {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("no browser: install one of %s", strings.Join(chromiums, ", "))
	return ""
}
