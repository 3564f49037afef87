//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"container-workshop/final/container"
	"container-workshop/final/engine"
	"container-workshop/final/engine/network"
	"container-workshop/final/process"
	"container-workshop/final/report"
)

func list(store *container.Store, args []string) (int, error) {
	set := flagSet("list", "[flags]", "list containers")
	format := set.StringP("format", "f", "table", "output `FORMAT`: table or json")
	quiet := set.BoolP("quiet", "q", false, "print only the IDs")
	if err := parse(set, args, 0, 0); err != nil {
		return process.StatusFailed, err
	}
	// The default directory is missing before the first container. A directory that the caller names has to exist.
	if _, err := os.Stat(store.Root); err != nil && global.rootSaid {
		return process.StatusFailed, fmt.Errorf("--root: %w", err)
	}
	all, err := store.List()
	if err != nil {
		return process.StatusFailed, err
	}
	switch {
	case *quiet:
		for _, s := range all {
			fmt.Println(s.ID)
		}
		return 0, nil
	case *format == "json":
		return 0, printJSON(store, all)
	case *format != "table":
		return process.StatusFailed, fmt.Errorf("--format %q: must be table or json", *format)
	}
	return 0, printTable(store, all)
}

// A row is what the list says about a container in JSON: the state, and the ports that the host publishes.
type row struct {
	container.Public
	Ports []network.Port `json:"ports,omitempty"`
}

func printJSON(store *container.Store, all []container.State) error {
	rows := []row{}
	for _, s := range all {
		ports, err := engine.Ports(store.Root, s.ID)
		if err != nil {
			return err
		}
		rows = append(rows, row{s.Public, ports})
	}
	return report.WriteJSON(os.Stdout, rows, "")
}

// printTable prints the columns of runc, whose callers may read them, with the command behind, and with ports if a container publishes any.
func printTable(store *container.Store, all []container.State) error {
	ports, header, some := make([]string, len(all)), "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\tCOMMAND", false
	for i, s := range all {
		list, err := engine.Ports(store.Root, s.ID)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			ports[i], some = "\t"+published(list), true
		}
	}
	if some {
		header += "\tPORTS"
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, header)
	for i, s := range all {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s%s\n", s.ID, s.Pid, s.Status, report.Printable(s.Bundle), s.Created.Format(time.RFC3339), s.Owner,
			shortened(report.Printable(strings.Join(s.Command, " "))), ports[i])
	}
	return w.Flush()
}

func shortened(text string) string {
	const width = 60
	line := []rune(text)
	if len(line) > width {
		line = append(line[:width-1], '…')
	}
	return string(line)
}
