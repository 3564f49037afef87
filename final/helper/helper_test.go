//go:build linux

package helper

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"container-workshop/final/stage"
)

func TestTheHelperKnowsItsVerbs(t *testing.T) {
	_, err := answered("nonsense", new(stage.List))
	assert.ErrorContains(t, err, `does not know "nonsense"`)
	assert.Equal(t, 1, Main(nil))
}
