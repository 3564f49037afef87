//go:build linux

package coach

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"container-workshop/internal/check"
)

func TestOutputOfTheProgramCannotActOnTheTerminal(t *testing.T) {
	var out strings.Builder
	s := &screen{out: &out, width: 100}
	s.block("seen ", red, "\x1b[2J\x1b]0;title\a\rdone\u009bx\ttabs and\nlines stay")
	assert.NotRegexp(t, `[\x00-\x08\x0b-\x1f\x7f-\x{9f}]`, out.String())
	assert.Contains(t, out.String(), "tabs and\n")
}

func TestWhereToLookIsASectionOfAPage(t *testing.T) {
	t.Chdir("../..")
	for _, p := range check.Properties {
		assert.Regexp(t, `\.md, [A-Za-z]`, place(p.Where), p.Where)
	}
}
