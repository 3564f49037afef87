//go:build linux

package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"container-workshop/final/stage"
)

// steps are the folders of the workshop, for the table of where the time went.
var steps = []string{"final", "step01-exec", "step02-uts", "step03-pid", "step04-chroot", "step05-proc", "step06-cgroups", "step07-tmpfs"}

// Explain prints what has been done to run a container, in the order in which it was begun, and where the time went.
func Explain(w io.Writer, records []stage.Record) {
	if len(records) == 0 {
		return
	}
	slices.SortStableFunc(records, func(a, b stage.Record) int { return cmp.Compare(a.Start, b.Start) })
	first := records[0].Start
	fmt.Fprintf(w, "%7s %7s  %-9s %-5s %s\n", "at ms", "took µs", "side", "step", "call")
	took := make([]time.Duration, len(steps))
	for _, r := range records {
		step := "-"
		if r.Step > 0 {
			step = fmt.Sprintf("%02d", r.Step)
		}
		micros := "-"
		if r.Took >= 0 {
			micros = fmt.Sprint(r.Took.Microseconds())
		}
		fmt.Fprintf(w, "%7.2f %7s  %-9s %-5s %-58s %s\n", (r.Start-first).Seconds()*1000, micros, r.Side, step, Printable(r.Call), r.Man)
		if !r.Waiting {
			took[r.Step] += max(r.Took, 0)
		}
	}
	fmt.Fprintf(w, "\nWhere the time went, in µs, on all sides, without waiting for each other:\n")
	for step, name := range steps {
		fmt.Fprintf(w, "%7d  %s\n", took[step].Microseconds(), name)
	}
}
