//go:build linux

package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/engine/flags"
)

// fields are fields of the configuration that a warning of the runtime may name, and their flags.
var fields = []string{"process.oomScoreAdj: ", "--oom-score-adj ", "process.rlimits: ", "--ulimit: "}

// InFlags returns tell for somebody who has written flags: where a message names a field of the configuration, tell gets the flag.
func InFlags(tell func(string)) func(string) {
	names := strings.NewReplacer(fields...)
	return func(message string) { tell(names.Replace(message)) }
}

// nameVolumes names the flag --volume where an error names a mount of the configuration by its number.
func nameVolumes(options *flags.Options, mounts []specs.Mount, err error) error {
	var pairs []string
	for i, m := range mounts {
		if m.Type == "bind" && slices.ContainsFunc(options.Mounts, func(asked specs.Mount) bool { return asked.Destination == m.Destination }) {
			number, flag := fmt.Sprintf("mounts[%d]: ", i), fmt.Sprintf("--volume %s:%s: ", m.Source, m.Destination)
			pairs = append(pairs, number+m.Source+": ", flag, number, flag)
		}
	}
	return &renamed{err, strings.NewReplacer(pairs...).Replace(err.Error())}
}

// renamed is an error with another text.
type renamed struct {
	error
	text string
}

func (r *renamed) Error() string { return r.text }

func (r *renamed) Unwrap() error { return r.error }
