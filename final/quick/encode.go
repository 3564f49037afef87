//go:build linux

package quick

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"
)

// A writer has encoded text. Its methods return false for whatever they leave to encoding/json.
type writer struct {
	text []byte
}

func (w *writer) value(v reflect.Value, depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch v.Kind() {
	case reflect.Invalid:
		w.text = append(w.text, "null"...)
		return true
	case reflect.Pointer, reflect.Interface:
		return w.value(v.Elem(), depth+1)
	}
	if v.Type().PkgPath() != "" && layoutOf(v.Type()).itself {
		if v.CanAddr() {
			v = v.Addr()
		}
		return w.itself(v.Interface())
	}
	switch v.Kind() {
	case reflect.Bool:
		w.text = strconv.AppendBool(w.text, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.text = strconv.AppendInt(w.text, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		w.text = strconv.AppendUint(w.text, v.Uint(), 10)
	case reflect.String:
		w.string(v.String())
	case reflect.Struct:
		return w.object(v, depth)
	case reflect.Map:
		return w.pairs(v, depth)
	case reflect.Slice:
		return w.array(v, depth)
	default:
		return false
	}
	return true
}

// itself encodes a value whose type has methods for JSON.
func (w *writer) itself(value any) bool {
	if own, ok := value.(json.Marshaler); ok {
		text, err := own.MarshalJSON()
		r := reader{text: text}
		if word, ok := r.string(); len(text) > 0 && text[0] == '"' && err == nil && ok && r.at == len(text) && isPlain(word) {
			w.text = append(w.text, text...)
			return true
		}
	}
	text, err := json.Marshal(value)
	w.text = append(w.text, text...)
	return err == nil
}

// comma writes a comma, unless it would be the first thing after from.
func (w *writer) comma(from int) {
	if len(w.text) > from {
		w.text = append(w.text, ',')
	}
}

func (w *writer) object(v reflect.Value, depth int) bool {
	l := layoutOf(v.Type())
	w.text = append(w.text, '{')
	from := len(w.text)
	for _, f := range l.fields {
		member, there := within(v, f.index, false)
		if !there || f.omitEmpty && isEmpty(member) {
			continue
		}
		w.comma(from)
		w.string(f.name)
		w.text = append(w.text, ':')
		if !w.value(member, depth+1) {
			return false
		}
	}
	w.text = append(w.text, '}')
	return !l.unusual
}

// isEmpty is what omitempty asks.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Array:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// pairs encodes a map, sorted by key.
func (w *writer) pairs(v reflect.Value, depth int) bool {
	if v.IsNil() {
		w.text = append(w.text, "null"...)
		return true
	}
	if v.Type().Key().Kind() != reflect.String || v.Type().Key().PkgPath() != "" {
		return false
	}
	members := map[string]reflect.Value{}
	for key, member := range v.Seq2() {
		members[key.String()] = member
	}
	w.text = append(w.text, '{')
	from := len(w.text)
	for _, key := range slices.Sorted(maps.Keys(members)) {
		w.comma(from)
		w.string(key)
		w.text = append(w.text, ':')
		if !w.value(members[key], depth+1) {
			return false
		}
	}
	w.text = append(w.text, '}')
	return true
}

func (w *writer) array(v reflect.Value, depth int) bool {
	switch {
	case v.Type().Elem().Kind() == reflect.Uint8:
		return false
	case v.IsNil():
		w.text = append(w.text, "null"...)
		return true
	}
	w.text = append(w.text, '[')
	from := len(w.text)
	for i := range v.Len() {
		w.comma(from)
		if !w.value(v.Index(i), depth+1) {
			return false
		}
	}
	w.text = append(w.text, ']')
	return true
}

// string encodes a string, and lets encoding/json do it if there is a byte to escape.
func (w *writer) string(text string) {
	if isPlain(text) {
		w.text = append(append(append(w.text, '"'), text...), '"')
		return
	}
	// A string can always be encoded.
	escaped, _ := json.Marshal(text)
	w.text = append(w.text, escaped...)
}

// isPlain reports whether encoding/json would escape no byte of a string.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}
