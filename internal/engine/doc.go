// Package engine runs podman, containerd, docker and Kubernetes on a runtime, as a user would: make test-podman, test-podman-rootless,
// test-containerd, test-docker, test-cri, test-kubernetes.
package engine
