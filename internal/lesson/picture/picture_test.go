package picture

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// size is that of a font in a style.
var size = regexp.MustCompile(`font(?:-size)?:[^;]*?(\d+)px`)

func TestPicturesCanBeReadByEverybody(t *testing.T) {
	for step := 1; step <= 7; step++ {
		svg, err := Draw(step)
		require.NoError(t, err)
		text := string(svg)
		elements := map[string]int{}
		for decoder := xml.NewDecoder(strings.NewReader(text)); ; {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, "step %d", step)
			if start, ok := token.(xml.StartElement); ok {
				elements[start.Name.Local]++
			}
		}
		assert.Equal(t, 1, elements["title"], "step %d: for those who hear it", step)
		assert.Equal(t, 1, elements["desc"], "step %d: for those who hear it", step)
		assert.Zero(t, elements["image"]+elements["script"]+elements["a"], "step %d: nothing from elsewhere", step)
		assert.NotContains(t, text, "url(")
		assert.Contains(t, text, `viewBox="0 0 800 `)
		assert.Contains(t, text, "prefers-color-scheme: dark")
		for _, found := range size.FindAllStringSubmatch(text, -1) {
			pixels, err := strconv.Atoi(found[1])
			require.NoError(t, err)
			assert.GreaterOrEqual(t, pixels, 14, "step %d: %s", step, found[0])
		}
	}
}

func TestAPictureSaysWhatIsNew(t *testing.T) {
	for step := 1; step <= 7; step++ {
		svg, err := Draw(step)
		require.NoError(t, err)
		before, after, found := strings.Cut(string(svg), `">After</text>`)
		require.True(t, found, "step %d", step)
		_, before, _ = strings.Cut(before, "</style>")
		assert.NotContains(t, before, `class="new"`, "step %d", step)
		assert.Greater(t, strings.Count(after, `class="new"`), 1, "step %d: more than the legend", step)
	}
}

func TestWhatDoesNotFitIsAnError(t *testing.T) {
	for _, c := range []struct {
		scene   node
		arrows  []arrow
		message string
	}{
		{scene: caption{strings.Repeat("long ", 10)}, message: "too long"},
		{scene: box{class: "host", body: lines{{left: strings.Repeat("l", 20), right: strings.Repeat("r", 20)}}}, message: "too long"},
		{scene: screen("a", "", "$ ls"), arrows: []arrow{{from: "a", to: "b"}}, message: `"b": no such name`},
	} {
		_, err := picture{before: panel{scene: c.scene, arrows: c.arrows}, after: panel{scene: caption{}}}.draw()
		assert.ErrorContains(t, err, c.message)
	}
	_, err := Draw(8)
	assert.ErrorContains(t, err, "there are 7 steps")
}
