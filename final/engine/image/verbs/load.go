//go:build linux

package verbs

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/archive"
	"container-workshop/final/report"
)

func load(c *call) error {
	input := c.set.StringP("input", "i", "-", "read the archive from `FILE`: a tar file, plain or compressed with gzip or zstd")
	if err := c.parse(0, 1); err != nil {
		return err
	}
	file, err := open(*input)
	if err != nil {
		return err
	}
	defer file.Close()
	if *input == "-" && term.IsTerminal(0) {
		return errors.New("load: standard input is a terminal (say where the archive is: --input FILE)")
	}
	a, err := archive.Open(file, c.store.Ingest(""))
	if err != nil {
		return err
	}
	defer a.Close()
	loaded, err := a.Load(background, c.adder(), c.args)
	for _, l := range loaded {
		fmt.Println(report.Printable(strings.Join(append(l.Names, l.Image.Digest), " ")))
	}
	return err
}

func imports(c *call) error {
	config := c.set.String("config", "", "settings of the image as `JSON`, such as '{\"Cmd\": [\"/bin/sh\"], \"Env\": [\"A=B\"]}'")
	if err := c.parse(1, 2); err != nil {
		return err
	}
	var settings image.Settings
	if *config != "" {
		decoder := json.NewDecoder(strings.NewReader(*config))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&settings); err != nil {
			return fmt.Errorf("--config %q: %w", *config, err)
		}
	}
	file, err := open(c.args[0])
	if err != nil {
		return err
	}
	defer file.Close()
	made, err := archive.Import(background, c.adder(), file, settings, c.args[1:])
	if err != nil {
		return fmt.Errorf("import %s: %w", c.args[0], err)
	}
	fmt.Println(made.Digest)
	return nil
}

func save(c *call) error {
	output := c.set.StringP("output", "o", "-", "write the archive to `FILE`, compressed if the name ends in .gz or .tgz")
	if err := c.parse(1, -1); err != nil {
		return err
	}
	if *output == "-" && term.IsTerminal(1) {
		return errors.New("save: standard output is a terminal (say where the archive goes: --output FILE)")
	}
	lock, err := c.store.Share()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	var entries []image.Entry
	for _, name := range c.args {
		found, err := c.store.Find(name)
		if err != nil {
			return err
		}
		entries = append(entries, found...)
	}
	if *output == "-" {
		return archive.Save(c.store, entries, os.Stdout)
	}
	return archive.SaveFile(c.store, entries, *output)
}
