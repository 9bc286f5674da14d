package kinds

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

const userJSON = `{"id": 7, "name": "Ann", "tags": ["a"], "meta": {"at": "2024-01-31T00:00:00Z"}}`

// mutated runs a fault for the n-th hit with a draw. It returns why the reply passed
// unchanged, if it did.
func mutated(t *testing.T, line string, n uint64, u float64, r *http.Request, next caddyhttp.HandlerFunc) (resp *http.Response, body string, told *heard) {
	t.Helper()
	told = new(heard)
	hit := &faults.Hit{N: n, U: u, Listener: told}
	resp, err := runFault(t, parse(t, new(Mutate), line), r.WithContext(withHit(r.Context(), hit)), next)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(all), told
}

// TestMutate checks each way in which a reply can change or pass.
func TestMutate(t *testing.T) {
	const typ = "application/json"
	const dropped = `{"id": 7, "tags": ["a"], "meta": {"at": "2024-01-31T00:00:00Z"}}`
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	many := "[" + strings.Repeat("1,", 100_000) + "1]"
	for _, tt := range []struct {
		name, line string
		next       caddyhttp.HandlerFunc
		body       string
		told       string
	}{
		{"json", "mutate drop at /name", answer(200, typ, userJSON), dropped, "hit"},
		{"json of an error", "mutate drop at /name", answer(500, "application/problem+json", userJSON), dropped, "hit"},
		{"gzip", "mutate drop at /name", answer(200, typ, packed(userJSON), "Content-Encoding", "gzip"), dropped, "hit"},
		{"broken", "mutate encoding each", answer(200, typ, "1"), "\xff\xfe1\x00", "hit"},
		{"no place", "mutate drop at /other", answer(200, typ, userJSON), userJSON, passNoPlace},
		{"nothing to drop", "mutate drop", answer(200, typ, "[1]"), "[1]", passNoPlace},
		{"text", "mutate", answer(200, "text/plain", userJSON), userJSON, passNotJSON},
		{"no JSON", "mutate", answer(200, typ, `{"a": `), `{"a": `, passNotJSON},
		{"too deep", "mutate", answer(200, typ, deep), deep, passNotJSON},
		{"too many values", "mutate", answer(200, typ, many), many, passTooLarge},
		{"too large", "mutate {\nmax_size 10B\n}", answer(200, typ, userJSON), userJSON, passTooLarge},
		{"too large unpacked", "mutate {\nmax_size 100B\n}", answer(200, typ, packed(`"`+strings.Repeat("x", 1000)+`"`), "Content-Encoding", "gzip"), packed(`"` + strings.Repeat("x", 1000) + `"`), passTooLarge},
		{"br", "mutate", answer(200, typ, userJSON, "Content-Encoding", "br"), userJSON, passEncoded},
		{"no gzip", "mutate", answer(200, typ, userJSON, "Content-Encoding", "gzip"), userJSON, passEncoded},
		{"part", "mutate", answer(206, typ, userJSON), userJSON, passPartial},
		{"stream", "mutate", answer(200, "application/stream+json", userJSON), userJSON, passStream},
		{"empty", "mutate", answer(200, typ, ""), "", passNoBody},
		{"no body", "mutate", answer(304, typ, ""), "", passNoBody},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body, told := mutated(t, tt.line, 1, 0.5, request(http.MethodGet), tt.next)
			if body != tt.body || told.told != tt.told {
				t.Errorf("got %.300q, told %q, want %.300q, %q", body, told.told, tt.body, tt.told)
			}
			hit := tt.told == "hit"
			if (len(told.changes) > 0) != hit || (resp.Header.Get("Etag") == "") != hit {
				t.Errorf("got changes %v, header %v", told.changes, resp.Header)
			}
			if length := resp.Header.Get("Content-Length"); hit && (length != strconv.Itoa(len(body)) || resp.Header.Get("Content-Type") == "" || resp.Header.Get("Content-Encoding") != "") {
				t.Errorf("got header %v for %d bytes", resp.Header, len(body))
			}
		})
	}
}

// The same draw makes the same change. Different draws make different ones.
func TestMutateRepeats(t *testing.T) {
	seen := make(map[string]bool)
	for i := range 50 {
		u := float64(i) / 50
		_, first, told := mutated(t, "mutate {\ncount 2\n}", 1, u, request(http.MethodGet), answer(200, "application/json", userJSON))
		_, second, again := mutated(t, "mutate {\ncount 2\n}", 9, u, request(http.MethodGet), answer(200, "application/json", userJSON))
		if first != second || !slices.Equal(told.changes, again.changes) {
			t.Errorf("draw %v: got %s, then %s", u, first, second)
		}
		seen[first] = true
	}
	if len(seen) < 20 {
		t.Errorf("50 draws made %d replies", len(seen))
	}
}

// With each, the hits make all changes in turn. After the last one, replies pass.
func TestMutateEach(t *testing.T) {
	var got []string
	n := uint64(1)
	for ; ; n++ {
		_, _, told := mutated(t, "mutate drop retype not_at /meta each", n, 0.5, request(http.MethodGet), answer(200, "application/json", userJSON))
		if told.told != "hit" {
			if told.told != passNoPlace || len(told.changes) > 0 {
				t.Errorf("got %+v after the last change", told)
			}
			break
		}
		c := told.changes[0]
		got = append(got, c.Op+" "+c.At+" "+c.Was+" "+c.Is)
	}
	want := []string{
		"drop /id number absent", "retype /id number string", "retype /id number array",
		"drop /name string absent", "retype /name string array",
		"drop /tags array absent", "retype /tags array string", "retype /tags/0 string array",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	if _, body, _ := mutated(t, "mutate drop retype not_at /meta each", n+1000, 0.5, request(http.MethodGet), answer(200, "application/json", userJSON)); body != userJSON {
		t.Errorf("got %s long after the last change", body)
	}
}

// A halt releases a held reply unchanged.
func TestMutateHalted(t *testing.T) {
	halt := make(chan struct{})
	r := request(http.MethodGet)
	r = r.WithContext(withHit(r.Context(), &faults.Hit{Ended: halt}))
	resp, err := runFault(t, parse(t, new(Mutate), "mutate"), r, func(w http.ResponseWriter, r *http.Request) error {
		defer close(halt)
		return answer(200, "application/json", userJSON)(w, r)
	})
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != userJSON {
		t.Errorf("got %s", body)
	}
}

func TestMutateRefused(t *testing.T) {
	for _, tt := range []struct {
		f    Mutate
		want string
	}{
		{Mutate{Ops: []string{"retyp"}}, "unknown operation 'retyp' of mutate: did you mean 'retype'?"},
		{Mutate{Ops: []string{"/a"}}, "for a place, write at /a"},
		{Mutate{Ops: []string{strings.Repeat("x", 1000)}}, "the operations and sets are drop, null"},
		{Mutate{At: []string{"a"}}, "mutate at: bad pointer 'a': must begin with a slash; write /a"},
		{Mutate{NotAt: []string{"/~"}}, "mutate not_at: bad pointer '/~'"},
		{Mutate{NotAt: []string{""}}, "mutate changes nothing: not_at excludes every place"},
		{Mutate{At: []string{"/a/b"}, NotAt: []string{"/x", "/*"}}, "mutate changes nothing: not_at excludes every place"},
		{Mutate{Ops: []string{"nest"}, At: []string{"/a"}}, "nest cannot change anything at the places of at"},
		{Mutate{Count: -1}, "bad mutate count '-1': must be from 1 to 20"},
		{Mutate{Count: 21}, "bad mutate count '21': must be from 1 to 20"},
		{Mutate{Count: 2, Each: true}, "mutate has both each and count"},
		{Mutate{MaxSize: -1}, "bad mutate max_size '-1': must not be negative"},
	} {
		if err := tt.f.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.f, err, tt.want)
		}
	}
}

// A client may mutate by a trigger, up to a size.
func TestMutateUntrusted(t *testing.T) {
	if err := unmarshal(t, new(Mutate), "mutate drop at /id each").Untrusted(new(faults.Limits)); err != nil {
		t.Error(err)
	}
	if err := unmarshal(t, new(Mutate), "mutate {\nmax_size 2MiB\n}").Untrusted(new(faults.Limits)); err == nil {
		t.Error("a large body is not refused")
	}
}

// A line names operations and places, and is quoted where it must be.
func TestMutateLine(t *testing.T) {
	for _, tt := range []struct {
		f    Mutate
		want string
		ok   bool
	}{
		{Mutate{}, "", true},
		{Mutate{Ops: []string{"drop", "edge"}, At: []string{"/a b", ""}, NotAt: []string{"/c"}, Each: true}, "drop edge at `/a b` `` not_at /c each", true},
		{Mutate{Ops: []string{"drop"}, Count: 2}, "drop", false},
		{Mutate{MaxSize: 1}, "", false},
		{Mutate{At: []string{"/a\nb"}}, "", false},
	} {
		if line, ok := tt.f.Line(); ok != tt.ok || line != tt.want {
			t.Errorf("%+v: got %q, %t", tt.f, line, ok)
		}
	}
}
