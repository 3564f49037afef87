// Package engine runs podman, containerd and docker on a runtime, as a user would: make test-podman, test-podman-rootless, test-containerd, test-docker, test-cri.
package engine
