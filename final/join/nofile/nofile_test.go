//go:build linux

package nofile

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const asProgram = "SHOW_LIMITS"

// TestMain makes the test binary a program that shows its own limit, the limit that Restore returns, and the limit of a program
// that it starts afterwards.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(m.Run())
	}
	var raised unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &raised)
	restored, err := Restore()
	child, _ := exec.Command("sh", "-c", "echo $(ulimit -Sn) $(ulimit -Hn)").Output()
	fmt.Println(raised.Cur > restored.Cur, restored, err)
	os.Stdout.Write(child)
}

func TestRestoreReturnsTheLimitOfTheCaller(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	for script, want := range map[string]string{
		"ulimit -Sn 99; ulimit -Hn 1111": "true {99 1111} <nil>\n99 1111\n",
		// Go has nothing to raise.
		"ulimit -n 555": "false {555 555} <nil>\n555 555\n",
	} {
		cmd := exec.Command("sh", "-c", script+`; exec "$0"`, self)
		cmd.Env = append(os.Environ(), asProgram+"=1")
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", output)
		require.Equal(t, want, string(output), script)
	}
}
