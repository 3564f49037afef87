//go:build linux

package systemd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"container-workshop/final/namespace"
)

// connect connects to the systemd that may make the scope: the host's, or in a user namespace the one of the user, which has the cgroups that
// are delegated to the user. user@.service(5)
func connect(ctx context.Context) (*systemd.Conn, error) {
	if !namespace.Nested() {
		return systemd.NewSystemConnectionContext(ctx)
	}
	return systemd.NewConnection(func() (*dbus.Conn, error) { return connectAsUser(ctx) })
}

// connectAsUser connects to the bus of the user. The bus compares the user ID that we name with the one that the kernel names, which is that
// on the host. unix(7), SO_PEERCRED
func connectAsUser(ctx context.Context) (*dbus.Conn, error) {
	address := os.Getenv("DBUS_SESSION_BUS_ADDRESS")
	if dir := os.Getenv("XDG_RUNTIME_DIR"); address == "" && filepath.IsAbs(dir) {
		address = "unix:path=" + filepath.Join(dir, "bus")
	}
	if address == "" {
		return nil, errors.New("the bus of the user is not known: log in as the user, or set XDG_RUNTIME_DIR")
	}
	maps, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return nil, err
	}
	conn, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	err = conn.Auth([]dbus.Auth{dbus.AuthExternal(hostUser(string(maps)))})
	if err == nil {
		err = conn.Hello()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// hostUser returns who user 0 of a user namespace is on the host, by the lines of its map: first ID inside, first ID on the host, and their
// number. user_namespaces(7)
func hostUser(maps string) string {
	for line := range strings.Lines(maps) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "0" {
			return fields[1]
		}
	}
	return "0"
}
