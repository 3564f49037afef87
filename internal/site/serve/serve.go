// Package serve shows the web pages of the workshop on this machine, and what the learner's coach sees. It only reads: nothing on a
// page can start or change anything.
package serve

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/internal/live"
)

// Run serves the pages of the workshop at top, at an address such as 127.0.0.1:8015, until a signal ends it.
func Run(top, address string, out io.Writer) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer signal.Stop(signals)
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, unix.EADDRINUSE) {
		return fmt.Errorf("%s is in use: if that is another make serve, open its pages; if not, choose another port: make serve ADDRESS=127.0.0.1:8016", address)
	}
	if err != nil {
		return fmt.Errorf("%w (make serve ADDRESS=127.0.0.1:8015 is the default)", err)
	}
	defer foreground()()
	pages := browsable(listener.Addr().(*net.TCPAddr))
	if err := live.Serve(top, pages); err != nil {
		fmt.Fprintf(out, "make check will not print the addresses of pages: %v\n", err)
	}
	fmt.Fprintf(out, "The workshop is at %s\nYour progress, live: %slive.html (with make watch in another terminal)\nCtrl-C ends the server.\n", pages, pages)
	server := &http.Server{Handler: Handler(top), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		sig := <-signals
		// Without this line, a signal that you did not send looks like an end for no reason.
		fmt.Fprintf(out, "\nThe signal %s has ended the server.\n", unix.SignalName(sig.(unix.Signal)))
		// Pages that listen for events would keep the server waiting, so their connections end, too.
		server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// browsable returns the address to type into a browser on this machine. A server that listens on all addresses is in a virtual
// machine, whose port is forwarded.
func browsable(address *net.TCPAddr) string {
	host := address.IP.String()
	if address.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(address.Port)) + "/"
}

// Handler answers requests for the pages of the workshop at top, and for events.
func Handler(top string) http.Handler {
	mux := http.NewServeMux()
	files := &pages{filepath.Join(top, "build/site")}
	mux.Handle("GET /", files)
	mux.Handle("GET /site/live-on.js", onThisMachine(http.HandlerFunc(liveOn), files))
	mux.Handle("GET /events", onThisMachine(&events{top}, http.HandlerFunc(refused)))
	return safe(mux)
}

// policy lets a page load files of this server alone. Search and the player of recordings are WebAssembly.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// safe adds the headers that keep a browser from doing more than the pages need.
func safe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		// make site may write the pages again at any time.
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

// liveOn tells a page that this server has events. Where the pages are files, or on another server, the file of this name is empty.
func liveOn(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	io.WriteString(w, "document.documentElement.dataset.live = \"\";\n")
}
