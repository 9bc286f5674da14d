package e2e

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// tokens is an upstream that sends ten events, each with a write and a flush, as
// server-sent events or as lines of JSON. With ?asked, its events say whether it was asked
// for gzip.
func tokens(w http.ResponseWriter, r *http.Request) {
	format, contentType := "data: %d%s\n\n", "text/event-stream"
	if strings.HasSuffix(r.URL.Path, "ndjson") {
		format, contentType = "{\"n\":%d}%s\n", "application/x-ndjson"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "public, max-age=60")
	packed := ""
	if r.URL.Query().Has("asked") && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		packed = " gzip"
	}
	for i := range 10 {
		fmt.Fprintf(w, format, i+1, packed)
		_ = http.NewResponseController(w).Flush()
	}
}

// event formats the events of tokens with these numbers.
func event(format string, numbers ...int) string {
	var events strings.Builder
	for _, n := range numbers {
		fmt.Fprintf(&events, map[string]string{"sse": "data: %d\n\n", "ndjson": "{\"n\":%d}\n"}[format], n)
	}
	return events.String()
}

// streamCases are faults, the events that are left, and whether the reply breaks off.
var streamCases = []struct {
	lines string
	left  []int
	cut   bool
}{
	{"2 drop\n4- drop", []int{1, 3}, false},
	{"each swap\n5- drop", []int{2, 1, 4, 3}, false},
	{"1 repeat 2\n2 stop clean", []int{1, 1, 1}, false},
	{"2 wait 20ms\n3 stop clean", []int{1, 2}, false},
	{"each split 3B 1ms\n3 stop clean", []int{1, 2}, false},
	{"has 3 stop", []int{1, 2}, true},
	{"end stop", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, true},
}

// TestStreamEvents changes single events over every protocol, in both phases.
func TestStreamEvents(t *testing.T) {
	up := serve(t, tokens)
	var site strings.Builder
	for i, tt := range streamCases {
		for _, phase := range phases {
			fmt.Fprintf(&site, "fault /%d/%s/* {\nphase %s\nstream {\n%s\n}\n}\n", i, phase, phase, tt.lines)
		}
	}
	overEach(t, config{site: site.String() + up.proxy()}, func(t *testing.T, c *client) {
		for i, tt := range streamCases {
			for _, phase := range phases {
				for _, format := range []string{"sse", "ndjson"} {
					path := fmt.Sprintf("/%d/%s/%s", i, phase, format)
					got, err := c.try(c.request(t, "GET", path, nil))
					if want := event(format, tt.left...); tt.cut {
						wantShorter(t, got, err, want)
					} else if err != nil || got.bodyErr != nil || got.body != want {
						t.Errorf("%s %s: got %+v, error %v, want %q", tt.lines, path, got, err, want)
					}
					if err == nil && (got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("X-Fault-Injected") == "") {
						t.Errorf("%s %s: got header %v", tt.lines, path, got.Header)
					}
				}
			}
		}
	})
}

// TestStreamEventsArrive checks that events arrive when they are due, and that the
// client of a stream that hangs ends the request of the upstream.
func TestStreamEventsArrive(t *testing.T) {
	gone := make(chan struct{}, 1)
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		tokens(w, r)
		<-r.Context().Done()
		gone <- struct{}{}
	})
	overEach(t, config{site: "fault {\nstream {\n2 wait 200ms\n3 hang\n}\n}\n" + up.proxy()}, func(t *testing.T, c *client) {
		began := time.Now()
		resp, err := c.Do(c.request(t, "GET", "/sse", nil))
		if err != nil {
			t.Fatal(err)
		}
		events := bufio.NewScanner(resp.Body)
		read := func(want string) {
			t.Helper()
			if !events.Scan() || events.Text() != want {
				t.Fatalf("got %q, error %v, want %q", events.Text(), events.Err(), want)
			}
		}
		read("data: 1")
		read("")
		if took := time.Since(began); took >= 200*time.Millisecond {
			t.Errorf("the first event came after %v", took)
		}
		read("data: 2")
		wantTook(t, began, 200*time.Millisecond)
		_ = resp.Body.Close()
		select {
		case <-gone:
		case <-time.After(patience):
			t.Error("the upstream still sends")
		}
	})
}

// TestStreamEncoded checks that the upstream sends a plain reply, which encode packs
// again. In phase response it is too late to ask for one.
func TestStreamEncoded(t *testing.T) {
	up := serve(t, tokens)
	for _, tt := range []struct {
		encode, phase string
		packed        bool
		want          string
	}{
		{"", "request", false, event("sse", 1)},
		{"encode {\ngzip\nminimum_length 1\n}\n", "request", true, event("sse", 1)},
		{"", "response", false, "data: 1 gzip\n\n"},
	} {
		c := start(t, config{site: tt.encode + "fault {\nphase " + tt.phase + "\nstream 2- drop\n}\n" + up.proxy()}).client(t, h1)
		r := c.request(t, "GET", "/sse?asked", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		got := c.do(t, r)
		body, packed := got.body, got.Header.Get("Content-Encoding") == "gzip"
		if packed {
			unpacked, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(unpacked)
			if err != nil {
				t.Fatal(err)
			}
			body = string(plain)
		}
		if body != tt.want || packed != tt.packed {
			t.Errorf("%q, phase %s: got %q, packed %v, want %q", tt.encode, tt.phase, body, packed, tt.want)
		}
	}
}
