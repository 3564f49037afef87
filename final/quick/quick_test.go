//go:build linux

package quick

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// all has a field of each kind that this package looks at itself, or leaves to encoding/json.
type all struct {
	Text     string `json:"text"`
	Word     word   `json:"word,omitempty"`
	Plain    bool
	Small    int8             `json:"small,omitempty"`
	Number   *uint64          `json:"number,omitempty"`
	List     []string         `json:"list"`
	Sparse   []string         `json:"sparse,omitempty"`
	All      []*all           `json:"all,omitempty"`
	Pairs    map[string]int   `json:"pairs,omitempty"`
	Deep     map[string][]all `json:"deep,omitempty"`
	Time     time.Time        `json:"time"`
	Any      any              `json:"any,omitempty"`
	Fraction float64          `json:"fraction,omitempty"`
	Bytes    []byte           `json:"bytes,omitempty"`
	Array    [2]int           `json:"array"`
	Hidden   string           `json:"-"`
	//lint:ignore U1000 the decoder must leave it alone
	private string
	*Embedded
	inner
}

type word string

type Embedded struct {
	Text  string `json:"text"`
	Below *int64 `json:"below,omitempty"`
}

type inner struct {
	Inside bool   `json:"inside,omitempty"`
	Odd    odd    `json:"odd,omitempty"`
	Quiet  string `json:"quiet,omitempty"`
}

// odd has methods for JSON, and an idea of null.
type odd struct{ text string }

func (o *odd) UnmarshalJSON(text []byte) error { o.text = string(text); return nil }
func (o odd) MarshalJSON() ([]byte, error)     { return json.Marshal("<" + o.text + ">") }

var texts = []string{
	`{}`, `null`, ` {"text" : "a" , "Plain":true, "small":-128} `, `{"number": 18446744073709551615, "list": [], "all": [null, {"text": "b"}]}`,
	`{"pairs": {"b": 1, "a": 2, "": 3}, "deep": {"x": [{"text": "y"}, {"small": 1}], "z": null}, "inside": true, "below": 7}`,
	`{"text": "\u00e9\ud83d\ude00\ud83d \" \\ \/ \n", "list": ["é", "<&>", "\u2028", ""]}`, "{\"text\": \"\xff\", \"list\": [\"\xed\xa0\x80\"]}",
	`{"time": "2026-01-02T03:04:05.678Z"}`, `{"time": null, "odd": null}`, `{"odd": {"a": [1, 2.5e3, "x"]}}`, `{"any": {"a": [1, null, true]}, "fraction": 1.5}`,
	`{"bytes": "aGk=", "array": [1, 2, 3]}`, `{"unknown": [{"a": {"b": [1, "x", null, false]}}], "text": "c"}`, `{"unknown": 1.5e-3}`,
	`{"TEXT": "upper"}`, `{"text": "a", "text": "b"}`, `{"all": [{"text": "a"}], "all": [{}]}`, `{"pairs": {"a": 1, "a": 2}}`, `{"text": null, "list": null, "list": null}`,
	`{"list": ["a", null, "b"]}`, `{"word": "w", "Hidden": "h", "private": "p", "hidden": 1}`,
	// These are mistakes.
	``, ` `, `{`, `{"text"`, `{"text":`, `{"text":}`, `{"text": "a",}`, `{"text": "a"} x`, "{}\x00", `{"text": "a"`, `{text: "a"}`, `{"text" "a"}`, `["a"]`, `"a"`, `1`,
	`{"small": 128}`, `{"small": 1.0}`, `{"small": 1e2}`, `{"small": 01}`, `{"small": -}`, `{"small": "1"}`, `{"number": -1}`, `{"number": -0}`, `{"small": -0}`,
	`{"text": 1}`, `{"text": {}}`, `{"Plain": "true"}`, `{"Plain": truer}`, `{"Plain": nul}`, `{"list": {}}`, `{"list": [1]}`, `{"list": ["a",]}`, `{"list": ["a" "b"]}`, `{"list": [,]}`,
	`{"pairs": []}`, `{"pairs": {"a": "b"}}`, `{"all": {}}`, `{"time": "yesterday"}`, `{"unknown": "` + "\n" + `"}`, `{"unknown": "\q"}`, `{"text": "\u12"}`, `{"unknown": [1 2]}`,
	`{"unknown": ` + strings.Repeat("[", 20_000), `{"unknown": ` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, `{"text": "a", "small": "x", "Plain": true}`,
}

// same compares the results with those of encoding/json.
func same(t *testing.T, text string, quick, other any) {
	ours, theirs := Unmarshal([]byte(text), quick), json.Unmarshal([]byte(text), other)
	require.Equal(t, theirs, ours, "%.100q", text)
	require.Equal(t, other, quick, "%.100q", text)
	ourText, ours := Marshal(quick)
	theirText, theirs := json.Marshal(other)
	require.Equal(t, theirs, ours, "%.100q", text)
	require.Equal(t, string(theirText), string(ourText), "%.100q", text)
}

func TestResultsAreThoseOfEncodingJSON(t *testing.T) {
	for _, text := range texts {
		same(t, text, new(all), new(all))
	}
	for _, value := range []any{nil, 1, "a", word("<"), []string(nil), map[string]string(nil), map[int]string{1: "a"}, [2]int{}, 1.5, struct{ *Embedded }{}, (*all)(nil),
		struct {
			*Embedded
			Other string `json:"below"`
		}{&Embedded{Text: "a", Below: new(int64(1))}, "b"}} {
		ours, err := Marshal(value)
		require.NoError(t, err)
		theirs, err := json.Marshal(value)
		require.NoError(t, err)
		assert.Equal(t, string(theirs), string(ours))
	}
	_, err := Marshal(map[string]any{"a": func() {}})
	assert.Error(t, err)
}

func TestWhatWasThereIsReplaced(t *testing.T) {
	into := all{Text: "before", List: []string{"before"}, Pairs: map[string]int{"before": 1}}
	require.NoError(t, Unmarshal([]byte(`{"Plain": true}`), &into))
	assert.Equal(t, all{Plain: true}, into)
	require.NoError(t, Unmarshal([]byte(`{"PLAIN": true}`), &into))
	assert.Equal(t, all{Plain: true}, into)
	require.Error(t, Unmarshal([]byte(`{"small": "a"}`), &into))
	assert.Equal(t, all{}, into)
}

// A usual configuration does not need encoding/json.
func TestAUsualConfigurationIsQuick(t *testing.T) {
	text := fmt.Sprintf(`{"ociVersion": %q, "process": {"args": ["sh", "-c", "true"], "user": {"uid": 1, "additionalGids": [2]}, "rlimits": [{"type": "RLIMIT_CORE", "hard": 1, "soft": 0}]},
		"mounts": [{"destination": "/proc", "type": "proc", "options": ["ro"]}], "annotations": {"a": "b"}, "hooks": {"poststop": [{"path": "/x", "timeout": 1}]},
		"linux": {"resources": {"devices": [{"allow": false, "access": "rwm"}], "memory": {"limit": -1}, "blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 10}]}},
		"seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}]}}}`, specs.Version)
	spec := new(specs.Spec)
	r := reader{text: []byte(text)}
	assert.True(t, r.value(reflect.ValueOf(spec).Elem(), 0))
	w := writer{}
	assert.True(t, w.value(reflect.ValueOf(spec), 0))
	same(t, text, new(specs.Spec), new(specs.Spec))
}

func FuzzUnmarshal(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		same(t, text, new(all), new(all))
	})
}
