package site

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHintsHaveLinksAndNames(t *testing.T) {
	body := string(pages(t)["step02-uts/HINTS.html"].Body)
	holds(t, body, `<a href="https://man7.org/linux/man-pages/man7/uts_namespaces.7.html">uts_namespaces(7)</a>`, "HINTS.html")
	holds(t, body, `<code>CLONE_NEWUTS</code>`, "HINTS.html")
	holds(t, body, `<code>cmd.SysProcAttr.Cloneflags</code>`, "HINTS.html")
	holds(t, body, `See <code>fmt.Errorf</code>.</p>`, "HINTS.html")
	assert.NotRegexp(t, regexp.MustCompile(`<code>[^<]*<(?:code|a )`), markNames("<p><code>unix.Chroot</code>, chroot(2)</p>"))
}
