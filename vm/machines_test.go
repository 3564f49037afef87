//go:build linux

// Package vm_test checks the scripts and files that make machines for the workshop.
package vm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func need(t *testing.T, command, packages string) {
	t.Helper()
	if _, err := exec.LookPath(command); err != nil {
		t.Skipf("needs %s: apt-get install %s", command, packages)
	}
}

// validate lets Vagrant check a Vagrantfile, with the settings for one provider. No provider needs to be installed: libvirt has a
// driver for tests, and Vagrant only asks VirtualBox for its version.
func validate(t *testing.T, file, provider string, flags ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Vagrantfile"), []byte(file), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "VBoxManage"), []byte("#!/bin/sh\necho 7.0.20r163906\n"), 0o755))
	cmd := exec.Command("vagrant", append([]string{"validate"}, flags...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "VAGRANT_HOME="+dir+"/home", "PATH="+dir+":"+os.Getenv("PATH"),
		"VAGRANT_DEFAULT_PROVIDER="+provider, "LIBVIRT_DEFAULT_URI=test:///default", "VAGRANT_CHECKPOINT_DISABLE=1")
	output, err := cmd.CombinedOutput()
	return string(output), err
}

func TestVagrantfileIsValid(t *testing.T) {
	need(t, "ruby", "ruby")
	need(t, "vagrant", "vagrant vagrant-libvirt")
	ruby, err := exec.Command("ruby", "-c", "../Vagrantfile").CombinedOutput()
	require.NoError(t, err, string(ruby))

	text, err := os.ReadFile("../Vagrantfile")
	require.NoError(t, err)
	output, err := validate(t, string(text), "", "--ignore-provider")
	require.NoError(t, err, output)
	for _, provider := range []string{"libvirt", "virtualbox"} {
		t.Run(provider, func(t *testing.T) {
			output, err := validate(t, string(text), provider)
			require.NoError(t, err, output)
			// A mistake in the block of this provider must be found.
			block := regexp.MustCompile(`(?s)(?:"` + provider + `"|%w\[` + provider + `).*?provider\.memory = `)
			mistaken := block.ReplaceAllStringFunc(string(text), func(found string) string {
				return strings.Replace(found, "provider.memory = ", "provider.memories = ", 1)
			})
			require.NotEqual(t, string(text), mistaken)
			output, err = validate(t, mistaken, provider)
			assert.Error(t, err)
			assert.Contains(t, output, "shouldn't exist: memories")
		})
	}
}

// A template has the keys that Lima 2.2 documents in templates/default.yaml. Nested keys are listed if we use them.
type template struct {
	MinimumLimaVersion string            `yaml:"minimumLimaVersion"`
	Base               string            `yaml:"base"`
	CPUs               int               `yaml:"cpus"`
	Memory             string            `yaml:"memory"`
	Disk               string            `yaml:"disk"`
	Param              map[string]string `yaml:"param"`
	VMType             string            `yaml:"vmType"`
	Arch               string            `yaml:"arch"`
	MountType          string            `yaml:"mountType"`
	Message            string            `yaml:"message"`
	Mounts             []struct {
		Location   string `yaml:"location"`
		MountPoint string `yaml:"mountPoint"`
		Writable   bool   `yaml:"writable"`
	} `yaml:"mounts"`
	PortForwards []struct {
		GuestPort int `yaml:"guestPort"`
		HostPort  int `yaml:"hostPort"`
	} `yaml:"portForwards"`
	Containerd struct {
		System bool `yaml:"system"`
		User   bool `yaml:"user"`
	} `yaml:"containerd"`
	Provision []struct {
		Mode   string `yaml:"mode"`
		Script string `yaml:"script"`
	} `yaml:"provision"`
	Probes []struct {
		Mode        string `yaml:"mode"`
		Description string `yaml:"description"`
		Script      string `yaml:"script"`
		Hint        string `yaml:"hint"`
	} `yaml:"probes"`
}

// limaTemplate reads lima.yaml, and refuses keys that a template does not have.
func limaTemplate(t *testing.T) (lima template) {
	t.Helper()
	file, err := os.Open("../lima.yaml")
	require.NoError(t, err)
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&lima))
	return lima
}

func TestLimaTemplateIsWhatLimaDocuments(t *testing.T) {
	lima := limaTemplate(t)
	require.Len(t, lima.Mounts, 1)
	assert.True(t, lima.Mounts[0].Writable)
	scripts := map[string]string{}
	for _, p := range lima.Provision {
		assert.Contains(t, []string{"system", "user"}, p.Mode)
		scripts["provision"] += p.Script
	}
	for _, p := range lima.Probes {
		assert.NotEmpty(t, p.Hint)
		scripts["probe"] += p.Script
	}
	for name, script := range scripts {
		assert.True(t, strings.HasPrefix(script, "#!/bin/"), name)
		// The scripts that run in the machine must exist in this folder.
		paths := regexp.MustCompile(lima.Mounts[0].MountPoint+`/(\S+)`).FindAllStringSubmatch(script, -1)
		assert.NotEmpty(t, paths, name)
		for _, path := range paths {
			assert.FileExists(t, filepath.Join("..", path[1]))
		}
	}
}

// make serve listens on this port. In a virtual machine of Vagrant it listens on all addresses, because the host comes from outside.
func TestEveryMachineForwardsThePortOfThePages(t *testing.T) {
	texts := map[string]string{}
	for _, file := range []string{"../Makefile", "../Vagrantfile", "provision.sh"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		texts[file] = string(text)
	}
	assert.Contains(t, texts["../Makefile"], "ADDRESS ?= $(or $(WORKSHOP_ADDRESS),127.0.0.1:8015)")
	assert.Contains(t, texts["provision.sh"], "export WORKSHOP_ADDRESS=0.0.0.0:8015")
	assert.Contains(t, texts["../Vagrantfile"], `"forwarded_port", guest: 8015, host: 8015, host_ip: "127.0.0.1"`)
	forwards := limaTemplate(t).PortForwards
	require.Len(t, forwards, 1)
	assert.Equal(t, 8015, forwards[0].GuestPort)
	assert.Equal(t, 8015, forwards[0].HostPort)
	assert.Equal(t, []int{8015}, readDevcontainer(t).ForwardPorts)
}

func TestBothMachinesRunOneScript(t *testing.T) {
	for _, file := range []string{"../Vagrantfile", "../lima.yaml"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Contains(t, string(text), "sudo bash /workshop/vm/provision.sh --login", file)
	}
}
