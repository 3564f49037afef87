//go:build linux

package main

import (
	"encoding/json"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	specsfeatures "github.com/opencontainers/runtime-spec/specs-go/features"

	"container-workshop/final/capability"
	"container-workshop/final/container"
	"container-workshop/final/namespace"
	"container-workshop/final/process"
	"container-workshop/final/rootfs"
	"container-workshop/final/seccomp"
	"container-workshop/final/spec"
)

func features(_ *container.Store, args []string) (int, error) {
	set := flagSet("features", "", "print the features of this runtime as JSON")
	if err := parse(set, args, 0, 0); err != nil {
		return process.StatusFailed, err
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return 0, encoder.Encode(allFeatures())
}

// allFeatures collects what each package supports. Only the supported flags of seccomp depend on this host. OCI runtime specification,
// features.md and features-linux.md
func allFeatures() *specsfeatures.Features {
	return &specsfeatures.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		Hooks:         spec.HookNames(),
		MountOptions:  rootfs.Words(),
		Linux: &specsfeatures.Linux{
			Namespaces:   namespace.Types(),
			Capabilities: capability.All(),
			Cgroup: &specsfeatures.Cgroup{
				V1: new(true), V2: new(true), Rdma: new(true), Systemd: new(true), SystemdUser: new(true),
			},
			Seccomp: &specsfeatures.Seccomp{
				Enabled:        new(true),
				Actions:        seccomp.Actions(),
				Operators:      seccomp.Operators(),
				Archs:          seccomp.Archs(),
				KnownFlags:     seccomp.KnownFlags(),
				SupportedFlags: seccomp.SupportedFlags(),
			},
			Apparmor:        &specsfeatures.Apparmor{Enabled: new(true)},
			Selinux:         &specsfeatures.Selinux{Enabled: new(true)},
			IntelRdt:        &specsfeatures.IntelRdt{Enabled: new(false)},
			MemoryPolicy:    &specsfeatures.MemoryPolicy{Modes: spec.MemoryPolicyModes(), Flags: spec.MemoryPolicyFlags()},
			MountExtensions: &specsfeatures.MountExtensions{IDMap: &specsfeatures.IDMap{Enabled: new(true)}},
			NetDevices:      &specsfeatures.NetDevices{Enabled: new(true)},
		},
		Annotations: map[string]string{"org.container-workshop.checkpoint.enabled": "false"},
	}
}
