//go:build linux

package engine

import "strings"

// fields are fields of the configuration that a warning of the runtime may name, and their flags.
var fields = []string{"process.oomScoreAdj: ", "--oom-score-adj ", "process.rlimits: ", "--ulimit: "}

// InFlags returns tell for somebody who has written flags: where a message names a field of the configuration, tell gets the flag.
func InFlags(tell func(string)) func(string) {
	names := strings.NewReplacer(fields...)
	return func(message string) { tell(names.Replace(message)) }
}
