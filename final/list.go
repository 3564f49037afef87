//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"container-workshop/final/container"
)

func list(root string, args []string) (int, error) {
	set := flags("list", "", "list the containers")
	asJSON := set.Bool("json", false, "print JSON")
	if err := parse(set, args, 0, 0); err != nil {
		return container.StatusFailed, err
	}
	all, err := container.List(root)
	if err != nil {
		return container.StatusFailed, err
	}
	if *asJSON {
		return 0, json.NewEncoder(os.Stdout).Encode(all)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tPID\tSTATUS\tCREATED\tCOMMAND")
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", s.ID, s.Pid, s.Status, s.Created.Format("2006-01-02 15:04:05"), strings.Join(s.Command, " "))
	}
	return 0, w.Flush()
}
