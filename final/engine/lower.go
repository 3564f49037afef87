//go:build linux

package engine

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/container"
	"container-workshop/final/engine/flags"
	"container-workshop/final/engine/image"
	"container-workshop/final/more/copyup"
	"container-workshop/final/process"
	"container-workshop/final/rootfs"
	"container-workshop/final/spec"
)

// A lower has the files below a container's own, which stay as they are: a root file system, or the layers of an image.
type lower struct {
	// tree shows all files.
	tree rootfs.Root
	// layers are open directories, the highest first.
	layers []int
	// image is nil if a root file system is the only layer.
	image *image.Image
	// volumes are the places of the volumes that the image asks for.
	volumes []string
}

// openLower opens the root file system or the image that the options name.
func openLower(options *flags.Options) (*lower, error) {
	if options.Image == "" {
		return openRootfs(options.Root.Path)
	}
	store, err := image.Open(Home())
	if err != nil {
		return nil, err
	}
	found, err := store.Resolve(options.Image)
	if err != nil {
		return nil, err
	}
	options.Root.Path = store.Dir
	return openImage(found)
}

func openRootfs(dir string) (*lower, error) {
	tree, err := container.OpenRootfs(dir)
	return &lower{tree: tree, layers: []int{int(tree)}}, err
}

func openImage(found *image.Image) (_ *lower, err error) {
	l, name := &lower{image: found}, cmp.Or(found.Name, found.Digest)
	for _, dir := range slices.Backward(found.Layers) {
		root, err := rootfs.OpenRoot(dir)
		if err != nil {
			return nil, fmt.Errorf("image %s is not complete: %w (final pull %[1]s)", name, err)
		}
		l.layers = append(l.layers, int(root))
	}
	switch len(l.layers) {
	case 0:
		return nil, fmt.Errorf("image %s has no files", name)
	case 1:
		l.tree, err = rootfs.OpenRoot(found.Layers[0])
	default:
		var mount int
		mount, err = mountLayers(rootfs.Overlay{Lower: l.layers, Upper: -1}, "")
		l.tree = rootfs.Root(mount)
	}
	return l, err
}

// maxVolumes is how many volumes an image may ask for. Each is a mount, with a copy of the files that the image has there.
const maxVolumes = 128

// complete fills in what the image says and the caller has not said, and returns the command.
// https://github.com/opencontainers/image-spec/blob/v1.1.1/conversion.md
func (l *lower) complete(options *flags.Options, command []string) ([]string, error) {
	if l.image == nil {
		return command, nil
	}
	settings := l.image.Config.Config
	if len(command) == 0 {
		command = settings.Cmd
	}
	command = slices.Concat(settings.Entrypoint, command)
	if len(command) == 0 {
		return nil, fmt.Errorf("image %s has no command of its own: name one, as in final run --image %[1]s COMMAND", options.Image)
	}
	var env []string
	for _, variable := range settings.Env {
		// A name alone would be a variable of the caller's, which is not for the image.
		if key, _, found := strings.Cut(variable, "="); found && key != "" && !strings.ContainsRune(variable, 0) {
			env = append(env, variable)
		}
	}
	options.Env = append(env, options.Env...)
	if options.User == "" && settings.User != "" {
		read := func(name string) ([]byte, error) { return l.tree.ReadFile(name, spec.MaxRecords) }
		if _, _, err := flags.FindUser(settings.User, read); err != nil {
			return nil, fmt.Errorf("image %s, user %q: %w (choose one with --user)", options.Image, settings.User, err)
		}
		options.User = settings.User
	}
	options.Process.Cwd = cmp.Or(options.Process.Cwd, path.Join("/", settings.WorkingDir))
	if len(settings.Volumes) > maxVolumes {
		return nil, fmt.Errorf("image %s asks for %d volumes: final makes at most %d", options.Image, len(settings.Volumes), maxVolumes)
	}
	l.volumes = slices.Sorted(maps.Keys(settings.Volumes))
	options.Volumes = l.volumes
	options.Annotations = annotations(&l.image.Config)
	return command, nil
}

// annotations are what the specification keeps of an image's configuration, for programs that look at containers.
func annotations(c *image.Config) map[string]string {
	all := map[string]string{}
	maps.Copy(all, c.Config.Labels)
	delete(all, "")
	created := ""
	if c.Created != nil {
		created = c.Created.Format(time.RFC3339Nano)
	}
	for key, value := range map[string]string{
		"os": c.OS, "architecture": c.Architecture, "variant": c.Variant, "author": c.Author, "created": created, "stopSignal": c.Config.StopSignal,
		"exposedPorts": strings.Join(slices.Sorted(maps.Keys(c.Config.ExposedPorts)), ","),
	} {
		// What the image says elsewhere wins over its labels.
		if value != "" {
			all["org.opencontainers.image."+key] = value
		}
	}
	return all
}

// volumesDir is the directory of the volumes of a container whose image asks for some. They go with the container.
func volumesDir(id string) string { return filepath.Join(directory(id), "volumes") }

// use notes in the storage of a container that the container uses the image, and makes volumes with the files that the image has there.
func (l *lower) use(dir int, id string) error {
	if l.image == nil {
		return nil
	}
	store, err := image.Open(Home())
	if err != nil {
		return err
	}
	if _, err := store.Use(dir, l.image.Digest); err != nil {
		return err
	}
	if len(l.volumes) == 0 {
		return nil
	}
	if err := os.Mkdir(volumesDir(id), 0o711); err != nil {
		return err
	}
	for i, name := range l.volumes {
		if err := l.makeVolume(filepath.Join(volumesDir(id), strconv.Itoa(i)), name); err != nil {
			return fmt.Errorf("volume %s of the image: %w", name, err)
		}
	}
	return nil
}

func (l *lower) makeVolume(dir, name string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	place, err := l.tree.Open(name, unix.O_PATH|unix.O_DIRECTORY, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(place)
	to, err := rootfs.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer to.Close()
	return copyup.Copy{Proc: "/proc"}.Up(place, name, int(to), false)
}

// Suggest names the flag of a volume that cannot be mounted. It says what may be meant if a command is missing: the word may be the name of an
// image, as for docker run.
func Suggest(options *flags.Options, command []string, mounts []specs.Mount, err error) error {
	if err == nil {
		return nil
	}
	err = nameVolumes(options, mounts, err)
	var failure *process.Failure
	if options.Image != "" || !errors.As(err, &failure) || failure.Status != process.StatusNotFound {
		return err
	}
	name := command[0]
	if hasImage(name) {
		return fmt.Errorf("%w (there is an image of this name: final run --image %s)", err, name)
	}
	if _, none := image.ParseReference(name, image.DefaultRegistry); none != nil || options.Root.Path != flags.Defaults().Root.Path {
		return err
	}
	return fmt.Errorf("%w (the first word is the command; if you mean an image: final pull %s, and final run --image %[2]s)", err, name)
}

// hasImage reports whether the store has an image of a name. It makes no store.
func hasImage(name string) bool {
	if _, err := os.Lstat(filepath.Join(Home(), "images")); err != nil {
		return false
	}
	store, err := image.Open(Home())
	if err != nil {
		return false
	}
	_, err = store.Resolve(name)
	return err == nil
}
