//go:build linux

package coach_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/live"
)

// begun returns a clone whose learner has begun step 2.
func begun(t *testing.T) *clone {
	t.Helper()
	c := cloned(t)
	c.does("start", "--step", "2")
	return c
}

// lacking is a finding of a program that lacks what step 2 wants.
func lacking(property string) map[string]any {
	return map[string]any{"Property": property, "Step": 2, "State": "lacks", "Seen": "the command is in the uts namespace of the host"}
}

func TestTheFirstFailureComesFirst(t *testing.T) {
	c := begun(t)
	first := lacking("the command has a UTS namespace of its own")
	first["Diagnosis"], first["Why"] = "You made a mount namespace, not a UTS namespace.", "a container would rename the host"
	first["Where"] = "step02-uts/README.md#how-it-works"
	waiting := map[string]any{"Property": "--hostname sets the hostname", "Step": 2, "State": "blocked", "Needs": first["Property"]}
	c.finds(passing(1), passing(2), first, waiting, lacking("something else"))
	failed := c.coach("check")
	assert.Equal(t, 1, failed.status)
	assert.Equal(t, `Step 2: hostname                                             work/mine
[1] [2 …] [3] [4] [5] [6] [7]

  ✗ the command has a UTS namespace of its own
    You made a mount namespace, not a UTS namespace.
    seen   the command is in the uts namespace of the host
    why    a container would rename the host
    look   step02-uts/README.md, How it works
    1 other property needs this one first. 1 other fails, too. make check V=1 shows all.

  a hint             make hint
`, failed.output)
	all := c.coach("check", "--verbose")
	assert.Equal(t, 1, all.status)
	for _, line := range []string{
		"  ✓ something of step 1\n", "  ✓ something of step 2\n", "  ✗ the command has a UTS", "  - --hostname sets the hostname\n    needs  the command has", "  ✗ something else\n",
	} {
		assert.Contains(t, all.output, line)
	}
	assert.NotContains(t, c.does("progress"), "passed")
}

func TestTheNewestStepComesFirst(t *testing.T) {
	c := begun(t)
	old := map[string]any{"Property": "an old property", "Step": 1, "State": "lacks"}
	blocked := map[string]any{"Property": "a blocked property", "Step": 2, "State": "blocked", "Needs": "an old property"}
	for name, findings := range map[string][]map[string]any{
		"✗ a new property": {old, blocked, lacking("a new property"), lacking("the last property")},
		// Nothing of the newest step can be seen to before.
		"✗ an old property": {passing(1), old, blocked},
	} {
		c.finds(findings...)
		failed := c.coach("check")
		assert.Equal(t, 1, failed.status, failed.output)
		assert.Equal(t, 1, strings.Count(failed.output, "✗"), failed.output)
		assert.Contains(t, failed.output, name)
	}
}

func TestSuccessSaysWhatComesNext(t *testing.T) {
	c := begun(t)
	c.finds(passing(1), passing(2), map[string]any{"Property": "swap", "Step": 2, "State": "unclear", "Seen": "no swap here"})
	text := c.does("check")
	assert.Contains(t, text, "[1] [2 ✓] [3]")
	assert.Contains(t, text, "\nStep 2 passed.\n")
	assert.Contains(t, text, "hostname of its own")
	assert.Contains(t, text, "  ? swap\n    seen   no swap here\n")
	assert.NotContains(t, text, "something of")
	assert.Regexp(t, `read on +step02-uts/README.md, The change`, text)
	for _, command := range []string{"make diff", "make stretch", "make start"} {
		assert.Contains(t, text, command)
	}
}

func TestCheckIsAboutTheLearnersStep(t *testing.T) {
	c := cloned(t)
	c.refuses("you have no program yet: make start begins with step 1", "check")
	c.refuses("To try this with our program: make check STEP=3 DIR=step03-pid", "check", "--step", "3")
	c.refuses("which step is work/x?", "check", "--dir", "work/x")
	c.refuses("work/x/main.go: no such file or directory", "check", "--dir", "work/x", "--step", "1")
	c.refuses("STEP=9: there is no such step", "check", "--step", "9")
	c.finds(passing(3))
	ours := c.does("check", "--dir", "step03-pid")
	assert.Contains(t, ours, "Step 3 passed.")
	assert.NotContains(t, ours, "make start")
	assert.NoFileExists(t, filepath.Join(c.dir, "work/.progress"), "our own programs are nobody's progress")
	c.does("start", "--step", "5")
	c.examiner(`echo "$@" >&2; exit 2`)
	c.refuses("--step 5 ", "check")
	c.refuses("--step 2 ", "check", "--step", "2")
	c.refuses("--all", "check", "--all")
}

func TestCompileErrorsAreShort(t *testing.T) {
	c := begun(t)
	c.shell(`printf 'func broken() { nowhere() }\nfunc more() { gone(' >> work/mine/main.go`)
	failed := c.coach("check")
	assert.Equal(t, 1, failed.status)
	assert.Regexp(t, `✗ your program does not compile\n    work/mine/main.go:\d+:\d+: syntax error`, failed.output)
	assert.NotContains(t, failed.output, "container-workshop/")
	c.shell(`cp step02-uts/main.go work/mine/ && rm work/mine/process.go`)
	c.refuses("    process.go is missing: cp step01-exec/process.go work/mine/\n", "check")
	c.shell(`cp step02-uts/process.go work/mine/; for i in $(seq 9); do echo "func f$i() { g$i() }"; done >> work/mine/main.go`)
	many := c.coach("check")
	assert.Contains(t, many.output, "undefined: g1\n")
	assert.LessOrEqual(t, strings.Count(many.output, "\n"), 14, many.output)
}

func TestLeftoversAreNamed(t *testing.T) {
	c := begun(t)
	c.examiner(`echo '{"Property":"x","Step":2,"State":"has"}'; echo '{"Leftovers":["/mytemp","/etc/x and 1175 more"]}'`)
	text := c.does("check")
	assert.Contains(t, text, "! Your program left files behind: /mytemp, /etc/x and 1175 more\n")
	assert.NotContains(t, text, "read-only")
	c.examiner(`echo '{"Property":"x","Step":2,"State":"has"}'; echo '{"Leftovers":[],"Unprotected":["/boot"]}'`)
	text = c.does("check")
	assert.Contains(t, text, "! These folders of the host were read-only for your program")
	assert.NotContains(t, text, "left files")
}

func TestAnExaminationThatFailsIsNoPass(t *testing.T) {
	c := begun(t)
	for script, words := range map[string]string{
		`echo 'check: no root file system' >&2; exit 2`:                       "no root file system",
		`echo '{"Property":"x","Step":2,"State":"has"}'`:                      "the examination has ended early",
		`echo 'panic: nil map'`:                                               "build/check: invalid character",
		`echo '{"Property":"x","Step":2'; kill -KILL $$`:                      "build/check: unexpected EOF",
		`echo '{"Property":"x","Step":2,"State":"has"}' | cat; kill -KILL $$`: "signal: killed",
	} {
		c.examiner(script)
		c.refuses(words, "check")
	}
	assert.NotContains(t, c.does("progress"), "passed")
}

func TestOneExaminationAtATime(t *testing.T) {
	c := begun(t)
	// It says in which order it begins and ends, and that another program is not compiled over this one.
	c.examiner(`sum=$(cksum < build/program); echo begin >> work/order; sleep 0.3; echo end >> work/order; [ "$sum" = "$(cksum < build/program)" ] || echo changed >> work/order
echo '{"Property":"x","Step":2,"State":"has"}'; echo '{"Leftovers":[]}'`)
	c.shell("cp -r step03-pid work/other")
	first, second := c.command("check"), c.command("check", "--dir", "work/other", "--step", "2")
	require.NoError(t, first.Start())
	require.NoError(t, second.Start())
	assert.NoError(t, first.Wait())
	assert.NoError(t, second.Wait())
	assert.Equal(t, "begin\nend\nbegin\nend\n", c.read("work/order"))
}

func TestTheRootFileSystemIsMade(t *testing.T) {
	c := cloned(t)
	c.shell("printf '#!/bin/sh\\necho making $1; mkdir $1' > scripts/rootfs.sh; chmod 755 scripts/rootfs.sh")
	c.passes("3", "--rootfs", c.dir+"/made", "--dir", "step03-pid")
	assert.NoDirExists(t, c.dir+"/made")
	c.finds(passing(4))
	assert.Contains(t, c.does("check", "--rootfs", c.dir+"/made", "--dir", "step04-chroot"), "making "+c.dir+"/made\n")
	assert.DirExists(t, c.dir+"/made")
	c.shell("rmdir made; printf '#!/bin/sh\\necho no network; exit 1' > scripts/rootfs.sh")
	c.refuses("no root file system: scripts/rootfs.sh: exit status 1", "check", "--rootfs", c.dir+"/made", "--dir", "step04-chroot")
}

func TestColoursAreForTerminals(t *testing.T) {
	c := begun(t)
	c.finds(passing(1), lacking("a property"))
	assert.NotContains(t, c.coach("check").output, "\x1b")
	for _, v := range []struct {
		env     string
		colours bool
	}{{"NO_COLOR=", true}, {"NO_COLOR=1", false}, {"TERM=dumb", false}} {
		c.env = []string{v.env}
		s := c.onTerminal("check")
		s.ends(1)
		assert.Equal(t, v.colours, strings.Contains(s.all(), "\x1b[31m"), "%s: %q", v.env, s.all())
	}
}

func TestStretchIsBeyondTheStep(t *testing.T) {
	c := begun(t)
	c.finds(map[string]any{"Property": "--domainname", "Step": 2, "State": "has"}, lacking("an IPC namespace"))
	one := c.coach("stretch")
	assert.Equal(t, 1, one.status)
	assert.Contains(t, one.output, "  ✓ --domainname\n  ✗ an IPC namespace\n    seen ")
	assert.Contains(t, one.output, "1 of 2 exercises solved.")
	assert.Contains(t, c.does("progress"), "1 of 2 exercises beyond")
	c.finds(map[string]any{"Property": "--domainname", "Step": 2, "State": "has"}, map[string]any{"Property": "an IPC namespace", "Step": 2, "State": "has"})
	assert.Contains(t, c.does("stretch"), "All exercises beyond step 2 are solved.")
	assert.Contains(t, c.does("progress"), "2 of 2 exercises beyond")
}

func TestALearnerFollowsAStep(t *testing.T) {
	c := begun(t)
	unchanged := c.coach("check")
	assert.Equal(t, 1, unchanged.status)
	assert.Regexp(t, `\n  ✗ .*\n(.*\n)?    seen   `, unchanged.output)
	c.shell("cp step02-uts/main.go work/mine/")
	passed := c.does("check")
	assert.Contains(t, passed, "\nStep 2 passed.\n")
	page := live.Read(c.dir)
	require.Equal(t, live.Passed, page.Doing)
	assert.Contains(t, passed, fmt.Sprintf("    %d properties of step 2 in ", len(page.Properties)), "the page and the terminal count the same")
	beyond := c.coach("stretch").output
	assert.Equal(t, 2, strings.Count(beyond, "✗"), beyond)
	assert.Contains(t, beyond, "0 of 2 exercises solved.")
	assert.Contains(t, beyond, "    look   step02-uts/README.md, Check your work\n")
}

func TestTheBarIsOfTheProgramAndOfNow(t *testing.T) {
	c := begun(t)
	c.passes("2")
	c.finds(lacking("a property"))
	assert.Contains(t, c.coach("check").output, "[1] [2 …] [3]", "a step that breaks again")
	c.passes("2")
	c.shell("cp -r work/mine work/other")
	c.finds(map[string]any{"Property": "a property", "Step": 3, "State": "lacks"})
	assert.Contains(t, c.coach("check", "--step", "3", "--dir", "work/other").output, "[1] [2] [3 …]", "work/other has passed nothing")
	assert.Contains(t, c.coach("check", "--step", "3", "--dir", "work/mine").output, "[1] [2 ✓] [3 …]")
}
