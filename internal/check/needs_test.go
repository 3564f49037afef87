//go:build linux

package check

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAPropertyNeedsThoseOfItsStepOrEarlierOnes(t *testing.T) {
	// all has each property's step.
	all := map[string]int{}
	for _, p := range Properties {
		require.Zero(t, all[p.Name], "two properties have the name %s", p.Name)
		// Every need comes earlier in the table, so no property can need itself, not even through others.
		for _, need := range p.Needs {
			assert.NotZero(t, all[need], "%s needs a property that does not come before it: %s", p.Name, need)
		}
		assert.Equal(t, p.Name == starts, len(p.Needs) == 0, "%s: only the first property needs no other", p.Name)
		all[p.Name] = p.Step
	}
	for _, p := range Stretch {
		require.NotEmpty(t, p.Needs, p.Name)
		for _, need := range p.Needs {
			require.NotZero(t, all[need], "%s: %s", p.Name, need)
			assert.LessOrEqual(t, all[need], p.Step, p.Name)
		}
	}
}

func TestAPropertySaysWhyItMattersAndWhereToLook(t *testing.T) {
	steps(t)
	for _, p := range slices.Concat(Properties, Stretch) {
		assert.NotEmpty(t, p.Why, p.Name)
		path, anchor, _ := strings.Cut(p.Where, "#")
		text, err := os.ReadFile(filepath.Join("../..", path))
		if assert.NoError(t, err, p.Name) {
			assert.Contains(t, anchors(string(text)), anchor, "%s: %s", p.Name, p.Where)
		}
		if strings.HasSuffix(path, "README.md") && slices.ContainsFunc(Properties, func(other Property) bool { return other.Name == p.Name }) {
			assert.Contains(t, []string{"how-it-works", "now-yours"}, anchor, "%s: the rest of a lesson gives away the solution", p.Name)
		}
	}
}

func TestAnExerciseSaysWhereItsLessonTellsOfIt(t *testing.T) {
	steps(t)
	for _, exercise := range Stretch {
		path, isSection := strings.CutSuffix(exercise.Where, "#check-your-work")
		require.True(t, isSection, exercise.Name)
		text, err := os.ReadFile(filepath.Join("../..", path))
		require.NoError(t, err)
		_, section, _ := strings.Cut(string(text), "\n## Check your work\n")
		section, _, _ = strings.Cut(section, "\n## ")
		assert.Contains(t, section, map[int]string{2: "`make stretch` checks both", 3: "`make stretch` checks all three"}[len(Beyond(exercise.Step))], path)
		if flag := regexp.MustCompile(`^--\w+`).FindString(exercise.Name); flag != "" {
			assert.Contains(t, section, flag, path)
		}
	}
}

// anchors returns the anchors that GitHub makes for the headings of a page.
func anchors(text string) (all []string) {
	other := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		all = append(all, strings.ReplaceAll(strings.ToLower(other.ReplaceAllString(heading[1], "")), " ", "-"))
	}
	return all
}
