//go:build linux

package main

import "fmt"

// habits returns words that you may know from Docker, and what to type for each.
func habits() map[string]string {
	return map[string]string{
		"attach":    "final logs --follow ID, or final exec ID COMMAND",
		"build":     "docker build or podman build, and load the result with final load",
		"container": "the verb alone, such as final list, final exec or final delete",
		"cp":        "final exec ID cat FILE, or give the container a directory with final run --volume",
		"help":      "final --help",
		"image":     "the verb alone, such as final images, final pull or final rmi",
		"info":      "final --version or final features",
		"ls":        "final list",
		"restart":   "final delete --force ID, and final run again",
		"rm":        "final delete ID, or final delete --force ID if the container runs",
		"stats":     "final events --stats ID",
		"stop":      "final kill ID, which asks the command to end, or final delete --force ID, which does not ask",
		"system":    "final prune",
		"tag":       "final save IMAGE | final load NAME, which gives the image one more name",
		"top":       "final ps ID",
		"unpause":   "final resume ID",
		"version":   "final --version",
		"volume":    "final run --volume /DIR:/DIR with a directory of the host",
		"wait":      "final logs --follow ID, which ends with the container, or final run without --detach",
	}
}

// unknown refuses a word that is no verb, and names what the caller may have meant.
func unknown(word, program string) error {
	instead, known := habits()[word]
	if !known {
		instead = program + " run [flags] COMMAND [ARG ...]"
	}
	return fmt.Errorf("unknown command %q: use %s (or see --help)", word, instead)
}
