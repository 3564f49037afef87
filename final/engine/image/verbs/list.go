//go:build linux

package verbs

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
	"container-workshop/final/report"
)

// A row is an image as images prints it.
type row struct {
	Name    string     `json:"name"`
	Digest  string     `json:"digest"`
	Created *time.Time `json:"created"`
	// Size is how many bytes all its parts have as they were downloaded.
	Size int64 `json:"size"`
}

func images(c *call) error {
	format := c.set.StringP("format", "f", "table", "output `FORMAT`: table or json")
	quiet := c.set.BoolP("quiet", "q", false, "print only the IDs")
	verify := c.set.Bool("verify", false, "read every file of every image again, and compare it with its digest")
	if err := c.parse(0, 0); err != nil {
		return err
	}
	if *verify {
		return verifyAll(c.store)
	}
	rows, err := list(c.store)
	if err != nil {
		return err
	}
	switch {
	case *quiet:
		for _, r := range rows {
			fmt.Println(short(r.Digest))
		}
		return nil
	case *format == "json":
		return report.WriteJSON(os.Stdout, rows, "")
	case *format != "table":
		return fmt.Errorf("--format %q: must be table or json", *format)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tID\tCREATED\tSIZE")
	for _, r := range rows {
		name, created := r.Name, "-"
		if name == "" {
			name = "<none>"
		}
		if r.Created != nil {
			created = r.Created.Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", report.Printable(name), short(r.Digest), created, size(r.Size))
	}
	return w.Flush()
}

func list(store *image.Store) ([]row, error) {
	entries, err := store.List()
	if err != nil {
		return nil, err
	}
	rows := []row{}
	for _, e := range entries {
		i, err := store.Read(e.Manifest.Digest)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w (final images --verify)", e.Name, err)
		}
		r := row{e.Name, i.Digest, i.Config.Created, e.Manifest.Size + i.Manifest.Config.Size}
		for _, d := range i.Manifest.Layers {
			r.Size += d.Size
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// short is an ID as people read it.
func short(digest string) string { return image.Hex(digest)[:12] }

// size is a number of bytes as people read it.
func size(n int64) string {
	value, unit := float64(n), 0
	for ; value >= 1000 && unit < 4; unit++ {
		value /= 1000
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %cB", value, "kMGT"[unit-1])
}

// verifyAll prints everything that is wrong with the store.
func verifyAll(store *image.Store) error {
	wrong, err := ingest.Verify(store)
	if err != nil {
		return err
	}
	for _, line := range wrong {
		fmt.Println(report.OneLine(line))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("the images have %d faults (pull a broken image again; final prune removes what no image needs)", len(wrong))
	}
	return nil
}

func remove(c *call) error {
	if err := c.parse(1, -1); err != nil {
		return err
	}
	var failed error
	for _, name := range c.args {
		found, err := c.store.Find(name)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if err := c.store.Remove(found...); err != nil {
			return err
		}
		for _, e := range found {
			fmt.Println(report.Printable(strings.TrimSpace(e.Name + " " + short(e.Manifest.Digest))))
		}
	}
	_, err := c.store.Collect()
	if errors.Is(err, image.ErrBusy) {
		// Another final is at work on the images. The next one that collects removes the files.
		err = nil
	}
	return errors.Join(failed, err)
}

func prune(c *call) error {
	if err := c.parse(0, 0); err != nil {
		return err
	}
	entries, err := c.store.List()
	if err != nil {
		return err
	}
	nameless := slices.DeleteFunc(entries, func(e image.Entry) bool { return e.Name != "" })
	if err := c.store.Remove(nameless...); err != nil {
		return err
	}
	freed, err := c.store.Collect()
	if err != nil {
		return err
	}
	fmt.Println(size(freed))
	return nil
}
