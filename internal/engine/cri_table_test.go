//go:build linux && engines

package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// criReasons say why a test fails with every runtime.
var criReasons = map[string]string{
	"Idempotence / StopContainer / should not return an error if not found":  criOld,
	"Idempotence / StopPodSandbox / should not return an error if not found": criOld,
	"Security Context / bucket / runtime should support MaskedPaths":         criShell,
}

const (
	criOld   = "This containerd answers `not found`, without a call to the runtime. Containerd 2 returns no error."
	criStore = "They test the images of containerd, and need registries with many images."
	criShell = "It masks `/bin/ls`, but the shell in the image, Debian's static busybox, has its own `ls`."
)

// criSkipped say why a group of tests is not run.
var criSkipped = map[string]string{
	"AppArmor":                     "They need a kernel with AppArmor.",
	"SELinux":                      "They need a kernel with SELinux.",
	"NRI":                          "They test plugins of containerd, and some of them depend on timing.",
	"Image Manager":                criStore,
	"Image Consistency":            criStore,
	"Image Identifier Consistency": criStore,
	"Image":                        "They measure time.",
}

// criGroup returns the group of a test: the first words of its name.
func criGroup(name string) string {
	group, _, _ := strings.Cut(name, " / ")
	group, _, _ = strings.Cut(group, " [")
	return group
}

const (
	// criAll stands for all groups.
	criAll = "all"
	// none is the cell of a group of which no test ran.
	none = "–"
)

// cell says how many tests of a group passed, of those that ran.
func cell(results map[string]criResult, group string) string {
	passed, ran := 0, 0
	for name, r := range results {
		if (group == criAll || criGroup(name) == group) && r.State != "skipped" {
			ran++
			if r.passed() {
				passed++
			}
		}
	}
	if ran == 0 {
		return none
	}
	return fmt.Sprintf("%d of %d", passed, ran)
}

// criSection returns the section for readers.
func criSection(runs []criRun) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
## The suite of Kubernetes

The kubelet of Kubernetes calls containerd through the Container Runtime Interface. The suite of this interface is critest, of
[cri-tools](https://github.com/kubernetes-sigs/cri-tools), version %s. `+"`make test-cri`"+` runs critest with `+"`final`"+` and with
runc, under the containerd of your distribution and under containerd 2, and writes this section. The target fails if a test
passes with runc and fails with `+"`final`"+`.

The table shows how many tests pass, of those that run. A test does not run if containerd is too old for the test: user
namespaces and volumes of images need containerd 2.

| tests |`, runs[0].critest)
	for _, run := range runs {
		fmt.Fprintf(&b, " containerd %s: final | runc %s |", run.containerd, run.runc)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- | --- |", len(runs)) + "\n")
	names := slices.Sorted(maps.Keys(runs[0].results["runc"]))
	var not []string
	for _, group := range append(groupsOf(names), criAll) {
		var cells []string
		for _, run := range runs {
			cells = append(cells, cell(run.results["workshop"], group), cell(run.results["runc"], group))
		}
		if !slices.ContainsFunc(cells, func(cell string) bool { return cell != none }) {
			not = append(not, "| "+group+" | "+criSkipped[group]+" |\n")
			continue
		}
		b.WriteString("| " + group + " | " + strings.Join(cells, " | ") + " |\n")
	}
	b.WriteString("\n### Fail with every runtime\n\n| test | containerd | why |\n| --- | --- | --- |\n")
	for _, name := range names {
		for _, run := range runs {
			if run.results["workshop"][name].failed() {
				fmt.Fprintf(&b, "| %s | %s | %s |\n", name, run.containerd, criReasons[name])
			}
		}
	}
	b.WriteString("\n### Not run\n\n| tests | why |\n| --- | --- |\n" + strings.Join(not, ""))
	return b.String()
}

// groupsOf returns the groups of tests, in order.
func groupsOf(names []string) []string {
	var groups []string
	for _, name := range names {
		groups = append(groups, criGroup(name))
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}
