//go:build linux

package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
)

// The image of BenchmarkPull.
const (
	pullLayers = 10
	pullBytes  = 500 << 20
)

// BenchmarkPull times how final and podman pull an image from a registry on this host, in turns, into empty storage (make bench-pull). The
// storage is in PULL_DIR, or where all temporary files are. A pull of final ends when the image is on the disk. Podman leaves its layers to
// the kernel, and waits for its own lists only. So the second time of each includes a sync of everything after the pull.
func BenchmarkPull(b *testing.B) {
	programs := map[string]func(dir, name string) *exec.Cmd{"final": finalPull, "podman": podmanPull}
	for name := range programs {
		if _, err := exec.LookPath(map[string]string{"final": "../../build/final-helper", "podman": "podman"}[name]); err != nil {
			b.Skipf("needs %s: %v", name, err)
		}
	}
	name := startRegistry(b)
	times := map[string][]float64{}
	for b.Loop() {
		for _, program := range []string{"final", "podman"} {
			dir, err := os.MkdirTemp(os.Getenv("PULL_DIR"), "pull-")
			require.NoError(b, err)
			for unit, value := range measurePull(b, program, programs[program](dir, name)) {
				times[program+"-"+unit] = append(times[program+"-"+unit], value)
			}
			remove(b, dir)
		}
	}
	for unit, values := range times {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], unit)
	}
	for _, unit := range []string{"s", "s-with-sync", "s-cpu"} {
		f, p := times["final-"+unit], times["podman-"+unit]
		b.ReportMetric(f[len(f)/2]/p[len(p)/2], "ratio-"+unit)
	}
}

// measurePull runs a pull. The disk is at rest before.
func measurePull(b *testing.B, program string, cmd *exec.Cmd) map[string]float64 {
	unix.Sync()
	var said bytes.Buffer
	cmd.Stderr = &said
	begin := time.Now()
	require.NoError(b, cmd.Run(), said.String())
	took := time.Since(begin).Seconds()
	unix.Sync()
	synced := time.Since(begin).Seconds()
	user, system := cmd.ProcessState.UserTime().Seconds(), cmd.ProcessState.SystemTime().Seconds()
	most := float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
	b.Logf("%-6s %5.2f s, with sync %5.2f s, CPU %5.2f s (user %.2f, system %.2f), at most %3.0f MB", program, took, synced, user+system, user, system, most)
	return map[string]float64{"s": took, "s-with-sync": synced, "s-cpu": user + system, "MB": most}
}

func finalPull(dir, name string) *exec.Cmd {
	return exec.Command("../../build/final-helper", "pull", "final", dir, "--quiet", "--tls-verify=false", name)
}

func podmanPull(dir, name string) *exec.Cmd {
	cmd := exec.Command("podman", "--root", dir+"/root", "--runroot", dir+"/run", "--tmpdir", dir+"/tmp", "--storage-driver", "overlay",
		"--cgroup-manager", "cgroupfs", "--events-backend", "none", "pull", "--quiet", "--tls-verify=false", name)
	// This is where podman keeps the layers that it downloads.
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	return cmd
}

// remove removes the storage of a program, and the mounts that podman leaves in it.
func remove(b *testing.B, dir string) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(b, err)
	for line := range strings.Lines(string(mounts)) {
		if at := strings.Fields(line)[4]; strings.HasPrefix(at, dir+"/") {
			_ = unix.Unmount(at, unix.MNT_DETACH)
		}
	}
	require.NoError(b, os.RemoveAll(dir))
}

// asRegistry is the first argument of the registry's process. The kernel counts the memory of a parent as that of its children, so the
// process that starts the pulls must be small: getrusage(2)
const asRegistry = "as-registry"

// startRegistry starts a registry with the image, and returns the image's name.
func startRegistry(b *testing.B) string {
	cmd := exec.Command("/proc/self/exe", asRegistry)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(b, err, "start the registry")
	return strings.TrimSpace(line)
}

// serveImage is the registry: it prints the name of the image when the image is there, and serves it.
func serveImage() error {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	random := rand.New(rand.NewPCG(1, 2))
	config := image.Config{OS: "linux", Architecture: runtime.GOARCH, RootFS: image.RootFS{Type: "layers"}}
	manifest := image.Manifest{SchemaVersion: 2, MediaType: image.TypeManifest}
	for n := range pullLayers {
		layer := layerOf(random, n)
		var compressed bytes.Buffer
		w := gzip.NewWriter(&compressed)
		_, err := w.Write(layer)
		if err = errors.Join(err, w.Close()); err != nil {
			return err
		}
		d, err := upload(server.URL, image.TypeLayerGzip, compressed.Bytes())
		if err != nil {
			return err
		}
		config.RootFS.DiffIDs, manifest.Layers = append(config.RootFS.DiffIDs, ingest.Digest(layer)), append(manifest.Layers, d)
	}
	content, err := json.Marshal(config)
	if err != nil {
		return err
	}
	d, err := upload(server.URL, image.TypeConfig, content)
	if err != nil {
		return err
	}
	manifest.Config = &d
	if content, err = json.Marshal(manifest); err != nil {
		return err
	}
	if err := request(http.MethodPut, server.URL+"/v2/large/manifests/1", image.TypeManifest, content); err != nil {
		return err
	}
	fmt.Println(strings.TrimPrefix(server.URL, "http://") + "/large:1")
	select {}
}

func upload(url, mediaType string, content []byte) (image.Descriptor, error) {
	d := image.Descriptor{MediaType: mediaType, Digest: ingest.Digest(content), Size: int64(len(content))}
	return d, request(http.MethodPost, url+"/v2/large/blobs/uploads/?digest="+d.Digest, "application/octet-stream", content)
}

func request(method, url, mediaType string, content []byte) error {
	r, err := http.NewRequest(method, url, bytes.NewReader(content))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", mediaType)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s %s: %s", method, url, answer.Status)
	}
	return nil
}

// layerOf makes a layer like those of a distribution: most of its files are small, most of its bytes are in large files, and a compressor
// leaves half of them.
func layerOf(random *rand.Rand, n int) []byte {
	pool := make([]byte, 8<<20)
	for i := range pool {
		pool[i] = "etaoin shrdlu\n\x00\x01\x02\x03"[random.IntN(17)]
	}
	// Every fourth part of the pool does not compress.
	for i := 0; i < len(pool); i += 16 << 10 {
		for j := range 4 << 10 {
			pool[i+j] = byte(random.Uint32())
		}
	}
	var content bytes.Buffer
	w := tar.NewWriter(&content)
	for file := 0; content.Len() < pullBytes/pullLayers; file++ {
		size := 1 << (7 + random.IntN(15))
		size += random.IntN(size)
		if random.IntN(4) > 0 {
			size = min(size, 8192+random.IntN(8192))
		}
		at := random.IntN(len(pool) - size)
		name := fmt.Sprintf("usr/part%d/dir%d/file%d", n, file/40, file)
		_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(size), ModTime: time.Unix(1700000000, 0)})
		_, _ = w.Write(pool[at : at+size])
	}
	_ = w.Close()
	return content.Bytes()
}
