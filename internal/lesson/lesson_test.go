package lesson

import (
	"path/filepath"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/check/steptest"
)

// screen is wide enough for no line to be broken.
var screen = pty.Winsize{Rows: 50, Cols: 300}

func TestCommandsDoWhatThePageSays(t *testing.T) {
	rootfs := steptest.NeedRootfs(t)
	top, err := filepath.Abs("../..")
	require.NoError(t, err)
	pages, err := filepath.Glob("../../step0*/README.md")
	require.NoError(t, err)
	for _, page := range pages {
		t.Run(filepath.Base(filepath.Dir(page)), func(t *testing.T) {
			d, err := Read(page)
			require.NoError(t, err)
			machine, err := Boot(top, rootfs, screen)
			require.NoError(t, err)
			defer machine.Close()
			if err := d.Run(machine); err != nil {
				t.Error(err)
			}
		})
	}
}
