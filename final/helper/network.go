//go:build linux

package helper

import (
	"encoding/json"
	"fmt"
	"os"

	"container-workshop/final/engine/network"
	"container-workshop/final/engine/network/link"
	"container-workshop/final/engine/network/server"
	"container-workshop/final/stage"
)

// plug plugs a container into its network, or unplugs it. Descriptor 3 is the lock of the store, and through 4 comes the network namespace.
func plug(question *json.Decoder, list *stage.List) (any, error) {
	var q network.Question
	if err := question.Decode(&q); err != nil {
		return nil, err
	}
	list.Side = q.Side
	store := network.Inherit(q.Dir, os.NewFile(3, "lock"))
	defer store.Close()
	if q.Unplug {
		return nil, unplug(list, store, &q)
	}
	n, _, err := store.Find(q.Root, q.ID)
	if err != nil {
		return nil, err
	}
	if q.Serve {
		if n == nil {
			return nil, nil
		}
		return nil, server.Ensure(store, n, q.ID)
	}
	passage := os.NewFile(4, "passage")
	defer passage.Close()
	// The process of the network starts meanwhile: it can listen at addresses that the bridge does not have yet. If Plug fails, the process
	// ends with the file of the container.
	served := make(chan error, 1)
	go func() {
		if n != nil {
			served <- server.Ensure(store, n, q.ID)
		}
	}()
	remarks, err := link.Plug(list, store, &q, passage)
	if err != nil {
		return nil, err
	}
	line := list.Line()
	line.Do("connect(server of the network)", "unix(7)", 0, func() error { return <-served })
	return remarks, line.Err
}

// unplug unplugs a container. The process of the network ends with the last container. If somebody has killed the process before, unplug removes
// its files.
func unplug(list *stage.List, store *network.Store, q *network.Question) error {
	n, _, err := store.Find(q.Root, q.ID)
	if err != nil {
		return err
	}
	remarks, err := link.Unplug(list, store, q)
	for _, remark := range remarks {
		fmt.Fprintf(os.Stderr, "final: warning: %s\n", remark)
	}
	if err != nil || n == nil {
		return err
	}
	if left, err := store.Endpoints(n); err != nil || len(left) > 0 {
		return err
	}
	server.Clean(store.Dir, n.Name)
	return nil
}
