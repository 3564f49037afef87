//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"container-workshop/final/stage"
)

// explain prints what has been done to run a container, in the order in which it was begun.
func explain(w io.Writer, records []stage.Record) {
	slices.SortStableFunc(records, func(a, b stage.Record) int { return cmp.Compare(a.Start, b.Start) })
	fmt.Fprintf(w, "%-4s  %-9s  %8s  %-60s  %s\n", "step", "side", "µs", "call", "see")
	total := map[string]time.Duration{}
	for _, r := range records {
		step := "final"
		if r.Step > 0 {
			step = fmt.Sprintf("%02d", r.Step)
		}
		fmt.Fprintf(w, "%-5s %-9s  %8d  %-60s  %s\n", step, r.Side, r.Took.Microseconds(), r.Call, r.Man)
		total[r.Side] += r.Took
	}
	if len(records) == 0 {
		return
	}
}
