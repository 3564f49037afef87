//go:build linux

package registry

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/engine/image"
)

// A registry that begins a manifest and sends nothing more does not keep us for ever.
func TestAManifestThatStallsEnds(t *testing.T) {
	s := newServer(t).plain()
	_, r := filled(t, s, quick)
	s.answer(func(w http.ResponseWriter, q *http.Request) bool {
		w.Header().Set("Content-Type", image.TypeManifest)
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-q.Context().Done()
		return true
	})
	o := quick
	o.Stall = 50 * time.Millisecond
	client, err := New(context.Background(), r, o)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err = client.Resolve(ctx, r)
	assert.ErrorIs(t, err, errStalled)
}
