//go:build linux

package process

import (
	"os"
	"slices"
	"strings"
)

// Passed names variables of the caller that every process of ours gets. Only tests set it.
var Passed []string

// small makes a Go program small: it has one thread at work and no garbage collection, and so takes less time to start.
var small = []string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=off"}

// bareEnv is the environment of what a container may see: nothing in it is the caller's. The kernel keeps the environment that a
// process was started with in its memory, whatever the process does. proc_pid_environ(5)
func bareEnv() []string { return append(slices.Clone(small), only(Passed)...) }

// SmallEnv is our environment, but for what makes a Go program small. The first of two variables of a name would count.
func SmallEnv() []string {
	env := slices.Clone(small)
	for _, variable := range os.Environ() {
		if !isSmall(variable) {
			env = append(env, variable)
		}
	}
	return env
}

// UnsetSmall takes out of our environment what makes a Go program small: it would slow down the programs that get this environment.
func UnsetSmall() {
	for _, variable := range small {
		os.Unsetenv(nameOf(variable))
	}
}

// isSmall reports whether a variable is one that SmallEnv sets, or that changes what these do.
func isSmall(variable string) bool {
	return slices.Contains([]string{"GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG"}, nameOf(variable))
}

// only returns the variables of our environment that have one of the names.
func only(names []string) []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool { return !slices.Contains(names, nameOf(variable)) })
}

func nameOf(variable string) string {
	name, _, _ := strings.Cut(variable, "=")
	return name
}
