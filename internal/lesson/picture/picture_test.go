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
		canBeReadByEverybody(t, string(svg))
	}
	svg, err := chart.Draw()
	require.NoError(t, err)
	canBeReadByEverybody(t, string(svg))
}

func canBeReadByEverybody(t *testing.T, svg string) {
	t.Helper()
	elements := map[string]int{}
	for decoder := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err, svg)
		if start, ok := token.(xml.StartElement); ok {
			elements[start.Name.Local]++
		}
	}
	assert.Equal(t, 1, elements["title"], "for those who hear it: %s", svg)
	assert.Equal(t, 1, elements["desc"], "for those who hear it: %s", svg)
	assert.Zero(t, elements["image"]+elements["script"]+elements["a"], "nothing from elsewhere: %s", svg)
	assert.NotContains(t, svg, "url(")
	assert.Contains(t, svg, `viewBox="0 0 800 `)
	assert.Contains(t, svg, "prefers-color-scheme: dark")
	for _, found := range size.FindAllStringSubmatch(svg, -1) {
		pixels, err := strconv.Atoi(found[1])
		require.NoError(t, err)
		assert.GreaterOrEqual(t, pixels, 14, "%s: %s", found[0], svg)
	}
}

var chart = Chart{Title: "Times", Alt: "Two bars.", Headline: "Milliseconds", Note: "medians", Groups: []Group{
	{Name: "run", Bars: []Bar{{Name: "ours", Value: 5, Text: "5.0", Ours: true}, {Name: "theirs", Value: 10, Text: "10.0"}}},
	{Name: "exec", Bars: []Bar{{Name: "theirs", Value: 2.5, Text: "2.5"}}},
}}

// All bars of a chart have one scale, and the longest leaves room for its text.
func TestBarsHaveOneScale(t *testing.T) {
	svg, err := chart.Draw()
	require.NoError(t, err)
	var widths []float64
	for _, found := range regexp.MustCompile(`class="(?:own|new)" x="[^"]+" y="[^"]+" width="([^"]+)"`).FindAllStringSubmatch(string(svg), -1) {
		width, err := strconv.ParseFloat(found[1], 64)
		require.NoError(t, err)
		widths = append(widths, width)
	}
	require.Len(t, widths, 3)
	assert.InDeltaSlice(t, []float64{widths[1] / 2, widths[1], widths[1] / 4}, widths, 0.2)
	assert.Less(t, widths[1], 600.)
	assert.Equal(t, 1, strings.Count(string(svg), `class="new" x=`), "only ours stands out")
	long := chart
	long.Groups = []Group{{Name: strings.Repeat("long ", 40)}}
	_, err = long.Draw()
	assert.ErrorContains(t, err, "too long")
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
