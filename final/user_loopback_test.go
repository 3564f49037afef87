//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// without is a script for [trial.instead]: a program without the arguments that close the host's loopback interface.
const without = `for a; do shift; case $a in --no-map-gw | --disable-host-loopback) ;; *) set -- "$@" "$a" ;; esac; done; exec REAL "$@"`

// The container does not reach what listens on the host's loopback interface only.
func TestTheLoopbackInterfaceOfAnOrdinaryUserIsClosed(t *testing.T) {
	for _, carrier := range []string{"pasta", "slirp4netns"} {
		t.Run(carrier, func(t *testing.T) {
			c := asPerson(t, ranges)
			_, port, err := net.SplitHostPort(c.withNetwork(carrier))
			require.NoError(t, err)
			hidden, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer hidden.Close()
			_, forbidden, err := net.SplitHostPort(hidden.Addr().String())
			require.NoError(t, err)
			// The carrier reads the packets one after the other. So once the last server has answered, the carrier has done with those before.
			script := fmt.Sprintf(`
				use Socket; use Fcntl;
				for ("127.0.0.1", "10.0.2.2") {
					socket(my $s, PF_INET, SOCK_STREAM, 0); fcntl($s, F_SETFL, O_NONBLOCK); connect($s, sockaddr_in(%s, inet_aton($_))); push @all, $s;
				}
				socket(S, PF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in(%s, inet_aton("192.0.2.1"))) or die; print <S>`, forbidden, port)
			for _, open := range []bool{false, true} {
				if open {
					// The control.
					c.instead(carrier, without)
				}
				r := c.final(c.runArgs([]string{"--network", "bridge"}, "/usr/bin/perl", "-e", script)...)
				assert.Equal(t, "hello\n", r.stdout, r.stderr)
				assert.Equal(t, open, waits(t, hidden))
				c.nothingLeft()
			}
		})
	}
}

// waits reports whether a connection waits at a server.
func waits(t *testing.T, server net.Listener) bool {
	t.Helper()
	file, err := server.(*net.TCPListener).File()
	require.NoError(t, err)
	defer file.Close()
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLIN}}, 0)
	require.NoError(t, err)
	return n > 0
}

// newPasta is a script for [trial.instead]: a pasta that final takes for new.
const newPasta = `case $1 in --help) echo --host-lo-to-ns-lo ;; *) exec REAL "$@" ;; esac`

// openPasta is a script for [trial.instead]: a pasta that final takes for new, and that continues connections at the container's loopback interface.
// A new pasta does so with an argument, and an old pasta always.
const openPasta = `case $1 in --help) echo --host-lo-to-ns-lo; exit ;; esac
	case $(REAL --help 2>&1) in *--host-lo-to-ns-lo*) set -- --host-lo-to-ns-lo "$@" ;; esac; exec REAL "$@"`

// Whoever publishes a port does not publish what listens on the container's loopback interface only.
func TestTheLoopbackInterfaceOfAUsersContainerIsClosed(t *testing.T) {
	c := asPerson(t, ranges)
	c.withNetwork("pasta")
	c.needs("slirp4netns")
	for _, answer := range []string{"", "inside\n"} {
		if answer != "" {
			// The control.
			c.instead("pasta", openPasta)
		}
		c.detached(`exec perl -e '
			use Socket; socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(80, INADDR_LOOPBACK)) or die; listen(S, 1); $| = 1; print "ready\n";
			while (accept(C, S)) { syswrite(C, "inside\n"); close(C) }'`, "--publish", "127.0.0.1:45679:80")
		c.logged("ready")
		connection, err := net.Dial("tcp", "127.0.0.1:45679")
		require.NoError(t, err)
		require.NoError(t, connection.SetDeadline(time.Now().Add(patience)))
		// A carrier closes the connection, or breaks it.
		said, err := io.ReadAll(connection)
		assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, answer, string(said))
		connection.Close()
		require.Equal(t, result{}, c.final("delete", "--force", c.id))
		c.nothingLeft()
	}
}

func TestAnOldPastaPublishesNoPort(t *testing.T) {
	c := asPerson(t, ranges)
	c.withNetwork("pasta")
	c.instead("pasta", `[ "$1" != --help ] || exit 0; exec REAL "$@"`)
	c.only("newuidmap", "newgidmap")
	// The first time in a session, a warning about limits comes with the error.
	c.final(c.runArgs(nil, "/bin/true")...)
	refused(t, c.final(c.runArgs([]string{"--publish", "45680:80"}, "/bin/true")...), 125, "--publish 45680:80/tcp", "127.0.0.1", "apt-get install slirp4netns")
	r := c.final(c.runArgs([]string{"--network", "bridge"}, "/bin/true")...)
	assert.Equal(t, 0, r.status, r.stderr)
	c.nothingLeft()
}

// needs skips the test without a program that carries packets.
func (c *trial) needs(carrier string) {
	c.Helper()
	if _, err := exec.LookPath(carrier); err != nil {
		c.Skipf("needs %s: apt-get install slirp4netns passt", carrier)
	}
}
