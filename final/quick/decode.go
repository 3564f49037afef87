//go:build linux

package quick

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A reader has decoded the text up to at. Its methods return false for whatever they leave to encoding/json: mistakes, keys that differ
// from a field in upper and lower case only, keys that come twice, numbers with a fraction.
type reader struct {
	text []byte
	at   int
}

// next skips white space, and returns the byte that follows, or 0 at the end.
func (r *reader) next() byte {
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take skips white space and a word, if the word follows.
func (r *reader) take(word string) bool {
	if r.next() != word[0] || !strings.HasPrefix(string(r.text[r.at:min(r.at+len(word), len(r.text))]), word) {
		return false
	}
	r.at += len(word)
	return true
}

// value decodes any value into a variable, which is zero. It skips the value if the variable is not valid.
func (r *reader) value(to reflect.Value, depth int) bool {
	if depth > maxDepth {
		return false
	}
	c := r.next()
	switch {
	case c == 'n':
		return r.null(to)
	case to.Kind() == reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		return r.value(to.Elem(), depth+1)
	case to.IsValid() && to.Type().PkgPath() != "" && layoutOf(to.Type()).itself:
		return r.itself(to, depth)
	case c == '{':
		return r.object(to, depth)
	case c == '[':
		return r.array(to, depth)
	case c == '"':
		text, ok := r.string()
		if ok && to.Kind() == reflect.String {
			to.SetString(text)
			return true
		}
		return ok && !to.IsValid()
	case c == 't' && r.take("true"), c == 'f' && r.take("false"):
		if to.Kind() == reflect.Bool {
			to.SetBool(c == 't')
			return true
		}
		return !to.IsValid()
	}
	return r.number(to)
}

// null leaves a variable as it is, unless its type has its own idea of null.
func (r *reader) null(to reflect.Value) bool {
	return r.take("null") && !(to.IsValid() && to.Type().PkgPath() != "" && layoutOf(to.Type()).itself)
}

// itself decodes a value into a variable whose type has methods for JSON.
func (r *reader) itself(to reflect.Value, depth int) bool {
	from := r.at
	if !r.value(reflect.Value{}, depth+1) {
		return false
	}
	text, method := r.text[from:r.at], to.Addr().Interface()
	if own, ok := method.(json.Unmarshaler); ok {
		return own.UnmarshalJSON(text) == nil
	}
	return json.Unmarshal(text, method) == nil
}

// list decodes what is in brackets or braces, with commas in between.
func (r *reader) list(end string, member func() bool) bool {
	r.at++
	if r.take(end) {
		return true
	}
	for member() {
		if r.take(end) {
			return true
		}
		if !r.take(",") {
			return false
		}
	}
	return false
}

func (r *reader) object(to reflect.Value, depth int) bool {
	kind, l := to.Kind(), new(layout)
	switch kind {
	case reflect.Struct:
		l = layoutOf(to.Type())
	case reflect.Map:
		if to.Type().Key().Kind() != reflect.String || to.Type().Key().PkgPath() != "" {
			return false
		}
		to.Set(reflect.MakeMap(to.Type()))
	case reflect.Invalid:
	default:
		return false
	}
	// Bit i says that field i has come.
	var seen uint64
	return !l.unusual && len(l.fields) <= 64 && r.list("}", func() bool {
		if r.next() != '"' {
			return false
		}
		key, ok := r.string()
		if !ok || !r.take(":") {
			return false
		}
		if kind == reflect.Map {
			element := reflect.New(to.Type().Elem()).Elem()
			ok := r.value(element, depth+1)
			to.SetMapIndex(reflect.ValueOf(key), element)
			return ok
		}
		i, usual := l.find(key)
		if !usual || i >= 0 && seen&(1<<i) != 0 {
			return false
		}
		if i < 0 {
			return r.value(reflect.Value{}, depth+1)
		}
		seen |= 1 << i
		into, ok := within(to, l.fields[i].index, true)
		return ok && r.value(into, depth+1)
	})
}

// find returns the number of the field with a name, or -1. A name that differs from a field in upper and lower case only is not usual.
func (l *layout) find(name string) (i int, usual bool) {
	for i := range l.fields {
		if l.fields[i].name == name {
			return i, true
		}
	}
	for i := range l.fields {
		if strings.EqualFold(l.fields[i].name, name) {
			return -1, false
		}
	}
	return -1, true
}

// within returns a field of a struct. It makes the embedded structs on the way, or fails if it may not.
func within(of reflect.Value, index []int, create bool) (reflect.Value, bool) {
	for depth, i := range index {
		if depth > 0 && of.Kind() == reflect.Pointer {
			if of.IsNil() && !create {
				return of, false
			}
			if of.IsNil() {
				of.Set(reflect.New(of.Type().Elem()))
			}
			of = of.Elem()
		}
		of = of.Field(i)
	}
	return of, true
}

func (r *reader) array(to reflect.Value, depth int) bool {
	if to.CanAddr() {
		if list, ok := to.Addr().Interface().(*[]string); ok {
			return r.strings(list)
		}
	}
	var element reflect.Value
	switch {
	case to.Kind() == reflect.Slice && to.Type().Elem().Kind() != reflect.Uint8:
		element = reflect.New(to.Type().Elem()).Elem()
		to.Set(reflect.MakeSlice(to.Type(), 0, 4))
	case to.IsValid():
		return false
	}
	return r.list("]", func() bool {
		if to.IsValid() {
			element.SetZero()
		}
		if !r.value(element, depth+1) {
			return false
		}
		if to.IsValid() {
			to.Set(reflect.Append(to, element))
		}
		return true
	})
}

// strings decodes a list of strings, of which a configuration has many.
func (r *reader) strings(to *[]string) bool {
	*to = make([]string, 0, 4)
	return r.list("]", func() bool {
		if r.next() != '"' {
			return false
		}
		text, ok := r.string()
		*to = append(*to, text)
		return ok
	})
}

// string decodes a string in quotes, at which the reader is.
func (r *reader) string() (string, bool) {
	from, plain := r.at, true
	for r.at++; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			if plain {
				return string(r.text[from+1 : r.at-1]), true
			}
			var text string
			return text, json.Unmarshal(r.text[from:r.at], &text) == nil
		case c == '\\':
			plain = false
			r.at++
		case c < ' ':
			return "", false
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	return "", false
}

// number decodes a whole number.
func (r *reader) number(to reflect.Value) bool {
	from := r.at
	for r.at < len(r.text) && strings.IndexByte("+-.0123456789Ee", r.text[r.at]) >= 0 {
		r.at++
	}
	text := string(r.text[from:r.at])
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" || digits[0] == '0' && len(digits) > 1 {
		return false
	}
	switch to.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, to.Type().Bits())
		to.SetInt(n)
		return err == nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, to.Type().Bits())
		to.SetUint(n)
		return err == nil
	}
	return !to.IsValid()
}
