//go:build linux && engines

package engine

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"container-workshop/internal/lesson/picture"
)

// crowdColumns are the classes by the names that readers know.
var crowdColumns = []struct{ name, class string }{{"final", "workshop"}, {"runc", "runc"}}

// after returns how long it took until a share of the Pods, in percent, was ready.
func (pods crowd) after(percent int) time.Duration {
	return pods.ready[(len(pods.ready)*percent+99)/100-1]
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }

// crowdTable is the table for readers.
func crowdTable(crowds map[string]crowd) string {
	var table strings.Builder
	row := func(name string, cell func(pods crowd) string) {
		table.WriteString("| " + name + " |")
		for _, column := range crowdColumns {
			table.WriteString(" " + cell(crowds[column.class]) + " |")
		}
		table.WriteString("\n")
	}
	table.WriteString("| measured | final | runc |\n| --- | ---: | ---: |\n")
	row("created to ready, p50, s", func(pods crowd) string { return seconds(pods.after(50)) })
	row("created to ready, p99, s", func(pods crowd) string { return seconds(pods.after(99)) })
	row("created to ready, slowest, s", func(pods crowd) string { return seconds(pods.after(100)) })
	row("first deletion to last end, s", func(pods crowd) string { return seconds(pods.end) })
	row("memory for each Pod, MiB", func(pods crowd) string {
		return fmt.Sprintf("%.2f", float64(pods.memory)/float64(len(pods.ready))/(1<<20))
	})
	return table.String()
}

// crowdChart shows how long a tenth, a half, nine tenths and all of the Pods needed at most.
func crowdChart(crowds map[string]crowd) picture.Chart {
	count := len(crowds["runc"].ready)
	chart := picture.Chart{
		Title: "Many Pods at once", Headline: "Seconds from created to ready: shorter is better",
		Alt:  fmt.Sprintf("A bar chart of the seconds from created to ready that 10, 50, 90 and 100 percent of %d Pods needed at most.", count),
		Note: fmt.Sprintf("%d Pods at once, one runtime after the other", count),
	}
	for _, percent := range []int{10, 50, 90, 100} {
		group := picture.Group{Name: fmt.Sprintf("%d of %d Pods", count*percent/100, count)}
		for _, column := range crowdColumns {
			took := crowds[column.class].after(percent)
			group.Bars = append(group.Bars, picture.Bar{Name: column.name, Value: took.Seconds(), Text: seconds(took), Ours: column.name == "final"})
		}
		chart.Groups = append(chart.Groups, group)
	}
	return chart
}

// crowdSection is the section for readers. The versions are those of Kubernetes, containerd and runc.
func crowdSection(crowds map[string]crowd, versions [3]string) string {
	return fmt.Sprintf(`
## A node of Kubernetes

%d Pods with the same runtime start at once. The node has %d processors, Kubernetes %s, containerd %s and
runc %s. The runtimes take turns, and the second round counts: in the first round the programs that both runtimes share
still grow. **Created to ready** is the time between two events of the API server. This time includes everything: scheduler,
kubelet, network and containerd.

A Pod is two containers and a shim. The shim is the same program for both runtimes, and needs most of the memory. The memory
of the control plane does not count.
[From one machine to many](KUBERNETES.md) has the cluster, and
`+"`make test-kubernetes FLAGS='-run TestKubernetesManyPods'`"+` writes this section again.

![%s](benchmarks-kubernetes.svg)

%s`, len(crowds["runc"].ready), runtime.NumCPU(), versions[0], versions[1], versions[2], crowdChart(crowds).Alt, crowdTable(crowds))
}

func TestKubernetesSection(t *testing.T) {
	pods := func(each time.Duration) crowd {
		times := crowd{end: 10 * each, memory: 40 << 20}
		for i := range 10 {
			times.ready = append(times.ready, time.Duration(i+1)*each)
		}
		return times
	}
	crowds := map[string]crowd{"workshop": pods(time.Second), "runc": pods(2 * time.Second)}
	section := crowdSection(crowds, [3]string{"1.2.3", "2.3.4", "3.4.5"})
	require.Contains(t, section, "\n10 Pods with the same runtime start at once.")
	require.Contains(t, section, "Kubernetes 1.2.3, containerd 2.3.4 and\nrunc 3.4.5.")
	for _, row := range []string{
		"| created to ready, p50, s | 5.0 | 10.0 |", "| created to ready, p99, s | 10.0 | 20.0 |", "| created to ready, slowest, s | 10.0 | 20.0 |",
		"| first deletion to last end, s | 10.0 | 20.0 |", "| memory for each Pod, MiB | 4.00 | 4.00 |",
	} {
		require.Contains(t, section, "\n"+row+"\n")
	}
	plot, err := crowdChart(crowds).Draw()
	require.NoError(t, err)
	for _, text := range []string{"1 of 10 Pods", "9 of 10 Pods", ">18.0<"} {
		require.Contains(t, string(plot), text)
	}
}
