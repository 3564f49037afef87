//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// work measures everything, and writes the page and the plot.
func work(s settings, dir string) error {
	b := &bench{settings: s, dir: dir, random: rand.New(rand.NewPCG(1, 2))}
	if b.quick {
		b.runs = 2
	}
	var err error
	if b.final, err = exec.LookPath(b.final); err != nil {
		return err
	}
	if err := engineFiles(b.path("engine")); err != nil {
		return err
	}
	if err := b.writeTemplate(); err != nil {
		return err
	}
	if err := b.findPeers(); err != nil {
		return err
	}
	machine := findMachine()
	for _, missing := range b.missing {
		fmt.Println(missing)
	}
	if b.networks {
		if err := b.measureNetworks(); err != nil {
			return err
		}
		var page strings.Builder
		b.writeTable(&page, b.tables[0])
		fmt.Print("\n" + page.String())
		return b.failedFinal()
	}
	for _, measure := range []func() error{
		b.measureStarts, b.measureThroughput, b.measureCrowd, b.measureBinds, b.measureMemory, b.measureSteps, b.measureNetworks,
	} {
		if err := measure(); err != nil {
			return err
		}
	}
	if err := b.failedFinal(); err != nil {
		return err
	}
	plot, err := b.chart().Draw()
	if err != nil {
		return err
	}
	old, _ := os.ReadFile(b.page)
	return errors.Join(os.WriteFile(b.page, []byte(b.markdown(machine)+kept(string(old))), 0o644), os.WriteFile(b.plot, plot, 0o644))
}

// kept returns the last section of a page, which make test-kubernetes writes.
func kept(page string) string {
	if _, section, found := strings.Cut(page, "\n"+ofKubernetes); found {
		return "\n" + ofKubernetes + section
	}
	return ""
}

// writeTemplate asks final for a configuration to start from.
func (b *bench) writeTemplate() error {
	dir := b.path("template")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if output, err := exec.Command(b.final, "spec", "--bundle", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("final spec: %w: %s", err, output)
	}
	var err error
	if b.template, err = os.ReadFile(b.path("template", "config.json")); err != nil {
		return err
	}
	if !json.Valid(b.template) {
		return errors.New("final spec: the configuration is no JSON")
	}
	return nil
}

// failedFinal refuses to write a page on which final fails. The peers may fail.
func (b *bench) failedFinal() error {
	for _, t := range b.tables {
		for _, r := range t.rows {
			if c := r.cells[final]; c.failed != nil {
				return fmt.Errorf("final, %s, %s: %w", t.name, r.name, c.failed)
			}
		}
	}
	return nil
}

// text is what stands in a table: the median, and the best value in parentheses.
func (c cell) text(r row) string {
	if c.failed != nil {
		return "fails"
	}
	best := slices.Min(c.values)
	if r.moreIsBetter() {
		best = slices.Max(c.values)
	}
	if len(c.values) == 1 || r.pairs || r.unit == "MiB" || r.unit == "KiB" {
		return number(c.median(), r)
	}
	return fmt.Sprintf("%s (%s)", number(c.median(), r), number(best, r))
}

func number(value float64, r row) string {
	switch {
	case r.unit == "×":
		return fmt.Sprintf("%.2f", value)
	case r.unit == "KiB", value >= 100:
		return fmt.Sprintf("%.0f", value)
	}
	return fmt.Sprintf("%.1f", value)
}

// markdown returns the page.
func (b *bench) markdown(m machine) string {
	var page strings.Builder
	page.WriteString(introduction)
	fmt.Fprintf(&page, "\n![%s](%s)\n", b.chart().Alt, filepath.Base(b.plot))
	for _, t := range b.tables {
		fmt.Fprintf(&page, "\n## %s\n\n%s\n", t.name, t.about)
		b.writeTable(&page, t)
	}
	page.WriteString("\n## The machine\n\n| what | which |\n| --- | --- |\n")
	for _, fact := range m.facts(b) {
		fmt.Fprintf(&page, "| %s | %s |\n", fact[0], fact[1])
	}
	if len(b.missing) > 0 {
		page.WriteString("\n")
		for _, missing := range b.missing {
			fmt.Fprintf(&page, "- Not measured: %s.\n", missing)
		}
	}
	fmt.Fprintf(&page, ending, b.runs)
	return page.String()
}

// writeTable writes a table with a column for each peer that has a cell in it, and the ratios to some of them.
func (b *bench) writeTable(page *strings.Builder, t table) {
	header, columns := "| measured |", []string{}
	for _, p := range slices.Concat(b.peers, b.engines) {
		if slices.ContainsFunc(t.rows, func(r row) bool { _, ok := r.cells[p.name]; return ok }) {
			header += " " + p.name + " |"
			columns = append(columns, p.name)
		}
	}
	var against []string
	for _, name := range []string{crun, podman, podmanNames, before} {
		if slices.Contains(columns, name) {
			header += " final/" + name + " |"
			against = append(against, name)
		}
	}
	fmt.Fprintf(page, "%s\n| --- |%s\n", header, strings.Repeat(" ---: |", len(columns)+len(against)))
	var failures []string
	for _, r := range t.rows {
		fmt.Fprintf(page, "| %s |", label(r))
		for _, name := range columns {
			c, ok := r.cells[name]
			if !ok {
				page.WriteString(" |")
				continue
			}
			fmt.Fprintf(page, " %s |", c.text(r))
			if c.failed != nil {
				failures = append(failures, fmt.Sprintf("- %s, %s: %s\n", name, r.name, quote(c.failed)))
			}
		}
		for _, name := range against {
			fmt.Fprintf(page, " %s |", ratio(r, name))
		}
		page.WriteString("\n")
	}
	if len(failures) > 0 {
		page.WriteString("\n" + strings.Join(failures, ""))
	}
}

// quote returns the beginning of an error, as code.
func quote(err error) string {
	text := []rune(strings.ReplaceAll(err.Error(), "`", "'"))
	if len(text) > 80 {
		text = append(text[:80], '…')
	}
	return "`" + string(text) + "`"
}

func label(r row) string {
	if r.name == final {
		r.name = "final run"
	}
	return r.name + ", " + r.unit
}

// ratio divides final's median by that of another peer.
func ratio(r row, name string) string {
	ours, ok := r.cells[final]
	theirs, both := r.cells[name]
	if !ok || !both || theirs.failed != nil || theirs.median() == 0 || r.unit == "×" {
		return "–"
	}
	quotient := fmt.Sprintf("%.2f", ours.median()/theirs.median())
	better := ours.median() < theirs.median()
	if better != r.moreIsBetter() {
		return "**" + quotient + "**"
	}
	return quotient
}
