//go:build linux

package archive

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/engine/image"
)

func TestInstructionsChangeSettings(t *testing.T) {
	s := image.Settings{Env: []string{"A=old", "KEPT=1"}, WorkingDir: "/srv", Labels: map[string]string{"kept": "1"}}
	before := s.Labels
	for _, line := range []string{`env A=1 "B=two words" C=\"`, "ENV OLD the old form", `LABEL l='a "b"'`, `CMD ["sh", "-c", "true"]`, "ENTRYPOINT exec sh", "WORKDIR app/../lib", " USER\t1:2 ", "STOPSIGNAL SIGUSR1"} {
		require.NoError(t, apply(&s, line), line)
	}
	assert.Equal(t, image.Settings{
		Env: []string{"KEPT=1", "A=1", "B=two words", `C="`, "OLD=the old form"}, Labels: map[string]string{"kept": "1", "l": `a "b"`}, Cmd: []string{"sh", "-c", "true"},
		Entrypoint: []string{"/bin/sh", "-c", "exec sh"}, WorkingDir: "/srv/lib", User: "1:2", StopSignal: "SIGUSR1",
	}, s)
	assert.Len(t, before, 1, "the settings of the image below stay as they are")
	for _, line := range []string{"", "ENV", "RUN true", "ENV A", `ENV A='1`, `ENV A=1\`, "ENV =1", "LABEL a=1 b", "USER \x00", "ENV ''"} {
		assert.Error(t, apply(&s, line), line)
	}
}
