//go:build linux

// Package quick runs in every process that is final: it decodes and encodes JSON for a program that lives for a few milliseconds. encoding/json builds
// tables for every type that a value could contain, before it decodes the first one. For the configuration of a container the tables
// take half a millisecond, and the values take 30 microseconds. So this package looks only at the types that it meets. It leaves whatever
// is unusual to encoding/json, and with it all messages about mistakes: the results are always those of encoding/json.
package quick

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// maxDepth is how deep usual values nest.
const maxDepth = 50

// Unmarshal decodes a text as json.Unmarshal does. The value that to points to is replaced.
func Unmarshal(text []byte, to any) error {
	into := reflect.ValueOf(to).Elem()
	into.SetZero()
	r := reader{text: text}
	if r.value(into, 0) && r.next() == 0 && r.at == len(text) {
		return nil
	}
	into.SetZero()
	return json.Unmarshal(text, to)
}

// Marshal encodes a value as json.Marshal does.
func Marshal(value any) ([]byte, error) {
	w := writer{text: make([]byte, 0, 4096)}
	if w.value(reflect.ValueOf(value), 0) {
		return w.text, nil
	}
	return json.Marshal(value)
}

// A layout is how JSON represents a type.
type layout struct {
	// fields are those of a struct, in their order.
	fields []field
	// itself says that the type has methods for JSON. Only encoding/json knows what to do with them.
	itself bool
	// unusual says that only encoding/json knows about a field.
	unusual bool
}

type field struct {
	name      string
	index     []int
	omitEmpty bool
}

var methods = []reflect.Type{
	reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
}

var (
	mutex sync.Mutex
	// known has the types that this process has met.
	known = map[reflect.Type]*layout{}
)

func layoutOf(kind reflect.Type) *layout {
	mutex.Lock()
	defer mutex.Unlock()
	l := known[kind]
	if l != nil {
		return l
	}
	l = new(layout)
	known[kind] = l
	if kind.PkgPath() != "" {
		pointer := reflect.PointerTo(kind)
		l.itself = pointer.NumMethod() > 0 && slices.ContainsFunc(methods, pointer.Implements)
	}
	if kind.Kind() == reflect.Struct && !l.itself {
		l.collect(kind, nil)
		l.hide()
	}
	return l
}

// collect adds the fields of a struct, and of structs that are embedded in it.
func (l *layout) collect(kind reflect.Type, above []int) {
	for i := range kind.NumField() {
		f := kind.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		index := slices.Concat(above, f.Index)
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case name == "-" && options == "" || !f.Anonymous && !f.IsExported():
		case f.Anonymous && name == "" && inner.Kind() == reflect.Struct:
			// Nobody can set an embedded pointer to a type of another package's own.
			l.unusual = l.unusual || len(index) > maxDepth || f.Type != inner && !f.IsExported()
			if !l.unusual {
				l.collect(inner, index)
			}
		case f.IsExported():
			if name == "" {
				name = f.Name
			}
			l.unusual = l.unusual || options != "" && options != "omitempty"
			l.fields = append(l.fields, field{name, index, options != ""})
		}
	}
}

// hide removes the fields that a field of the same name hides: it stands above them.
func (l *layout) hide() {
	all := l.fields
	if !slices.ContainsFunc(all, func(f field) bool { return len(f.index) > 1 }) {
		return
	}
	l.fields = nil
	for i, f := range all {
		isHidden := false
		for j, other := range all {
			if i != j && other.name == f.name {
				isHidden = isHidden || len(other.index) < len(f.index)
				// Of two fields side by side, encoding/json takes the one with a tag, or none.
				l.unusual = l.unusual || len(other.index) == len(f.index)
			}
		}
		if !isHidden {
			l.fields = append(l.fields, f)
		}
	}
}
