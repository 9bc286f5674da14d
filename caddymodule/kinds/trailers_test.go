package kinds

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// withTrailers sends a reply with one announced trailer and one that is not announced.
func withTrailers(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Trailer", "X-Sum, Grpc-Status")
	_, _ = w.Write([]byte("body"))
	w.Header().Set("X-Sum", "sum")
	w.Header().Set("Grpc-Status", "0")
	w.Header().Set(http.TrailerPrefix+"X-Late", "late")
	return nil
}

func TestTrailers(t *testing.T) {
	for _, tt := range []struct {
		line string
		want map[string][]string
		told string
	}{
		{"trailers drop", map[string][]string{}, "hit"},
		{"trailers drop grpc-status", map[string][]string{"X-Sum": {"sum"}, "X-Late": {"late"}}, "hit"},
		{"trailers drop X-Late X-Sum", map[string][]string{"Grpc-Status": {"0"}}, "hit"},
		{"trailers drop X-Other", map[string][]string{"X-Sum": {"sum"}, "X-Late": {"late"}, "Grpc-Status": {"0"}}, "hit no_trailers"},
		{"trailers set grpc-status 14", map[string][]string{"X-Sum": {"sum"}, "X-Late": {"late"}, "Grpc-Status": {"14"}}, "hit"},
		{"trailers {\ndrop\nset X-New {http.request.header.X-Evil}\nset X-Late never\n}", map[string][]string{"X-New": {"a  b"}, "X-Late": {"never"}}, "hit"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			f, told := parse(t, new(Trailers), tt.line), new(heard)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				r := request(http.MethodGet, "X-Evil", "a\r\nb")
				if err := f.Inject(&faults.Hit{N: 1, Listener: told}, w, r, caddyhttp.HandlerFunc(withTrailers)); err != nil {
					t.Error(err)
				}
			}))
			defer srv.Close()
			resp, err := srv.Client().Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			announced := slices.Collect(maps.Keys(resp.Trailer))
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			body := string(text)
			if body != "body" || !maps.EqualFunc(resp.Trailer, tt.want, slices.Equal) {
				t.Errorf("got %q, trailers %v, want %v", body, resp.Trailer, tt.want)
			}
			for _, name := range announced {
				if f.drops(name) {
					t.Errorf("%s is announced and not sent", name)
				}
			}
			if told.told != tt.told {
				t.Errorf("told %q, want %q", told.told, tt.told)
			}
		})
	}
}

// Trailers are sent after a body that a fault further out replaces.
func TestTrailersOfPatch(t *testing.T) {
	for _, line := range []string{"body gone", "json `{\"a\": 2}`", "pad 1KiB"} {
		chain := faults.Chain{parse(t, new(Patch), "patch {\n"+line+"\n}"), parse(t, new(Trailers), "trailers set X-A b")}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := chain.Inject(firstHit(), w, request(http.MethodGet), sized(`{"a": 1}`, 8, "Content-Type", "application/json")); err != nil {
				t.Error(err)
			}
		}))
		resp, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		srv.Close()
		if err != nil || resp.Trailer.Get("X-A") != "b" || resp.Header.Get("Etag") != "" {
			t.Errorf("%s: got %q, trailers %v, error %v, want the trailer", line, body, resp.Trailer, err)
		}
	}
}

// Replies that cannot have trailers pass unchanged.
func TestTrailersPass(t *testing.T) {
	ended := make(chan struct{})
	close(ended)
	for _, tt := range []struct {
		name, line, method string
		minor, status      int
		length             string
		ended              <-chan struct{}
		told               string
	}{
		{"HEAD", "trailers drop", http.MethodHead, 1, 200, "", nil, "no_body"},
		{"204", "trailers set X-A b", http.MethodGet, 1, 204, "", nil, "no_body"},
		{"101", "trailers set X-A b", http.MethodGet, 1, 101, "", nil, "no_body"},
		{"HTTP/1.0", "trailers set X-A b", http.MethodGet, 0, 200, "", nil, "no_trailers"},
		{"known length", "trailers drop", http.MethodGet, 1, 200, "4", nil, "no_trailers"},
		{"ended", "trailers set X-A b", http.MethodGet, 1, 200, "4", ended, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told := new(heard)
			r := request(tt.method)
			r.ProtoMinor = tt.minor
			r = r.WithContext(withHit(r.Context(), &faults.Hit{N: 1, Listener: told, Ended: tt.ended}))
			resp, err := runFault(t, parse(t, new(Trailers), tt.line), r, func(w http.ResponseWriter, _ *http.Request) error {
				if tt.length != "" {
					w.Header().Set("Content-Length", tt.length)
				}
				w.WriteHeader(tt.status)
				return nil
			})
			if err != nil || resp.StatusCode != tt.status || resp.Header.Get("Content-Length") != tt.length || len(resp.Trailer) > 0 {
				t.Errorf("got %v, error %v, want it unchanged", resp, err)
			}
			if told.told != tt.told {
				t.Errorf("told %q, want %q", told.told, tt.told)
			}
		})
	}
}

// A client may drop trailers by a trigger, but not set them.
func TestTrailersUntrusted(t *testing.T) {
	if err := unmarshal(t, new(Trailers), "trailers drop").Untrusted(new(faults.Limits)); err != nil {
		t.Error(err)
	}
	err := unmarshal(t, new(Trailers), "trailers set Set-Cookie a=b").Untrusted(new(faults.Limits))
	if err == nil || !strings.Contains(err.Error(), "write trailers drop") {
		t.Errorf("got %v", err)
	}
}
