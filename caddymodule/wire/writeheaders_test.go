package wire

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Writers that do something with a head, and some that do not.
type (
	embedsWrapper struct {
		*caddyhttp.ResponseWriterWrapper
	}
	embedsStruct struct {
		caddyhttp.ResponseWriterWrapper
	}
	embedsInterface struct{ http.ResponseWriter }
	embedsTwice     struct{ *embedsWrapper }
	ownOnPointer    struct{ http.ResponseWriter }
	ownOnValue      struct{ http.ResponseWriter }
	ownWithin       struct{ *ownOnPointer }
	noStruct        func(code int)
)

func (w *ownOnPointer) WriteHeader(code int) { w.ResponseWriter.WriteHeader(code + 1) }
func (w ownOnValue) WriteHeader(code int)    { w.ResponseWriter.WriteHeader(code + 1) }

func (noStruct) Header() http.Header         { return nil }
func (noStruct) Write(p []byte) (int, error) { return len(p), nil }
func (w noStruct) WriteHeader(code int)      { w(code) }

// Only a writer whose WriteHeader is that of Caddy's wrapper is skipped.
func TestHandsOn(t *testing.T) {
	var fromServer http.ResponseWriter
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fromServer = w }))
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	recorder := caddyhttp.NewResponseRecorder(httptest.NewRecorder(), nil, nil)
	for _, tt := range []struct {
		name string
		w    http.ResponseWriter
		want bool
	}{
		{"Caddy's wrapper", &embedsWrapper{}, true},
		{"Caddy's wrapper as a struct", &embedsStruct{}, true},
		{"the wrapper itself", &caddyhttp.ResponseWriterWrapper{}, true},
		{"within another", &embedsTwice{}, true},
		{"within another, no pointer", embedsTwice{}, true},
		{"an interface", &embedsInterface{}, false},
		{"one that does something, within another", &ownWithin{}, false},
		{"net/http", fromServer, true},
		{"a method of a pointer", &ownOnPointer{}, false},
		{"a method of a struct", &ownOnValue{}, false},
		{"a struct", ownOnValue{}, false},
		{"no struct", noStruct(nil), false},
		{"Caddy's recorder", recorder, false},
		{"a HeadWriter", &HeadWriter{}, false},
	} {
		if got := handsOn(reflect.TypeOf(tt.w)); got != tt.want {
			t.Errorf("%s, %T: got %v, want %v", tt.name, tt.w, got, tt.want)
		}
	}
}
