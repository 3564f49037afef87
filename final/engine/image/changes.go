//go:build linux

package image

// A Question is what final asks the helper about the changes of a container. Descriptor 3 is the directory that the container writes to, and
// descriptor 4 the root directory below it.
type Question struct {
	// Home is the storage of final.
	Home string
	// UID and GID are where the IDs of the container begin on the host.
	UID, GID uint32
	// User says that an ordinary user runs final. Then overlay has other marks.
	User bool
	// Places are the paths of mounts in the container: final makes files and directories for these.
	Places []string
	// Image is the digest of the container's image. It is empty for a container of a root file system.
	Image string
	// Commit says what image to make. It is nil for the verb diff.
	Commit *Commit
}

// A Commit says what image commit makes.
type Commit struct {
	Names           []string
	Author, Message string
	// Change are instructions as in a Dockerfile, such as ENV A=B.
	Change []string
	// Command is what the container runs.
	Command []string
}

// A Change is a file that a container has added, changed or deleted. The path is bytes, because JSON would change a path that is no UTF-8.
type Change struct {
	Kind string
	Path []byte
}

// The kinds of changes, as Docker calls them.
const (
	Added   = "A"
	Changed = "C"
	Deleted = "D"
)
