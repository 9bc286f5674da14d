package kinds

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// storable lists the fields that let caches keep a reply.
var storable = []string{
	"Cache-Control", "public, max-age=3600", "Expires", "Tue, 25 Feb 2125 12:00:00 GMT", "Age", "5", "Surrogate-Control", "max-age=3600",
	"CDN-Cache-Control", "max-age=3600", "Cloudflare-CDN-Cache-Control", "max-age=3600", "X-LiteSpeed-Cache-Control", "public",
	"Edge-Control", "max-age=1h", "X-Accel-Expires", "3600",
}

// No cache keeps a reply that a fault writes or changes. A reply that is only late or
// visibly incomplete does not change.
func TestUncache(t *testing.T) {
	kinds := map[string]interface {
		faults.Fault
		caddyfile.Unmarshaler
	}{
		"respond 551": new(Respond), "respond 551 {\nheader +X-Other b\n}": new(Respond), "grpc 14": new(GRPC),
		"error 503": new(Error), "malformed": new(Malformed), "corrupt 10%": new(Corrupt), "truncate 2B clean": new(Truncate),
		"patch {\nstatus 503\n}": new(Patch), "patch {\nheader X-Other b\n}": new(Patch), "patch {\npad 10B\n}": new(Patch),
		"patch {\njson `{\"a\": 1}`\n}": new(Patch), "patch {\nreplace ^ x\n}": new(Patch), "patch {\nbody x\n}": new(Patch), "delay 1ns": new(Delay), "truncate 2B": new(Truncate), "dribble 2 1ms": new(Dribble), "throttle 1MiB/s": new(Throttle),
	}
	changed := func(line string) bool {
		return !slices.ContainsFunc([]string{"delay", "dribble", "throttle"}, func(kind string) bool { return strings.HasPrefix(line, kind) }) && line != "truncate 2B"
	}
	for line, f := range kinds {
		got := headerAfter(parse(t, f, line), request(http.MethodGet), append([]string{"Vary", "Accept", "Set-Cookie", "a=b"}, storable...)...)
		var left []string
		for i := 0; i < len(storable); i += 2 {
			if got.Get(storable[i]) == storable[i+1] {
				left = append(left, storable[i])
			}
		}
		switch {
		case changed(line) && (len(left) > 0 || !slices.Equal(got["Cache-Control"], []string{"no-store"})):
			t.Errorf("%s: got %v, want no-store and none of %v", line, got, left)
		case !changed(line) && len(left) != len(storable)/2:
			t.Errorf("%s: got %v, want all fields as they were", line, slices.Sorted(maps.Keys(got)))
		}
		if got.Get("Vary") != "Accept" || got.Get("Set-Cookie") != "a=b" {
			t.Errorf("%s: got %v, want Vary and Set-Cookie as they were", line, got)
		}
	}
}

// headerAfter returns the header of a reply with these fields and a JSON body after a
// fault. The header has these fields even if the fault writes its own reply, as in
// phase response.
func headerAfter(f faults.Fault, r *http.Request, fields ...string) (header http.Header) {
	w := httptest.NewRecorder()
	header = w.Header()
	for i := 0; i < len(fields); i += 2 {
		header.Set(fields[i], fields[i+1])
	}
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
	}()
	_ = f.Inject(hitOf(r), w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "application/json")
		_, err := w.Write([]byte("true"))
		return err
	}))
	return header
}

// Fields set in the rule override no-store.
func TestUncacheOwn(t *testing.T) {
	for option, want := range map[string]string{
		"header Cache-Control max-age=1":  "max-age=1",
		"header -Cache-Control":           "",
		"header +Cache-Control max-age=1": "no-store, max-age=1",
		"header Expires 0":                "no-store",
	} {
		for line, f := range map[string]interface {
			faults.Fault
			caddyfile.Unmarshaler
		}{"respond 551 {\n": new(Respond), "patch {\n": new(Patch)} {
			got := headerAfter(parse(t, f, line+option+"\n}"), request(http.MethodGet), storable...)
			if value := strings.Join(got["Cache-Control"], ", "); value != want || got.Get("Surrogate-Control") != "" {
				t.Errorf("%s%s: got Cache-Control %q in %v, want %q", line, option, value, got, want)
			}
			if expires := got.Get("Expires"); strings.Contains(option, "Expires") && expires != "0" || !strings.Contains(option, "Expires") && expires != "" {
				t.Errorf("%s%s: got Expires %q", line, option, expires)
			}
		}
	}
}

// Over HTTP/1.0, a cut reply without a length looks whole.
func TestUncacheHTTP10(t *testing.T) {
	for minor, want := range map[int]string{0: "no-store", 1: "max-age=60"} {
		r := request(http.MethodGet)
		r.ProtoMinor = minor
		if got := headerAfter(parse(t, new(Truncate), "truncate 2B"), r, "Cache-Control", "max-age=60").Get("Cache-Control"); got != want {
			t.Errorf("HTTP/1.%d: got %q, want %q", minor, got, want)
		}
	}
}

// In a transport, the reply is the upstream's, and the proxy passes it on.
func TestUncacheRoundTrip(t *testing.T) {
	for line, f := range map[string]interface {
		faults.Fault
		faults.RoundTripper
		caddyfile.Unmarshaler
	}{"respond 404": new(Respond), "grpc 14": new(GRPC), "malformed": new(Malformed)} {
		resp, err := parse(t, f, line).RoundTrip(firstHit(), request(http.MethodGet), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header["Cache-Control"]; !slices.Equal(got, []string{"no-store"}) {
			t.Errorf("%s: got Cache-Control %q, want no-store", line, got)
		}
	}
}
