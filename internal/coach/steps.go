//go:build linux

package coach

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"container-workshop/internal/lesson"
	"container-workshop/internal/live"
)

// steps is the number of steps.
const steps = 7

// gained says what the learner can do after each step and could not do before.
var gained = [steps + 1]string{
	1: "You can start any command through a program of your own, and get its output, its signals and its exit status.",
	2: "You can give a command a hostname of its own. Root inside can rename the container, and the host keeps its name.",
	3: "You can start a command as process 1. It cannot refer to host processes by PID, and everything it started ends with it.",
	4: "You can give a command a root directory of its own: it runs the programs of another distribution, and sees none of your files.",
	5: "You can mount inside a container and the host never sees the mount: ps shows the container's processes and no others.",
	6: "You can limit memory, processes and CPU time: a fork bomb inside no longer stops the host.",
	7: "You can give a command temporary files in memory, with a size, that vanish with the container.",
}

// folder returns the folder of our program for a step.
func folder(step int) string {
	found, _ := filepath.Glob(fmt.Sprintf("step%02d-*", step))
	if len(found) != 1 {
		return fmt.Sprintf("step%02d-*", step)
	}
	return found[0]
}

// stepOf returns the step whose program we keep in a folder, or 0 for a folder of the learner.
func stepOf(dir string) int {
	for step := 1; step <= steps; step++ {
		if dir == folder(step) {
			return step
		}
	}
	return 0
}

// title returns the title of a lesson without its number, such as "hostname".
func title(step int) string {
	text, _ := os.ReadFile(filepath.Join(folder(step), "README.md"))
	first, _, _ := strings.Cut(string(text), "\n")
	_, title, _ := strings.Cut(first, ": ")
	return title
}

// place turns "step05-proc/README.md#how-it-works" into "step05-proc/README.md, How it works".
func place(where string) string {
	path, anchor, ok := strings.Cut(where, "#")
	if !ok {
		return where
	}
	if heading := headingOf(path, anchor); heading != "" {
		return path + ", " + heading
	}
	return path
}

// webPage returns the address of a place on the web page of its lesson. It returns an empty text unless make serve runs.
func webPage(where string) string {
	server := live.Address(".")
	if server == "" || where == "" {
		return ""
	}
	return server + lesson.Address(where)
}

// headingOf returns the heading of a page that has the anchor.
func headingOf(path, anchor string) string {
	page, err := lesson.Read(path)
	if err != nil {
		return ""
	}
	for _, heading := range page.Headings {
		if heading.Anchor() == anchor {
			return heading.Text
		}
	}
	return ""
}
