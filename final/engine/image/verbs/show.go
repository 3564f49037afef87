//go:build linux

package verbs

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"container-workshop/final/engine/image"
	"container-workshop/final/report"
)

// A step is a line of the history of an image. Size is that of the layer as it was downloaded, 0 for a step that changed no file.
type step struct {
	image.History
	Size int64 `json:"size"`
}

func history(c *call) error {
	format := c.set.StringP("format", "f", "table", "output `FORMAT`: table or json")
	if err := c.parse(1, 1); err != nil {
		return err
	}
	i, err := c.store.Resolve(c.args[0])
	if err != nil {
		return err
	}
	steps := []step{}
	layers := i.Manifest.Layers
	for _, h := range i.Config.History {
		s := step{History: h}
		if !h.EmptyLayer && len(layers) > 0 {
			s.Size, layers = layers[0].Size, layers[1:]
		}
		steps = append(steps, s)
	}
	for _, d := range layers {
		steps = append(steps, step{image.History{Comment: "layer without history"}, d.Size})
	}
	switch *format {
	case "json":
		return report.WriteJSON(os.Stdout, steps, "")
	case "table":
	default:
		return fmt.Errorf("--format %q: must be table or json", *format)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CREATED\tSIZE\tSTEP")
	// The newest step first, as Docker does.
	for at := len(steps) - 1; at >= 0; at-- {
		s, created := steps[at], "-"
		if s.Created != nil {
			created = s.Created.Format(time.DateOnly)
		}
		text := strings.Join(strings.Fields(s.CreatedBy+" "+s.Comment), " ")
		fmt.Fprintf(w, "%s\t%s\t%s\n", created, size(s.Size), report.Printable(text))
	}
	return w.Flush()
}

// inspect prints the documents of images as they are.
func inspect(c *call) error {
	if err := c.parse(1, -1); err != nil {
		return err
	}
	type about struct {
		Name     string          `json:"name"`
		Digest   string          `json:"digest"`
		Manifest json.RawMessage `json:"manifest"`
		Config   json.RawMessage `json:"config"`
		Layers   []string        `json:"layers"`
	}
	all := []about{}
	for _, name := range c.args {
		i, err := c.store.Resolve(name)
		if errors.Is(err, image.ErrUnknown) {
			return fmt.Errorf("%w; for a container: final state %s", err, name)
		}
		if err != nil {
			return err
		}
		a := about{Name: i.Name, Digest: i.Digest, Layers: i.Layers}
		if a.Manifest, err = os.ReadFile(c.store.Blob(i.Digest)); err != nil {
			return err
		}
		if a.Config, err = os.ReadFile(c.store.Blob(i.Manifest.Config.Digest)); err != nil {
			return err
		}
		all = append(all, a)
	}
	return report.WriteJSON(os.Stdout, all, "  ")
}
