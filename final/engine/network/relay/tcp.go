//go:build linux

package relay

import (
	"errors"
	"io"
	"net"
	"time"
)

// dialTimeout is how long the container has to take a connection. An address that nobody has answers nothing.
const dialTimeout = 10 * time.Second

func (r *Relay) serveTCP(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// There are too many open files, or the client is gone already. accept(2)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if !r.add(conn) {
			conn.Close()
			continue
		}
		r.wait.Go(func() { r.connect(conn.(*net.TCPConn)) })
	}
}

// connect passes on what both ends of a connection say, each until it has said everything.
func (r *Relay) connect(outside *net.TCPConn) {
	defer r.remove(outside)
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(r.context, "tcp", r.to.String())
	if err != nil {
		// Nothing listens in the container. The client gets a reset, as if it had asked the container itself.
		_ = outside.SetLinger(0)
		return
	}
	if !r.add(conn) {
		conn.Close()
		return
	}
	inside := conn.(*net.TCPConn)
	defer r.remove(inside)
	done := make(chan struct{})
	go func() {
		defer close(done)
		pass(inside, outside)
	}()
	pass(outside, inside)
	<-done
}

// pass copies until one end has said everything, and tells the other. After an error neither end gets more.
func pass(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		from.Close()
		return
	}
	_ = to.CloseWrite()
}
