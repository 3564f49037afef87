//go:build linux

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVerdict(t *testing.T) {
	for name, test := range map[string]struct {
		text   string
		silent bool
		want   string
	}{
		"all points hold": {text: "TAP version 13\nok 1 - first\nok 2\n1..2\n"},
		"a point fails":   {text: "ok 1 - first\nnot ok 2 - second\nnot ok 3 - third\n1..3\n", want: "second"},
		"what is said about a point that fails": {
			text: "not ok 1 - second\n  ---\n  {\n    \"error\": \"exit status 1\",\n    \"stderr\": \"no\\nsuch\\n\"\n  }\n  ...\n1..1\n",
			want: "second: exit status 1: no such"},
		"what is said about another point": {
			text: "not ok 1 - first\nok 2 - second\n  ---\n  {\"error\": \"exit status 1\"}\n  ...\n1..2\n", want: "first"},
		"a comment":                {text: "not ok 1 - shares\n# expect: 1, actual: 2\n1..1\n", want: "shares: expect: 1, actual: 2"},
		"expected and actual":      {text: "not ok 1 - gid\n  ---\n  {\"expected\": 5, \"actual\": 0}\n  ...\n1..1\n", want: "gid: expected 5, is 0"},
		"a failure to be expected": {text: "ok 1\nnot ok 2 - bind # TODO we need a bind\n1..2\n"},
		"a skip":                   {text: "ok 1 # SKIP hostname not set\n1..1\n"},
		"no plan":                  {text: "ok 1 - first\n", want: "the program in the container ended before its last point"},
		"nothing":                  {text: "TAP version 13\n1..0\n", want: "no point was printed"},
		"nothing at all":           {want: "no point was printed"},
		"silence":                  {text: "TAP version 13\n1..0\n", silent: true},
		"a complaint": {text: "TAP version 13\n  ---\n  {\n    \"error\": \"wrong\\nRefer to: https://…\"\n  }\n  ...\n1..0\n",
			silent: true, want: "wrong"},
		"an error that is meant": {text: "ok 1 - refuses\n  ---\n  {\"error\": \"exit status 1\"}\n  ...\n1..1\n"},
		"other lines":            {text: "<nil>\nok 1 - deleted\n1..1\n"},
		"points in a container": {
			text: "  ---\n  {\"stderr\": \"\", \"stdout\": \"ok 1 - hostname\\n1..1\\n\"}\n  ...\nok 1 - container\n1..1\n"},
		"a failure in a container": {
			text: "  ---\n  {\"stderr\": \"\", \"stdout\": \"not ok 1 - hostname\\n1..1\\n\"}\n  ...\nok 1 - container\n1..1\n", want: "hostname"},
		"nothing from a container": {
			text: "  ---\n  {\"stderr\": \"killed\", \"stdout\": \"\"}\n  ...\nok 1 - container\n1..1\n",
			want: "no point was printed in the container: killed"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, parse(test.text).verdict(test.silent))
		})
	}
}
