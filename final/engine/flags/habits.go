//go:build linux

package flags

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

// instead says what to type in place of a flag that docker run has, and final has not. It is empty for any other error.
func instead(err error) string {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return ""
	}
	say := map[string]string{
		"P":           "--publish PORT for each port",
		"cidfile":     "--name ID, or the ID that --detach prints",
		"entrypoint":  "an image with another entrypoint: final commit --change 'ENTRYPOINT ...'",
		"gpus":        "--device",
		"ipc":         "a bundle, whose config.json names the namespaces: run --bundle DIR",
		"link":        "--network bridge, in which containers find each other by name",
		"log-driver":  "--log-opt, and final logs",
		"mount":       "--volume SRC:DST[:ro], or --tmpfs DIR",
		"pid":         "a bundle, whose config.json names the namespaces: run --bundle DIR",
		"platform":    "final pull, which takes the image for this machine",
		"publish-all": "--publish PORT for each port",
		"pull":        "final pull",
		"restart":     "a systemd service with Restart=: final starts no container again",
		"shm-size":    "--tmpfs /dev/shm:size=SIZE",
		"stop-signal": "final kill ID SIGNAL",
		"uts":         "a bundle, whose config.json names the namespaces: run --bundle DIR",
	}[unknown.GetSpecifiedName()]
	if say == "" {
		return ""
	}
	return fmt.Sprintf(": use %s", say)
}
