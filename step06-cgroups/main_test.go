//go:build linux

package main

import (
	"testing"

	"container-workshop/internal/check/steptest"
)

func TestMain(m *testing.M) { steptest.Main(m, main) }

func TestProperties(t *testing.T) { steptest.Step(t, 6) }
