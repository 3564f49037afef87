//go:build linux

package ask

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/stage"
)

// TestMain makes the test binary a helper that answers what it was asked, and a program that asks a helper beside it.
func TestMain(m *testing.M) {
	switch {
	case os.Args[0] == Name && os.Args[1] == "die":
		os.Exit(3)
	case os.Args[0] == Name:
		var question string
		_ = json.NewDecoder(os.Stdin).Decode(&question)
		if os.Args[1] == "read" {
			file, _ := io.ReadAll(os.NewFile(3, "file"))
			question += string(file)
		}
		value, _ := json.Marshal(question)
		answer := Answer{Value: value, Records: []stage.Record{{Call: "socket()"}}}
		if os.Args[1] == "fail" {
			answer.Error = "no, says the helper"
		}
		_ = json.NewEncoder(os.Stdout).Encode(&answer)
		if os.Args[1] == "linger" {
			_, _ = io.ReadAll(os.NewFile(3, "pipe"))
		}
		os.Exit(0)
	case len(os.Args) == 2 && os.Args[1] == "ask":
		var value string
		if err := Helper(new(stage.List), "echo", "well", &value); err != nil {
			value = err.Error()
		}
		_, _ = os.Stdout.WriteString(value)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestTheHelperAnswers(t *testing.T) {
	Itself = true
	defer func() { Itself = false }()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(" and more"), 0o600))
	file, err := os.Open(name)
	require.NoError(t, err)
	defer file.Close()
	var value string
	var list stage.List
	require.NoError(t, Helper(&list, "read", "question", &value, file))
	assert.Equal(t, "question and more", value)
	assert.Equal(t, []stage.Record{{Call: "socket()"}}, list.Records)

	assert.EqualError(t, Helper(&list, "fail", "", nil), "no, says the helper")
	assert.Len(t, list.Records, 2, "what has failed is in the records")
	for _, question := range []string{"", strings.Repeat("longer than a pipe", 1<<16)} {
		assert.ErrorContains(t, Helper(&list, "die", question, nil), "died without an answer: exit status 3")
	}
}

// The kernel may need long to end a helper. Whoever has the answer does not wait for the end.
func TestTheAnswerIsEnough(t *testing.T) {
	Itself = true
	defer func() { Itself = false }()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	answered := make(chan error, 1)
	go func() { answered <- Helper(new(stage.List), "linger", "", nil, read) }()
	select {
	case err := <-answered:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		t.Error("the helper goes on, and so does whoever has asked")
	}
	// Now the helper ends.
	require.NoError(t, write.Close())
}

// closing is a question that closes files while it is encoded.
type closing []*os.File

func (c closing) MarshalJSON() ([]byte, error) {
	for _, file := range c {
		file.Close()
	}
	return []byte(`""`), nil
}

// Between fork and execve, Go needs a descriptor of its own, and takes the number above all those that it passes on.
func TestTheHelperStartsWhateverDescriptorsComeAndGo(t *testing.T) {
	Itself = true
	defer func() { Itself = false }()
	var files closing
	for range 64 {
		file, err := os.Open("/dev/null")
		require.NoError(t, err)
		files = append(files, file)
	}
	last := files[len(files)-1]
	defer last.Close()
	require.NoError(t, Helper(new(stage.List), "echo", files[:len(files)-1], nil, last))
}

// The helper lies beside final, and nobody can write to it who could not write to final.
func TestOnlyATrustedHelperIsStarted(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	program, helper := filepath.Join(dir, "final"), filepath.Join(dir, Name)
	require.NoError(t, os.WriteFile(program, self, 0o755))
	asked := func() string {
		t.Helper()
		output, err := exec.Command(program, "ask").Output()
		require.NoError(t, err)
		return string(output)
	}
	assert.Contains(t, asked(), "is missing: this needs the second program of final (make build/final-helper)")
	require.NoError(t, os.Symlink(program, helper))
	assert.Contains(t, asked(), unix.ELOOP.Error())
	require.NoError(t, os.Remove(helper))
	require.NoError(t, os.WriteFile(helper, self, 0o755))
	assert.Equal(t, "well", asked())

	require.NoError(t, os.Chmod(helper, 0o775))
	assert.Contains(t, asked(), "other users can write to "+helper)
	require.NoError(t, os.Chmod(program, 0o775))
	assert.Equal(t, "well", asked(), "the same group can write to final")
	require.NoError(t, os.Chmod(helper, 0o777))
	assert.Contains(t, asked(), "other users can write to "+helper)
	require.NoError(t, os.Chmod(helper, 0o755))
	require.NoError(t, os.Chown(helper, 1000, 0))
	assert.Contains(t, asked(), "belongs to user 1000")
	require.NoError(t, os.Chown(program, 1000, 0))
	assert.Equal(t, "well", asked(), "the owner of the helper could replace final")
}

// In a user namespace, the host's root and a stranger are both nobody.
func TestAHelperThatAStrangerHasPutBesideFinalIsRefused(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	dir, err := os.MkdirTemp("/tmp", "helper-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	program, helper := filepath.Join(dir, "final"), filepath.Join(dir, Name)
	require.NoError(t, os.WriteFile(program, self, 0o755))
	require.NoError(t, os.WriteFile(helper, self, 0o755))
	require.NoError(t, os.Chown(helper, 1002, 1002))
	asked := func() string {
		t.Helper()
		cmd := exec.Command(program, "ask")
		ids := []syscall.SysProcIDMap{{HostID: 1001, Size: 1}}
		cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids, Credential: &syscall.Credential{NoSetGroups: true}}
		output, err := cmd.Output()
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
			t.Skipf("needs user namespaces: %v", err)
		}
		require.NoError(t, err)
		return string(output)
	}
	require.NoError(t, os.Chmod(dir, 0o777|os.ModeSticky))
	assert.Contains(t, asked(), helper+" lies in a directory in which other users can make files")
	require.NoError(t, os.Chmod(dir, 0o755))
	assert.Equal(t, "well", asked(), "only root could have put the helper there")
}
