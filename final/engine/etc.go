//go:build linux

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"container-workshop/final/engine/flags"
)

// etc returns the contents of the container's files in /etc.
func etc(options *flags.Options) map[string]string {
	return map[string]string{"hostname": options.Hostname + "\n", "hosts": hosts(options), "resolv.conf": resolv(options)}
}

// hosts returns /etc/hosts: the container's own name, and what --add-host says. hosts(5)
func hosts(options *flags.Options) string {
	var text strings.Builder
	text.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t" + options.Hostname + "\n")
	for _, host := range options.KnownHosts {
		fmt.Fprintf(&text, "%s\t%s\n", host.IP, host.Name)
	}
	return text.String()
}

// resolv returns /etc/resolv.conf. With the host's network, the container gets the lines of the host that no flag replaces. resolv.conf(5)
func resolv(options *flags.Options) string {
	var text strings.Builder
	if options.Network == "host" {
		host, _ := os.ReadFile("/etc/resolv.conf")
		for line := range strings.Lines(string(host)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			replaced := word == "nameserver" && len(options.DNS) > 0 || (word == "search" || word == "domain") && len(options.Search) > 0
			if !replaced {
				text.WriteString(strings.TrimSuffix(line, "\n") + "\n")
			}
		}
	} else if len(options.DNS) == 0 {
		text.WriteString("# There is no network here but the loopback interface.\n")
	}
	for _, server := range options.DNS {
		fmt.Fprintf(&text, "nameserver %s\n", server)
	}
	if len(options.Search) > 0 && !slices.Contains(options.Search, ".") {
		text.WriteString("search " + strings.Join(options.Search, " ") + "\n")
	}
	return text.String()
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
