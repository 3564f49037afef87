//go:build linux

package main

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A final with the C library cannot execute anything in a container: so nobody gets such a program, but the command to type.
func TestABuildWithTheCLibraryFailsWithTheCommandToType(t *testing.T) {
	for _, cgo := range []bool{false, true} {
		context := build.Default
		context.CgoEnabled = cgo
		there, err := context.MatchFile(".", "cgo.go")
		require.NoError(t, err)
		assert.Equal(t, cgo, there)
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "cgo.go", nil, 0)
	require.NoError(t, err)
	_, err = new(types.Config).Check("main", files, []*ast.File{file}, nil)
	assert.ErrorContains(t, err, "CGO_ENABLED=0 go build ./final")
}
