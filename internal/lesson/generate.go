package lesson

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"container-workshop/internal/lesson/picture"
)

// Generate returns the page with the parts that come from the programs: each stands between <!-- generated: NAME --> and
// <!-- end of generated -->. The page is that of a step, or README.md at the top.
func (d *Document) Generate() ([]byte, error) {
	var failed error
	page := generated.ReplaceAllFunc(d.Source, func(part []byte) []byte {
		name := string(generated.FindSubmatch(part)[1])
		text, err := d.part(name)
		if err != nil {
			failed = fmt.Errorf("%s: %s: %w", d.Path, name, err)
			return part
		}
		return fmt.Appendf(nil, "<!-- generated: %s -->\n%s<!-- end of generated -->\n", name, text)
	})
	return page, failed
}

var generated = regexp.MustCompile(`(?s)<!-- generated: (\w+) -->\n.*?<!-- end of generated -->\n`)

func (d *Document) part(name string) (string, error) {
	top := filepath.Dir(d.Path)
	if name == "steps" {
		return stepTable(top)
	}
	step := d.step()
	if step == 0 {
		return "", errors.New("this is no step")
	}
	if name != "change" {
		return "", errors.New("there is no such part")
	}
	return change(filepath.Dir(top), step)
}

// step returns the number of the step that the page belongs to, or 0.
func (d *Document) step() int {
	step := 0
	fmt.Sscanf(filepath.Base(filepath.Dir(d.Path)), "step%02d-", &step)
	return step
}

// Picture returns where the picture of the lesson is, and what it shows. A page that is no lesson has no picture.
func (d *Document) Picture() (path string, svg []byte, err error) {
	if d.step() == 0 {
		return "", nil, nil
	}
	svg, err = picture.Draw(d.step())
	return filepath.Join(filepath.Dir(d.Path), "picture.svg"), svg, err
}

// change returns what the step adds to main.go of the step before, folded, as a reader writes it first. Step 1 is shown whole.
func change(top string, step int) (string, error) {
	title, language := "The change", "diff"
	text, err := diff(top, step)
	if err != nil {
		return "", err
	}
	lines := added(text)
	if step == 1 {
		title, language = "The whole of main.go", "go"
		program, err := os.ReadFile(filepath.Join(top, "step01-exec/main.go"))
		if err != nil {
			return "", err
		}
		text = string(program)
	}
	// GitHub reads Markdown between the tags where blank lines are around it.
	return fmt.Sprintf("<details>\n<summary>%s: %d lines</summary>\n\n```%s\n%s```\n\n</details>\n", title, lines, language, text), nil
}

// added returns how many lines a diff adds.
func added(diff string) int { return strings.Count(diff, "\n+") - strings.Count(diff, "\n+++") }

// diff returns what main.go of a step adds to main.go of the step before, as diff -u prints it.
func diff(top string, step int) (string, error) {
	before, err := source(top, step-1)
	if err != nil {
		return "", err
	}
	after, err := source(top, step)
	if err != nil {
		return "", err
	}
	cmd := exec.Command("diff", "-u", "--label", before, "--label", after, before, after)
	cmd.Dir = top
	text, err := cmd.Output()
	var exit *exec.ExitError
	// diff exits with 1 where the files differ.
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		err = nil
	}
	return string(text), err
}

// source returns the path of a step's main.go from the top. Before step 1 there is an empty file.
func source(top string, step int) (string, error) {
	if step == 0 {
		return "/dev/null", nil
	}
	found, err := filepath.Glob(filepath.Join(top, fmt.Sprintf("step%02d-*/main.go", step)))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("step %d: %d programs in %s, want 1", step, len(found), top)
	}
	if err != nil {
		return "", err
	}
	return filepath.Rel(top, found[0])
}

// Lessons returns the pages of the steps, in order.
func Lessons(top string) ([]*Document, error) {
	paths, err := filepath.Glob(filepath.Join(top, "step0*", "README.md"))
	var lessons []*Document
	for _, path := range paths {
		lesson, readErr := Read(path)
		if readErr != nil {
			return nil, readErr
		}
		lessons = append(lessons, lesson)
	}
	return lessons, err
}

var (
	addedFlag = regexp.MustCompile(`(?m)^\+.*pflag\.\w+\("(\w+)"`)
	features  = regexp.MustCompile(`(?m)^\| (.+?) \| \[\w+\(\d\)\]\(([^)]*)\)`)
)

// stepTable returns a row for each step, of what its lesson and its diff say.
func stepTable(top string) (string, error) {
	lessons, err := Lessons(top)
	if err != nil {
		return "", err
	}
	table := "| step | what you gain | made of | flags | lines | minutes |\n| --- | --- | --- | --- | --- | --- |\n"
	for i, lesson := range lessons {
		change, err := diff(top, i+1)
		if err != nil {
			return "", err
		}
		_, name, _ := strings.Cut(lesson.Headings[0].Text, ": ")
		var made, flags []string
		for _, feature := range features.FindAllSubmatch(lesson.Source, -1) {
			made = append(made, fmt.Sprintf("[%s](%s)", feature[1], feature[2]))
		}
		for _, flag := range addedFlag.FindAllStringSubmatch(change, -1) {
			flags = append(flags, "`--"+flag[1]+"`")
		}
		table += fmt.Sprintf("| [%d: %s](%s/README.md) | %s | %s | %s | %d | %s |\n", i+1, name, filepath.Base(filepath.Dir(lesson.Path)),
			lesson.gain(), strings.Join(made, ", "), strings.Join(flags, " "), added(change), lesson.minutes())
	}
	return table, nil
}

// gain is the sentence below the title.
func (d *Document) gain() string {
	_, below, _ := bytes.Cut(d.Source, []byte("\n\n"))
	sentence, _, _ := bytes.Cut(below, []byte("\n\n"))
	sentence, _, _ = bytes.Cut(sentence, []byte("\nMinutes: "))
	return strings.ReplaceAll(string(sentence), "\n", " ")
}

// takes is what a lesson says below its first sentence.
var takes = regexp.MustCompile(`(?m)^Minutes: (\d+) · Difficulty: (easy|medium|hard) · At the end you can say: `)

// minutes is how long the lesson says that it takes.
func (d *Document) minutes() string {
	found := takes.FindSubmatch(d.Source)
	if found == nil {
		return ""
	}
	return string(found[1])
}
