package page

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const whole = "# Page\n\n<!-- written by: make one -->\n\n1\n\n<!-- written by: make two -->\n\n2\n"

func TestEachTargetWritesItsSection(t *testing.T) {
	for target, section := range map[string]string{"one": "\n1\n\n", "two": "\n2\n"} {
		text, err := Section(whole, target)
		require.NoError(t, err)
		require.Equal(t, section, text)
		same, err := Replace(whole, target, section)
		require.NoError(t, err)
		require.Equal(t, whole, same)
	}
	changed, err := Replace(whole, "one", "\nnew\n\n")
	require.NoError(t, err)
	require.Equal(t, "# Page\n\n<!-- written by: make one -->\n\nnew\n\n<!-- written by: make two -->\n\n2\n", changed)
}

func TestAPageWithoutTheSection(t *testing.T) {
	_, err := Replace(whole, "three", "3\n")
	require.EqualError(t, err, `the page has no line "<!-- written by: make three -->": take the page from the repository again`)
}
