//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
)

// A view is what is seen of a container: sections of sections, and texts at their ends.
type view = map[string]any

// A difference is a field of two views that is not the same.
type difference struct{ Field, Before, After string }

const absent = "(absent)"

// compareViews returns the differences of two views, sorted by field.
func compareViews(before, after view) []difference {
	one, two := map[string]string{}, map[string]string{}
	flatten(one, "", onlyCommon(before, after))
	flatten(two, "", onlyCommon(after, before))
	all := maps.Clone(one)
	maps.Copy(all, two)
	var differences []difference
	for _, field := range slices.Sorted(maps.Keys(all)) {
		old, had := one[field]
		now, has := two[field]
		if !had {
			old = absent
		}
		if !has {
			now = absent
		}
		if old != now {
			differences = append(differences, difference{field, old, now})
		}
	}
	return differences
}

// onlyCommon replaces each section that the other view lacks by a word: its fields would hide the other differences.
func onlyCommon(seen, other view) view {
	common := view{}
	for name, value := range seen {
		if _, has := other[name]; !has {
			value = "(present)"
		}
		common[name] = value
	}
	return common
}

func flatten(into map[string]string, name string, value any) {
	below := func(key string) string {
		if name == "" {
			return key
		}
		return name + ": " + key
	}
	switch value := value.(type) {
	case map[string]any:
		for key, v := range value {
			flatten(into, below(key), v)
		}
	case map[string]string:
		for key, v := range value {
			into[below(key)] = v
		}
	case []any:
		for i, v := range value {
			flatten(into, below(strconv.Itoa(i)), v)
		}
	default:
		into[name] = fmt.Sprint(value)
	}
}

// printDifferences prints the differences of a configuration.
func printDifferences(w io.Writer, c *configuration, differences []difference) {
	fmt.Fprintln(w, c)
	for _, d := range differences {
		fmt.Fprintf(w, "  %s\n    before: %s\n    after:  %s\n", d.Field, strconv.QuoteToGraphic(d.Before), strconv.QuoteToGraphic(d.After))
	}
}
