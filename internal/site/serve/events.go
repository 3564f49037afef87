package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"container-workshop/internal/live"
)

// poll is how often a connection looks for news. heartbeat is how often a connection without news gets a comment. Without the comments,
// nobody would notice a connection that is gone.
const (
	poll      = 200 * time.Millisecond
	heartbeat = 15 * time.Second
)

// An events handler tells pages what the coach sees, as server-sent events: the whole state at the beginning, and again at each change.
// https://html.spec.whatwg.org/multipage/server-sent-events.html
type events struct{ top string }

// ServeHTTP sends events until the page or the server is gone. It polls, as the watch does: a folder that is shared with another
// machine sends no word of a change.
func (e *events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	to := http.NewResponseController(w)
	// After an interruption, a browser tries again once a second.
	fmt.Fprint(w, "retry: 1000\n\n")
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var told []byte
	for quiet := time.Now(); ; {
		now, err := json.Marshal(live.Read(e.top))
		switch {
		case err != nil:
			return
		case !bytes.Equal(now, told):
			told, quiet = now, time.Now()
			fmt.Fprintf(w, "data: %s\n\n", now)
		case time.Since(quiet) > heartbeat:
			quiet = time.Now()
			fmt.Fprint(w, ":\n\n")
		}
		if to.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// onThisMachine asks other instead of next if the request names another host. A page of a stranger can give its own name the address
// of this machine, and would then be allowed to read the answer.
func onThisMachine(next, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if local(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

func refused(w http.ResponseWriter, r *http.Request) {
	http.Error(w, fmt.Sprintf("events for %q: only for pages of http://127.0.0.1 and http://localhost, of any port", r.Host), http.StatusForbidden)
}

// local reports whether the host of a request, with or without port, is this machine.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "localhost" || host == "127.0.0.1" || host == "[::1]" || host == "::1"
}
