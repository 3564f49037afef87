//go:build linux

package image

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var digestOfTests = "sha256:" + strings.Repeat("0123456789abcdef", 4)

func TestNamesAreReadAsPeopleWriteThem(t *testing.T) {
	for text, full := range map[string]string{
		"alpine":                                 "docker.io/library/alpine:latest",
		"alpine:3.20":                            "docker.io/library/alpine:3.20",
		"team/app":                               "docker.io/team/app:latest",
		"docker.io/alpine":                       "docker.io/library/alpine:latest",
		"localhost/app":                          "localhost/app:latest",
		"localhost:5000/app":                     "localhost:5000/app:latest",
		"localhost:5000/app:5000":                "localhost:5000/app:5000",
		"registry.example/a/b/c:v1.2-rc_3":       "registry.example/a/b/c:v1.2-rc_3",
		"127.0.0.1:5000/a__b.c-d--e":             "127.0.0.1:5000/a__b.c-d--e:latest",
		"[::1]:5000/app:x":                       "[::1]:5000/app:x",
		"alpine@" + digestOfTests:                "docker.io/library/alpine@" + digestOfTests,
		"alpine:3@" + digestOfTests:              "docker.io/library/alpine@" + digestOfTests,
		"localhost:5000/app:3@" + digestOfTests:  "localhost:5000/app@" + digestOfTests,
		"app:" + strings.Repeat("x", maxTag):     "docker.io/library/app:" + strings.Repeat("x", maxTag),
		"REGISTRY.example/app":                   "REGISTRY.example/app:latest",
		"a.b/" + strings.Repeat("x", maxName-4):  "a.b/" + strings.Repeat("x", maxName-4) + ":latest",
		"xn--bcher-kva.example:443/team/app:1.0": "xn--bcher-kva.example:443/team/app:1.0",
	} {
		r, err := ParseReference(text, DefaultRegistry)
		if assert.NoError(t, err) {
			assert.Equal(t, full, r.String())
		}
	}
	r, err := ParseReference("app", "localhost:5000")
	require.NoError(t, err)
	assert.Equal(t, "localhost:5000/app:latest", r.String())
}

func TestWhatIsNoNameIsRefused(t *testing.T) {
	for _, text := range []string{
		"", ":", "@", "/", "alpine:", "alpine@", ":tag", "@" + digestOfTests, "Alpine", "alpine:.x", "alpine:-x", "alpine:a b", "alpine/", "/alpine", "a//b", "../x", "a/../b",
		"a/./b", "-a", "a-", ".a", "a.", "_a", "a___b", "a..b", "a._b", "a-.b", "localhost:/a", "localhost:x/a", "localhost:123456/a", "[::1/a", "[]:1/a", "[x]/a",
		"alpine@sha256:abc", "alpine@md5:" + strings.Repeat("0", 32), "alpine@sha512:" + strings.Repeat("0", 128), "alpine@" + strings.ToUpper(digestOfTests), "a\x00b", "a\nb",
		"-x.example/a", "a..example/b", "https://localhost/a", "a.b/" + strings.Repeat("x", maxName-3), "app:" + strings.Repeat("x", maxTag+1), "alpine@" + digestOfTests + "@" + digestOfTests,
		"localhost:5000/", "user@host/app", "ä", "a.ä/b",
	} {
		r, err := ParseReference(text, DefaultRegistry)
		assert.ErrorContains(t, err, "image name", "%q is %q", text, r)
	}
}

// A full name is read as itself, and it has nothing in it that a path, a URL or a terminal could take for something else.
func FuzzReference(f *testing.F) {
	for _, text := range []string{"alpine", "localhost:5000/a/b:c@" + digestOfTests, "[::1]:5000/a__b", "../..", "a:b/c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseReference(text, DefaultRegistry)
		if err != nil {
			return
		}
		again, err := ParseReference(r.String(), "other.example")
		require.NoError(t, err)
		require.Equal(t, r, again)
		require.NotContains(t, r.String(), "..")
		require.NotContains(t, r.String(), "//")
		require.Empty(t, strings.Trim(r.String(), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_/@[]"))
	})
}
