//go:build linux

package spec

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// SysctlKey returns a key with dots as separators. In net/ipv4/conf/eth0.100/forwarding a slash separates and a dot belongs to a name;
// SysctlKey returns net.ipv4.conf.eth0/100.forwarding. sysctl(8)
func SysctlKey(key string) string {
	if first := strings.IndexAny(key, "./"); first < 0 || key[first] == '.' {
		return key
	}
	return strings.NewReplacer(".", "/", "/", ".").Replace(key)
}

// CheckSysctl refuses a parameter that the container shares with the host, because no namespace of its own has the parameter.
func CheckSysctl(key string, namespaces []specs.LinuxNamespace) error {
	key = SysctlKey(key)
	if strings.ContainsAny(key, " \t\r\n\x00") || strings.Contains("."+strings.ReplaceAll(key, "/", ".")+".", "..") {
		return errors.New("must be names separated by dots, such as net.ipv4.ip_forward")
	}
	if key == "kernel.hostname" {
		return errors.New("the hostname is set elsewhere: use --hostname, or hostname in the configuration")
	}
	needed, known := sysctlNamespace(key)
	if !known {
		return errors.New("the host and all containers share this setting: use only net.*, fs.mqueue.*, kernel.msg*, kernel.sem, kernel.shm* and kernel.domainname")
	}
	if !HasNamespace(namespaces, needed) {
		return fmt.Errorf("this setting is the host's: the container has no %s namespace of its own", needed)
	}
	return nil
}

// sysctlNamespace returns the type of namespace that has its own value of a kernel parameter. proc_sys_kernel(5)
func sysctlNamespace(key string) (specs.LinuxNamespaceType, bool) {
	switch {
	case strings.HasPrefix(key, "net."):
		return specs.NetworkNamespace, true
	case strings.HasPrefix(key, "fs.mqueue."):
		return specs.IPCNamespace, true
	}
	switch key {
	case "kernel.domainname":
		return specs.UTSNamespace, true
	case "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.msg_next_id", "kernel.sem", "kernel.sem_next_id",
		"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_next_id", "kernel.shm_rmid_forced", "kernel.auto_msgmni":
		return specs.IPCNamespace, true
	}
	return "", false
}
