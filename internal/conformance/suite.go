//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
)

const (
	suiteModule  = "github.com/opencontainers/runtime-tools"
	suiteVersion = "v0.9.1-0.20260316125833-8a4db579f5c8"
	// suiteSum is the checksum that go.sum would hold if the workshop depended on the suite.
	suiteSum = "h1:2NAWFjN0PmdIe3XojVL9wf3lJ1//VqAgc7MOSYHQslE="
	// programsDir is the folder of the programs, below the folder in which they run.
	programsDir = "programs"
)

// getSuite returns the folder of the suite: the programs, and the files that they need. If the folder is missing below dir, getSuite
// builds the suite.
func getSuite(ctx context.Context, dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	built := filepath.Join(dir, suiteVersion+"-"+runtime.GOARCH)
	if _, err := os.Stat(built); !errors.Is(err, fs.ErrNotExist) {
		return built, err
	}
	fmt.Fprintf(os.Stderr, "building the suite in %s\n", built)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// Build in another folder and rename it at the end, so that an interrupted build never looks complete.
	work, err := os.MkdirTemp(dir, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := build(ctx, filepath.Join(work, "source"), filepath.Join(work, "built")); err != nil {
		return "", fmt.Errorf("build the suite: %w", err)
	}
	return built, os.Rename(filepath.Join(work, "built"), built)
}

// build compiles the suite from a copy of its source, because the module cache is read-only.
func build(ctx context.Context, source, built string) error {
	module, err := download(ctx, filepath.Dir(source))
	if err != nil {
		return err
	}
	if err := os.CopyFS(source, os.DirFS(module)); err != nil {
		return err
	}
	// A module leaves out the packages in vendor but not their list, and go would insist on that list.
	if err := os.RemoveAll(filepath.Join(source, "vendor")); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(built, programsDir), 0o755); err != nil {
		return err
	}
	for output, pattern := range map[string]string{programsDir + "/": "./validation/...", "runtimetest": "./cmd/runtimetest"} {
		if _, err := goCommand(ctx, source, "build", "-o", filepath.Join(built, output)+trailing(output), pattern); err != nil {
			return err
		}
	}
	if err := complete(filepath.Join(built, programsDir)); err != nil {
		return err
	}
	return makeRootfs(source, built)
}

// complete returns an error unless the suite has exactly the programs of expected.go.
func complete(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var built, known []string
	for _, entry := range entries {
		built = append(built, entry.Name())
	}
	for _, p := range expected {
		known = append(known, p.name)
	}
	if !slices.Equal(built, known) {
		return fmt.Errorf("the suite has the programs %v; expected.go has %v", built, known)
	}
	return nil
}

// trailing returns the slash that tells go that the output is a folder. filepath.Join drops this slash.
func trailing(output string) string {
	if output[len(output)-1] == '/' {
		return "/"
	}
	return ""
}

// download returns the folder of the module, and checks the module's checksum.
func download(ctx context.Context, dir string) (string, error) {
	text, err := goCommand(ctx, dir, "mod", "download", "-json", suiteModule+"@"+suiteVersion)
	var module struct{ Dir, Sum, Error string }
	if jsonErr := json.Unmarshal(text, &module); jsonErr == nil && module.Error != "" {
		return "", errors.New(module.Error)
	}
	if err != nil {
		return "", err
	}
	if module.Sum != suiteSum {
		return "", fmt.Errorf("%s@%s has the checksum %s, not %s: it is not the suite that is meant",
			suiteModule, suiteVersion, module.Sum, suiteSum)
	}
	return module.Dir, nil
}

// goCommand runs go outside of the workshop's module.
func goCommand(ctx context.Context, dir string, arguments ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", arguments...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off")
	text, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		err = fmt.Errorf("go %s: %s", arguments[0], lastLine(string(exit.Stderr)))
	}
	return text, err
}
