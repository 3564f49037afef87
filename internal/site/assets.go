package site

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// manifest are the files that say which packages npm installs. The lock pins each package by its checksum.
var manifest = []string{"package.json", "package-lock.json", ".npmrc"}

// player are the files of asciinema-player that a page loads when you play a recording.
var player = []string{"asciinema-player.css", "asciinema-player.min.js"}

// hidden are the parts of the pages that the search does not know. Hints and answers are folded, and the search must not give them
// away. The code beside a paragraph would only be noise.
const hidden = "main details, .beside figure, .ways"

// Install installs the npm packages of the site into the folder modules, if the lock has changed since the last time, or if the packages
// are for another machine: a virtual machine shares the folder with its host. Scripts of the packages do not run.
func (s *Site) Install(modules string) error {
	lock, err := os.ReadFile(filepath.Join(s.top, "internal/site/package-lock.json"))
	if err != nil {
		return err
	}
	// The copy of the lock says what is installed. It comes last, so an interrupted installation begins again.
	installed := filepath.Join(modules, "installed")
	if last, err := os.ReadFile(installed); err == nil && bytes.Equal(last, lock) && pagefind(modules) != "" {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, file := range manifest {
		text, err := os.ReadFile(filepath.Join(s.top, "internal/site", file))
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(modules, file), text); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "npm installs the player and the search into %s\n", modules)
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--loglevel=error")
	npm.Dir = modules
	npm.Stderr = os.Stderr
	if err := npm.Run(); err != nil {
		return fmt.Errorf("npm ci in %s: %w: the first time, make site needs npm and the internet", modules, err)
	}
	return writeFile(installed, lock)
}

// Equip adds to the site in the folder out what comes from npm: the player, and the index of the search.
func Equip(modules, out string) error {
	for _, file := range player {
		text, err := os.ReadFile(filepath.Join(modules, "node_modules/asciinema-player/dist/bundle", file))
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(out, "site", file), text); err != nil {
			return err
		}
	}
	program := pagefind(modules)
	if program == "" {
		return fmt.Errorf("pagefind has no program for %s on %s in %s/node_modules/@pagefind", runtime.GOOS, runtime.GOARCH, modules)
	}
	output, err := exec.Command(program, "--site", out, "--keep-index-url", "--exclude-selectors", hidden, "--quiet").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s --site %s: %w\n%s", program, out, err, output)
	}
	return nil
}

// pagefind returns the program that writes the index on this machine, or nothing. Its packages name a machine as Node.js does.
func pagefind(modules string) string {
	processor := strings.Replace(runtime.GOARCH, "amd64", "x64", 1)
	programs, _ := filepath.Glob(filepath.Join(modules, "node_modules/@pagefind", runtime.GOOS+"-"+processor, "bin/pagefind*[a-z]"))
	if len(programs) == 0 {
		return ""
	}
	return programs[0]
}
