//go:build linux

package oci

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// checkedSysctl reads KEY=VALUE, and returns it with dots in the key. Whether the container may set it is seen later.
func checkedSysctl(text string) (string, error) {
	key, value, found := strings.Cut(text, "=")
	if !found || key == "" {
		return "", errors.New("must be KEY=VALUE, such as net.ipv4.ip_forward=1")
	}
	if err := plain(text); err != nil {
		return "", err
	}
	return dotted(key) + "=" + value, nil
}

// dotted changes the separators of net/ipv4/conf/eth0.100/forwarding, where dots are no separators, to those of
// net.ipv4.conf.eth0/100.forwarding. sysctl(8)
func dotted(key string) string {
	if first := strings.IndexAny(key, "./"); first < 0 || key[first] == '.' {
		return key
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, key)
}

// checkSysctl refuses what the container does not have to itself. Has reports which namespaces it has of its own.
func checkSysctl(key string, has func(specs.LinuxNamespaceType) bool) error {
	key = dotted(key)
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
	if !has(needed) {
		return fmt.Errorf("this setting is the host's: the container has no %s namespace of its own", needed)
	}
	return nil
}

// sysctlNamespace returns the type of namespace that has its own value of a parameter. proc_sys_kernel(5)
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
