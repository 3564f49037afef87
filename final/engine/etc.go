//go:build linux

package engine

import (
	"os"
	"path/filepath"

	"container-workshop/final/engine/flags"
)

// etc returns the contents of the container's files in /etc. With the host's network, the container gets the host's resolv.conf.
func etc(options *flags.Options) map[string]string {
	resolv := []byte("# There is no network here but the loopback interface.\n")
	if options.Network == "host" {
		resolv, _ = os.ReadFile("/etc/resolv.conf")
	}
	hosts := "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t" + options.Hostname + "\n"
	return map[string]string{"hostname": options.Hostname + "\n", "hosts": hosts, "resolv.conf": string(resolv)}
}

// FilesDir is the directory of these files, for bind mounts. The container may write to them, so they are on the disk with everything else
// that it writes: its state is in memory, which the host needs.
func FilesDir(id string) string { return filepath.Join(directory(id), "files") }

func writeFiles(id string, files map[string]string) error {
	dir := FilesDir(id)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
