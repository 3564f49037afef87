//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/cgroup"
	"container-workshop/final/container"
	"container-workshop/final/process"
	"container-workshop/final/spec"
)

// writeSpec writes a configuration to start from.
func writeSpec(_ *container.Store, args []string) (int, error) {
	set := flagSet("spec", "[--bundle DIR] [--rootless]", "write a sample config.json")
	bundle := set.StringP("bundle", "b", ".", "bundle `DIR`")
	rootless := set.Bool("rootless", false, "write a configuration for callers who are not root")
	if err := parse(set, args, 0, 0); err != nil {
		return process.StatusFailed, err
	}
	template := spec.Template(*rootless, uint32(os.Geteuid()), uint32(os.Getegid()))
	// On version 1 the template has no cgroup namespace, as with runc.
	if mode, _ := cgroup.Detect(); mode != cgroup.V2 {
		template.Linux.Namespaces = slices.DeleteFunc(template.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.CgroupNamespace })
	}
	text, err := json.MarshalIndent(template, "", "  ")
	if err != nil {
		return process.StatusFailed, err
	}
	return 0, writeNew(filepath.Join(*bundle, "config.json"), append(text, '\n'))
}

// writeNew writes a new file. It replaces no file: somebody may have edited an existing one. open(2), O_EXCL
func writeNew(name string, content []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: already exists (move it away, or name another directory with --bundle)", name)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = cmp.Or(err, file.Close()); err != nil {
		_ = os.Remove(name)
	}
	return err
}
