//go:build linux

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"container-workshop/final/engine/flags"
)

// etc returns the contents of the container's files in /etc. c is nil for a container that is in no network of ours.
func etc(options *flags.Options, c *connection) map[string]string {
	return map[string]string{"hostname": options.Hostname + "\n", "hosts": hosts(options, c), "resolv.conf": resolv(options, c)}
}

// hosts returns /etc/hosts: the container's own name, and what --add-host says. hosts(5)
func hosts(options *flags.Options, c *connection) string {
	var text strings.Builder
	text.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	if c == nil {
		text.WriteString("127.0.1.1\t" + options.Hostname + "\n")
	} else {
		for _, address := range c.Addresses(c.joined) {
			fmt.Fprintf(&text, "%s\t%s %s\n", address.Addr(), options.Hostname, options.Name)
		}
	}
	for _, host := range options.KnownHosts {
		if host.IP.IsValid() {
			fmt.Fprintf(&text, "%s\t%s\n", host.IP, host.Name)
			continue
		}
		for _, gateway := range c.joined.Gateways() {
			fmt.Fprintf(&text, "%s\t%s\n", gateway.Addr(), host.Name)
		}
	}
	return text.String()
}

// FilesDir is the directory of a container's files in /etc, which the container sees by bind mounts. The container may write to these files, so
// they are on the disk, with everything else that it writes. The state of containers is in memory, which a container must not fill.
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
