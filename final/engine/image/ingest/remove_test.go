//go:build linux

package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/engine/image"
)

func TestManyAreRemovedAtOnce(t *testing.T) {
	store, s := newStore(t), newSample(t)
	const many = 40
	names := make([]string, many)
	for i := range names {
		names[i] = fmt.Sprintf("docker.io/library/app:%d", i)
	}
	_, err := adder(store, s.source).Add(context.Background(), s.root(), names...)
	require.NoError(t, err)
	var work sync.WaitGroup
	for _, name := range names {
		work.Go(func() {
			entries, err := store.Find(name)
			if err == nil {
				err = store.Remove(entries...)
			}
			assert.NoError(t, err)
			if _, err := store.Collect(); !errors.Is(err, image.ErrBusy) {
				assert.NoError(t, err)
			}
		})
	}
	work.Wait()
	_, err = store.Collect()
	require.NoError(t, err)
	assert.Empty(t, kept(t, store))
}
