//go:build browser

package browser

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestThePagesFollowALearner(t *testing.T) {
	require.NotEmpty(t, os.Getenv("CHROMIUM"), "CHROMIUM is the browser: type make test-site")
	build, err := filepath.Abs("../../../build")
	require.NoError(t, err)
	learner := workshop(t, build)
	equip(t, learner, filepath.Dir(build))
	// Any other server, such as that of GitHub Pages, knows nothing of a watch.
	other := httptest.NewServer(http.FileServer(http.Dir(build + "/site")))
	defer other.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "--test-reporter=spec", "watch.mjs")
	node.Env = append(os.Environ(), "MODULES="+build+"/npm/", "SITE="+other.URL+"/", "FILES="+build+"/site/", "WORKSHOP="+learner)
	output, err := node.CombinedOutput()
	t.Logf("%s", output)
	require.NoError(t, err)
}

// equip gives a workshop the steps, and the programs that make watch and make serve start.
func equip(t *testing.T, workshop, top string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", `cp -r go.mod go.sum scripts step0* "$WORKSHOP"
		go build -o "$WORKSHOP"/build/coach ./internal/coach/cmd
		go build -o "$WORKSHOP"/build/check ./internal/check/cmd
		go build -o "$WORKSHOP"/build/pages ./internal/site/cmd`)
	cmd.Dir = top
	cmd.Env = append(os.Environ(), "WORKSHOP="+workshop)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
}
