//go:build linux

// Package helper runs on the host side, in a process of its own: final-helper, which final starts when it needs a large library. Package
// ask starts the helper, and says how the two talk. A helper does one thing and ends.
//
// Who starts it: run, a monitor, delete or a guard, by ask.Helper; or final becomes the helper, by ask.Become.
// Where it is: in the host's namespaces, in a session of its own.
// How it ends: when it has answered, or with the process that has asked.
package helper

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/verbs"
	"container-workshop/final/engine/network/server"
	"container-workshop/final/helper/ask"
	"container-workshop/final/stage"
)

// answers has the verbs that answer a question. Each decodes its own question, makes its calls in stages of the list, and returns the
// value of the answer.
var answers = map[string]func(question *json.Decoder, list *stage.List) (any, error){
	"network": plug,
	"diff":    diff,
	"commit":  commit,
}

// programs has the verbs that final becomes: they have the standard streams of final, and return the exit status.
var programs = map[string]func(args []string) int{server.Verb: server.Main}

func init() {
	for _, v := range image.Verbs {
		programs[v.Name] = func(args []string) int { return verbs.Main(v, args) }
	}
}

// Main runs the helper with arguments and returns its exit status.
func Main(args []string) int {
	unix.Umask(0o022)
	if len(args) > 0 {
		if program := programs[args[0]]; program != nil {
			return program(args[1:])
		}
	}
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "final-helper works for final, and is not for you to start (see final --help)")
		return 1
	}
	list := &stage.List{Side: "helper", Explain: true}
	var answer ask.Answer
	value, err := answered(args[0], list)
	if err == nil {
		answer.Value, err = json.Marshal(value)
	}
	if err != nil {
		answer = ask.Answer{Error: err.Error()}
	}
	answer.Records = list.Records
	if err := json.NewEncoder(os.Stdout).Encode(&answer); err != nil {
		return 1
	}
	return 0
}

func answered(verb string, list *stage.List) (any, error) {
	answer := answers[verb]
	if answer == nil {
		return nil, fmt.Errorf("%s does not know %q: it is older or newer than final (make build/final build/%[1]s)", ask.Name, verb)
	}
	return answer(json.NewDecoder(os.Stdin), list)
}
