package serve_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/live"
	"container-workshop/internal/site/serve"
)

// workshop returns a folder with two pages, and with files beside the pages that nobody may see.
func workshop(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	write(t, top, "build/site/index.html", "the first page")
	write(t, top, "build/site/step02-uts/index.html", "the second step")
	write(t, top, "build/site/site/live-on.js", "// nothing")
	write(t, top, "work/mine/main.go", "secret")
	require.NoError(t, os.Symlink("../../work/mine/main.go", filepath.Join(top, "build/site/main.go")))
	return top
}

func write(t *testing.T, top, name, text string) {
	t.Helper()
	path := filepath.Join(top, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o644))
	require.NoError(t, os.Rename(path+".new", path))
}

// get returns the answer to a request for a path of a host.
func get(pages http.Handler, host, path string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	request := httptest.NewRequest("GET", path, nil)
	request.Host = host
	pages.ServeHTTP(answer, request)
	return answer
}

func TestThePagesAreServedAndNothingElse(t *testing.T) {
	top := workshop(t)
	pages := serve.Handler(top)
	for path, want := range map[string]string{
		"/": "the first page", "/index.html": "the first page", "/step02-uts/": "the second step", "/step02-uts/index.html": "the second step",
	} {
		answer := get(pages, "127.0.0.1:8015", path)
		assert.Equal(t, http.StatusOK, answer.Code, path)
		assert.Equal(t, want, answer.Body.String(), path)
		assert.Equal(t, "text/html; charset=utf-8", answer.Header().Get("Content-Type"))
		assert.Equal(t, "nosniff", answer.Header().Get("X-Content-Type-Options"))
		assert.Contains(t, answer.Header().Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'")
	}
	assert.Equal(t, "/step02-uts/", get(pages, "localhost", "/step02-uts").Header().Get("Location"))
	for _, path := range []string{"/nothing.html", "/site/", "/main.go", "/../../work/mine/main.go", "/..%2f..%2fwork/mine/main.go", "/%2e%2e/%2e%2e/work/mine/main.go"} {
		answer := get(pages, "localhost", path)
		assert.NotEqual(t, http.StatusOK, answer.Code, path)
		assert.NotContains(t, answer.Body.String(), "secret", path)
		assert.NotContains(t, answer.Body.String(), "live-on.js", path)
	}
	require.NoError(t, os.RemoveAll(filepath.Join(top, "build/site")))
	assert.Contains(t, get(pages, "localhost", "/").Body.String(), "make site")
}

func TestOnlyPagesOfThisMachineGetEvents(t *testing.T) {
	top := workshop(t)
	pages := serve.Handler(top)
	for _, host := range []string{"evil.example", "evil.example:8015", "127.0.0.1.evil.example", "localhost.evil.example:8015", "192.0.2.1:8015", "", "[::2]:8015"} {
		answer := get(pages, host, "/events")
		assert.Equal(t, http.StatusForbidden, answer.Code, host)
		assert.Equal(t, 1, strings.Count(answer.Body.String(), "\n"), answer.Body.String())
		assert.Contains(t, answer.Body.String(), "http://127.0.0.1")
		assert.Equal(t, "// nothing", get(pages, host, "/site/live-on.js").Body.String(), "%s: the page does not ask in vain", host)
	}
	for _, host := range []string{"localhost", "localhost:8015", "127.0.0.1:9", "127.0.0.1", "[::1]:8015", "[::1]"} {
		assert.Contains(t, get(pages, host, "/site/live-on.js").Body.String(), "dataset.live", host)
		events := listen(t, top, host)
		assert.Nil(t, events.next(), host)
	}
}

// A listener is what a page is for events.
type listener struct {
	*testing.T
	lines *bufio.Scanner
}

func listen(t *testing.T, top, host string) *listener {
	t.Helper()
	server := httptest.NewServer(serve.Handler(top))
	t.Cleanup(server.Close)
	request, err := http.NewRequest("GET", server.URL+"/events", nil)
	require.NoError(t, err)
	request.Host = host
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { answer.Body.Close() })
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	return &listener{t, bufio.NewScanner(answer.Body)}
}

// next returns the next event.
func (l *listener) next() (s *live.State) {
	l.Helper()
	for l.lines.Scan() {
		if data, found := strings.CutPrefix(l.lines.Text(), "data: "); found {
			require.NoError(l, json.Unmarshal([]byte(data), &s))
			return s
		}
	}
	require.Fail(l, "the events have ended", "%v", l.lines.Err())
	return nil
}

func TestEventsFollowTheCoach(t *testing.T) {
	top := workshop(t)
	page := listen(t, top, "localhost")
	assert.Nil(t, page.next(), "no coach has been there yet")
	tell := func(s live.State) {
		text, err := json.Marshal(s)
		require.NoError(t, err)
		write(t, top, "work/.watch", string(text))
	}
	tell(live.State{Doing: live.Broken, Step: 2, Lines: []string{"main.go:1\n\ndata: {}", "<script>"}})
	s := page.next()
	assert.Equal(t, live.Broken, s.Doing)
	assert.Equal(t, []string{"main.go:1\n\ndata: {}", "<script>"}, s.Lines, "what a program prints cannot end an event")
	assert.False(t, s.Watching)
	require.NoError(t, live.Watch(top))
	assert.True(t, page.next().Watching)
	tell(live.State{Doing: live.Checking, Step: 2})
	assert.Equal(t, live.Checking, page.next().Doing)
	write(t, top, "work/.watch", "{")
	assert.Nil(t, page.next(), "a file that makes no sense shows nothing")
	tell(live.State{Doing: live.Passed, Step: 2})
	assert.Equal(t, live.Passed, page.next().Doing)
	another := listen(t, top, "localhost")
	assert.Equal(t, live.Passed, another.next().Doing, "a new page sees everything at once")
}

// command returns make serve's program, at an address of the workshop at top.
func command(t *testing.T, top, address string) *exec.Cmd {
	t.Helper()
	program := filepath.Join(t.TempDir(), "pages")
	output, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, "container-workshop/internal/site/cmd").CombinedOutput()
	require.NoError(t, err, string(output))
	cmd := exec.Command(program, "serve", address)
	cmd.Dir = top
	return cmd
}

func TestASignalEndsTheServerAtOnceAndIsNamed(t *testing.T) {
	top := workshop(t)
	program := command(t, top, "127.0.0.1:0")
	for name, sig := range map[string]os.Signal{"SIGINT": unix.SIGINT, "SIGTERM": unix.SIGTERM, "SIGHUP": unix.SIGHUP} {
		cmd := exec.Command(program.Path, program.Args[1:]...)
		cmd.Dir = top
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		defer cmd.Process.Kill()
		said := bufio.NewReader(stdout)
		line, err := said.ReadString('\n')
		require.NoError(t, err)
		address := strings.TrimSpace(strings.TrimPrefix(line, "The workshop is at "))
		require.Eventually(t, func() bool { return live.Address(top) == address }, time.Minute, time.Millisecond, "make check finds the server")
		answer, err := http.Get(address + "events")
		require.NoError(t, err)
		defer answer.Body.Close()
		require.NoError(t, cmd.Process.Signal(sig))
		_, err = io.ReadAll(answer.Body)
		assert.Error(t, err, "a page that listens notices")
		rest, err := io.ReadAll(said)
		assert.NoError(t, err)
		assert.Regexp(t, "\n"+`The signal `+name+` has ended the server\.`+"\n$", string(rest))
		assert.NoError(t, cmd.Wait(), "status 0")
		assert.Empty(t, live.Address(top), "make check does not name a server that has ended")
	}
}

func TestMakeAddsNothingAtATerminal(t *testing.T) {
	top := workshop(t)
	serve := command(t, top, "127.0.0.1:0")
	write(t, top, "Makefile", "serve:\n\t@"+strings.Join(serve.Args, " ")+"\n")
	cmd := exec.Command("make", "--no-print-directory", "serve")
	cmd.Dir = top
	terminal, err := pty.Start(cmd)
	require.NoError(t, err)
	defer terminal.Close()
	said := bufio.NewScanner(terminal)
	for said.Scan() && !strings.HasPrefix(said.Text(), "Ctrl-C") {
	}
	_, err = terminal.WriteString("\x1a\x03")
	require.NoError(t, err)
	var rest []string
	for said.Scan() {
		rest = append(rest, said.Text())
	}
	assert.NoError(t, cmd.Wait(), "status 0")
	assert.NotContains(t, strings.Join(rest, "\n"), "make")
	assert.Empty(t, live.Address(top))
}

func TestAnAddressInUseIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	output, err := command(t, workshop(t), taken.Addr().String()).CombinedOutput()
	assert.Error(t, err)
	assert.Equal(t, 1, strings.Count(string(output), "\n"), string(output))
	assert.Contains(t, string(output), taken.Addr().String()+" is in use")
	assert.Contains(t, string(output), "make serve ADDRESS=")
	output, err = command(t, workshop(t), "nonsense").CombinedOutput()
	assert.Error(t, err)
	assert.Equal(t, 1, strings.Count(string(output), "\n"), string(output))
	assert.Contains(t, string(output), "make serve ADDRESS=127.0.0.1:8015")
}
