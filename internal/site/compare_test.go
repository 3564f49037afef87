package site

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheComparedLinesMakeUpEachStep(t *testing.T) {
	page := string(pages(t)["compare.html"].Body)
	_, code, found := strings.Cut(page, "<code>")
	require.True(t, found)
	code, _, _ = strings.Cut(code, "</code>")
	lines := regexp.MustCompile(`(?s)<span class="line" data-line="(\d)">(.*?\n)</span>`).FindAllStringSubmatch(code, -1)
	require.NotEmpty(t, lines)
	for i, folder := range steps(t) {
		var program strings.Builder
		for _, line := range lines {
			step, err := strconv.Atoi(line[1])
			require.NoError(t, err)
			if step <= i+1 {
				program.WriteString(textOf(line[2]))
			}
		}
		want, err := os.ReadFile(filepath.Join(folder, "main.go"))
		require.NoError(t, err)
		assert.Equal(t, string(want), program.String(), folder)
	}
}

func TestLessonsLeadToTheComparison(t *testing.T) {
	all := pages(t)
	require.NotNil(t, all["compare.html"])
	holds(t, string(all["index.html"].Body), `href="compare.html"`, "index.html")
	for i, folder := range steps(t)[1:] {
		pair := strconv.Itoa(i+1) + "-" + strconv.Itoa(i+2)
		holds(t, string(all[filepath.Base(folder)+"/index.html"].Body), `href="../compare.html#`+pair+`"`, folder)
		holds(t, string(all["compare.html"].Body), `id="`+pair+`"`, "compare.html")
	}
}
