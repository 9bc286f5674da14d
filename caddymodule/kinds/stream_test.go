package kinds

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// A streamCase is what a stream fault makes of a stream.
type streamCase struct {
	lines string // of the fault
	in    string // without the last event's end mark, if it ends with ~
	want  string
	told  string // without the hit; "" for none
	ended string // how the reply ends, if not whole: close or clean
}

// abc is a stream of three events, with a comment before the second.
const abc = "data: a\n\n: ping\n\nevent: m\ndata: b\n\ndata: [DONE]\n\n"

var sseCases = []streamCase{
	{"each wait 1s", abc, abc, "", ""},
	{"2 drop", abc, "data: a\n\n: ping\n\ndata: [DONE]\n\n", "", ""},
	{"2- drop", abc, "data: a\n\n: ping\n\n", "", ""},
	{"1-2 drop", abc, ": ping\n\ndata: [DONE]\n\n", "", ""},
	{"100% drop", abc, ": ping\n\n", "", ""},
	{"has [DONE] drop", abc, "data: a\n\n: ping\n\nevent: m\ndata: b\n\n", "", ""},
	{"event m drop", abc, "data: a\n\n: ping\n\ndata: [DONE]\n\n", "", ""},
	{"event m drop", byteOrderMark + "event: m\ndata: 1\n\n" + byteOrderMark + "event: m\ndata: 2\n\n", byteOrderMark + "event: m\ndata: 2\n\n", "", ""},
	{"comment drop", abc, "data: a\n\nevent: m\ndata: b\n\ndata: [DONE]\n\n", "", ""},
	{"has ping replace \": pong\"", abc, strings.Replace(abc, "ping", "pong", 1), "", ""},
	{"4 drop", abc, abc, "short", ""},
	{"has nothing stop", abc, abc, "short", ""},
	{"1 repeat", abc, "data: a\n\n" + abc, "", ""},
	{"1 repeat 2", abc, "data: a\n\ndata: a\n\n" + abc, "", ""},
	{"1 swap", abc, ": ping\n\nevent: m\ndata: b\n\ndata: a\n\ndata: [DONE]\n\n", "", ""},
	{"each swap", "data: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\ndata: 5\n\n", "data: 2\n\ndata: 1\n\ndata: 4\n\ndata: 3\n\ndata: 5\n\n", "", ""},
	{"each join", abc, ": ping\n\ndata: a\n\nevent: m\ndata: b\n\ndata: [DONE]\n\n", "", ""},
	{"2 insert `data: x`", abc, strings.Replace(abc, "event: m", "data: x\n\nevent: m", 1), "", ""},
	{"1 insert `: hello`", strings.ReplaceAll(abc, "\n", "\r\n"), ": hello\r\n\r\n" + strings.ReplaceAll(abc, "\n", "\r\n"), "", ""},
	{"2 replace \"event: x\ndata: y\"", abc, strings.Replace(abc, "event: m\ndata: b", "event: x\ndata: y", 1), "", ""},
	{"end insert `data: x`", abc, abc + "data: x\n\n", "", ""},
	{"each split", abc, abc, "", ""},
	{"each split 3B", abc, abc, "", ""},
	{"each split utf8", abc, abc, "short", ""},
	{"each split utf8", "data: ä\n\n", "data: ä\n\n", "", ""},
	{"2 hang 3s", abc, abc, "", ""},
	{"2 stop", abc, "data: a\n\n: ping\n\n", "", "close"},
	{"2 stop clean", abc, "data: a\n\n: ping\n\n", "", "clean"},
	{"1 stop", abc, "", "", "close"},
	{"2 cut", abc, "data: a\n\n: ping\n\nevent: m\ndata: b\n", "", "close"},
	{"2 cut clean", strings.ReplaceAll(abc, "\n", "\r\n"), "data: a\r\n\r\n: ping\r\n\r\nevent: m\r\ndata: b\r\n", "", "clean"},
	{"2 cut 4B reset", abc, "data: a\n\n: ping\n\neven", "", "close"},
	{"3 cut 50% clean", "data: 1\n\ndata: 2\n\ndata: 3\n\n", "data: 1\n\ndata: 2\n\ndata", "", "clean"},
	{"each cut utf8 clean", "data: a\n\ndata: ä\n\n", "data: a\n\ndata: \xc3", "", "clean"},
	{"end stop", abc, abc, "", "close"},
	{"1 swap\n2 stop clean", abc, ": ping\n\ndata: a\n\n", "", "clean"},
	{"1 drop\n1 insert `data: x`\n2 drop\n3 stop clean", abc, "data: x\n\n: ping\n\n", "", "clean"},
	{"1 join\n2 insert `data: x`", "data: 1\n\ndata: 2\n\n", "data: 1\n\ndata: x\n\ndata: 2\n\n", "", ""},
	{"1 swap\n2 drop", "data: 1\n\ndata: 2\n\n", "data: 1\n\n", "", ""},
	{"1 repeat\n1 swap", "data: 1\n\ndata: 2\n\n", "data: 2\n\ndata: 1\n\ndata: 1\n\n", "", ""},
	{"2 drop", "data: 1\n\ndata: 2", "data: 1\n\n", "", ""},
	{"2 cut clean", "data: 1\n\ndata: 2", "data: 1\n\ndata: 2", "", "clean"},
	{"2 drop", "\xef\xbb\xbfdata: 1\n\ndata: 2\n\ndata: 3\n\n", "\xef\xbb\xbfdata: 1\n\ndata: 3\n\n", "", ""},
	{"1 drop", "\xef\xbb\xbfdata: 1\n\ndata: 2\n\n", "data: 2\n\n", "", ""},
	{"2 drop", "data: 1\r\rdata: 2\r\rdata: 3\r\r", "data: 1\r\rdata: 3\r\r", "", ""},
	{"2 drop", "data\n\ndata\ndata:\n\ndatas: x\n\ndata:\n\n", "data\n\ndatas: x\n\ndata:\n\n", "", ""}, //nolint:dupword // blocks without a value
	{"max_event 12B\n1- drop", "data: 1\n\ndata: 123456\n\ndata: 3\n\n", "data: 123456\n\n", "too_large", ""},
	{"max_event 12B\n1 swap", "data: 1\n\ndata: 123456\n\ndata: 3\n\n", "data: 1\n\ndata: 123456\n\ndata: 3\n\n", "too_large", ""},
}

var ndjsonCases = []streamCase{
	{"2 drop", "{\"a\":1}\n\n{\"a\":2}\n{\"a\":3}", "{\"a\":1}\n\n{\"a\":3}", "", ""},
	{"3 cut", "1\n2\r\n3\r\n", "1\n2\r\n3", "", "close"},
	{"3 stop clean", "1\n2\n3", "1\n2\n", "", "clean"},
	{"1 insert `{\"x\":0}`", "1\r\n2\r\n", "{\"x\":0}\r\n1\r\n2\r\n", "", ""},
	{"2 insert x", "1\n2\n", "1\nx\n2\n", "", ""},
	{"comment drop", "1\n\n2\n", "1\n\n2\n", "short", ""},
	{"event m drop", "event: m\n", "event: m\n", "short", ""},
}

var lineCases = []streamCase{
	{"2 drop", "1\n\n2\n", "1\n2\n", "", ""},
	{"each repeat", "1\n2", "1\n1\n22", "", ""},
}

var seqCases = []streamCase{
	{"2 drop", "\x1e{\"a\":\n1}\n\x1e[\"\\\"]\",2]\n\x1e3\n", "\x1e{\"a\":\n1}\n\x1e3\n", "", ""},
	{"1 cut clean", "\x1e{}\n\x1e[]\n", "\x1e{}", "", "clean"},
	{"2 insert 7", "\x1e1\n\x1e2\n", "\x1e1\n\x1e7\n\x1e2\n", "", ""},
	{"2 drop", "\x1e{\"half\": \x1e{}\n\x1e3\n", "\x1e{\"half\": \x1e3\n", "", ""},
	{"1 drop", "\x1e\x1e1\n\n\x1e2\n", "\x1e\n\x1e2\n", "", ""},
	{"1 drop", "{}\n{}\n", "{}\n{}\n", "short", ""}, // without a separator, nothing is a text
}

var grpcCases = []streamCase{
	{"2 drop", messages("a", "bb", "ccc"), messages("a", "ccc"), "", ""},
	{"1 repeat", messages("a", ""), messages("a", "a", ""), "", ""},
	{"1 swap", messages("a", "b"), messages("b", "a"), "", ""},
	{"2 cut 6B", messages("a", "bb"), messages("a") + messages("bb")[:6], "", "close"},
	{"2 stop clean", messages("a", "b"), messages("a"), "", "clean"},
	{"has bb drop", messages("a", "bb", "c"), messages("a", "c"), "", ""},
	{"1 insert x\n1 replace x", messages("a"), messages("a"), "short", ""},
	{"2 drop", messages("a") + "\x00\x00", messages("a") + "\x00\x00", "short", ""},
}

var webCases = []streamCase{
	{"each drop", messages("a") + string(envelope(webTrailers, []byte("grpc-status: 0\r\n"))), string(envelope(webTrailers, []byte("grpc-status: 0\r\n"))), "", ""},
	{"2 swap", messages("a", "b") + string(envelope(webTrailers, []byte("grpc-status: 0\r\n"))), messages("a", "b") + string(envelope(webTrailers, []byte("grpc-status: 0\r\n"))), "", ""},
	{"2 stop UNAVAILABLE busy", messages("a", "b"), messages("a") + string(envelope(webTrailers, []byte("grpc-status: 14\r\ngrpc-message: busy\r\n"))), "", "clean"},
}

var connectCases = []streamCase{
	{"end stop 14", messages("a") + string(envelope(connectEnd, []byte("{}"))), messages("a") + string(envelope(connectEnd, []byte(`{"error":{"code":"unavailable"}}`))), "", "clean"},
	{"end stop", messages("a") + string(envelope(connectEnd, []byte("{}"))), messages("a"), "", "close"},
	{"1 join", messages("a") + string(envelope(connectEnd, []byte("{}"))), messages("a") + string(envelope(connectEnd, []byte("{}"))), "", ""},
	{"max_event 10B\n1 swap", messages("a") + string(envelope(connectEnd, []byte(`{"metadata":{}}`))), messages("a") + string(envelope(connectEnd, []byte(`{"metadata":{}}`))), "too_large", ""},
	{"end wait 1s", messages("a") + string(envelope(connectEnd, []byte("{}"))), messages("a") + string(envelope(connectEnd, []byte("{}"))), "", ""},
	{"has err drop", messages("err") + string(envelope(connectEnd, []byte(`{"error":{}}`))), string(envelope(connectEnd, []byte(`{"error":{}}`))), "", ""},
	{"has x drop", string(envelope(grpcCompressed, []byte("x"))), string(envelope(grpcCompressed, []byte("x"))), "encoded short", ""},
	{"2 stop 14 busy", messages("a", "b"), messages("a") + string(envelope(connectEnd, []byte(`{"error":{"code":"unavailable","message":"busy"}}`))), "", "clean"},
	{"2 stop OK", messages("a", "b"), messages("a") + string(envelope(connectEnd, []byte("{}"))), "", "clean"},
}

// A stream of gRPC ends with the status of the step. The trailers of the upstream are
// dropped.
func TestStreamStatus(t *testing.T) {
	for line, want := range map[string][]string{
		"stream 2 stop UNAVAILABLE \"a b\"": {"14", "a b", messages("1")},
		"stream 2 stop OK":                  {"0", "", messages("1")},
		"stream end stop 8":                 {"8", "", messages("1", "2")},
	} {
		got := runShaped(parse(t, new(Stream), line), request(http.MethodGet), func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
			if _, err := w.Write([]byte(messages("1", "2"))); err != nil {
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("Grpc-Status", "0")
			w.Header().Set("Grpc-Message", "fine")
			return nil
		})
		trailer := got.Result().Trailer
		if trailer.Get("Grpc-Status") != want[0] || trailer.Get("Grpc-Message") != want[1] || got.Body.String() != want[2] || got.aborted {
			t.Errorf("%s: got trailer %v, body %q, aborted %v", line, trailer, got.Body, got.aborted)
		}
	}
}

// A code of gRPC does not end another stream.
func TestStreamStatusElsewhere(t *testing.T) {
	got := runShaped(parse(t, new(Stream), "stream 1 stop UNAVAILABLE"), request(http.MethodGet), sender("1\n", 5, "Content-Type", "application/jsonl"))
	if got.Body.String() != "1\n" || got.told != "hit short" || got.aborted {
		t.Errorf("got %q, reported %q, aborted %v", got.Body, got.told, got.aborted)
	}
}

// TestStream checks what the steps do, however the stream is cut into writes.
func TestStream(t *testing.T) {
	for contentType, cases := range map[string][]streamCase{
		"text/event-stream; charset=utf-8": sseCases, "application/x-ndjson": ndjsonCases,
		"application/grpc+proto": grpcCases, "application/grpc-web": webCases, "application/connect+json": connectCases,
		"application/json-seq": seqCases, "application/geo+json-seq": seqCases[:2], "text/plain": lineCases,
	} {
		for _, tt := range cases {
			t.Run(contentType+" "+tt.lines, func(t *testing.T) {
				lines := tt.lines
				if contentType == "text/plain" {
					lines = "format lines\n" + lines
				}
				f := parse(t, new(Stream), "stream {\n"+lines+"\n}")
				for _, piece := range []int{1, 2, 3, 7, 1000} {
					synctest.Test(t, func(t *testing.T) { tt.check(t, f, sender(tt.in, piece, "Content-Type", contentType)) })
				}
			})
		}
	}
}

func (tt *streamCase) check(t *testing.T, f *Stream, next caddyhttp.HandlerFunc) {
	t.Helper()
	tt.checkFor(t, f, request(http.MethodGet), next)
}

// checkFor is check for a request.
func (tt *streamCase) checkFor(t *testing.T, f *Stream, r *http.Request, next caddyhttp.HandlerFunc) {
	t.Helper()
	got := runShaped(f, r, next)
	if got.Body.String() != tt.want || got.err != nil {
		t.Errorf("got %q, error %v, want %q", got.Body, got.err, tt.want)
	}
	if got.aborted != (tt.ended == "close") {
		t.Errorf("aborted: got %v, want %v", got.aborted, tt.ended)
	}
	if told := strings.TrimSpace("hit " + tt.told); got.told != told {
		t.Errorf("reported %q, want %q", got.told, told)
	}
}

// TestStreamTimes checks when the events go out.
func TestStreamTimes(t *testing.T) {
	for _, tt := range []struct{ lines, want string }{
		{"2 wait 1s", "0s:9 1s:9 1s:9"},
		{"each wait 1s", "1s:9 2s:9 3s:9"},
		{"2- wait 500ms\n3 wait 500ms", "0s:9 500ms:9 1.5s:9"},
		{"2 hang 1m", "0s:9 1m0s:9 1m0s:9"},
		{"2 split", "0s:9 0s:4 10ms:5 10ms:9"},
		{"2 split 4B 1s", "0s:9 0s:4 1s:4 2s:1 2s:9"},
		{"1 join", "0s:18 0s:9"},
		{"2 insert `: x`\n2 wait 1s", "0s:9 0s:5 1s:9 1s:9"},
		{"2 wait 1s\n2 insert `: x`", "0s:9 1s:5 1s:9 1s:9"},
		{"end wait 1s\nend insert `: x`", "0s:9 0s:9 0s:9 1s:5"},
	} {
		t.Run(tt.lines, func(t *testing.T) {
			f := parse(t, new(Stream), "stream {\n"+tt.lines+"\n}")
			for _, piece := range []int{3, 9} {
				synctest.Test(t, func(t *testing.T) {
					tw := &timedWriter{start: time.Now()}
					if err := f.Inject(firstHit(), tw, request(http.MethodGet), sender("data: 1\n\ndata: 2\n\ndata: 3\n\n", piece, "Content-Type", "text/event-stream")); err != nil {
						t.Fatal(err)
					}
					if got := merged(tw.pieces, piece); got != tt.want {
						t.Errorf("in pieces of %d: got %s, want %s", piece, got, tt.want)
					}
				})
			}
		})
	}
}

// merged formats the pieces. It merges pieces that pass unheld, because they are as large
// as the sender writes.
func merged(pieces []timedPiece, size int) string {
	var parts []string
	for i := 0; i < len(pieces); i++ {
		piece := pieces[i]
		for size == 3 && pieces[i].size == size && piece.size < 9 && i+1 < len(pieces) {
			i++
			piece.size += pieces[i].size
		}
		parts = append(parts, fmt.Sprintf("%v:%d", piece.at, piece.size))
	}
	return strings.Join(parts, " ")
}

// A wait counts from when the last event was due, or from when its own event came.
func TestStreamTimetable(t *testing.T) {
	const late = 5 * time.Millisecond // how late each timer fires
	for _, tt := range []struct {
		name   string
		pauses time.Duration // of the sender
		want   time.Duration // of 1,000 events
	}{
		{"the sender is ready", 0, 1000*20*time.Millisecond + late},
		{"the sender is slow", 30 * time.Millisecond, 1000 * (20 + 30) * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			var times timetable
			start := time.Now()
			for range 1000 {
				times.resume()
				time.Sleep(max(0, times.next(20*time.Millisecond)) + late)
				times.pause()
				time.Sleep(max(0, tt.pauses-late))
			}
			if took := time.Since(start); (took - tt.want).Abs() > 50*time.Millisecond {
				t.Errorf("%s: took %v, want %v", tt.name, took, tt.want)
			}
		})
	}
}

// A reply that is not a stream passes unchanged.
func TestStreamPasses(t *testing.T) {
	for _, tt := range []struct {
		method string
		code   int
		header []string
		want   string
	}{
		{"GET", 200, []string{"Content-Type", "application/json"}, passNoStream},
		{"GET", 200, nil, passNoStream},
		{"GET", 200, []string{"Content-Type", "text/event-stream", "Content-Length", "0"}, passNoStream},
		{"HEAD", 200, []string{"Content-Type", "text/event-stream"}, passNoStream},
		{"GET", 204, []string{"Content-Type", "text/event-stream"}, passNoStream},
		{"GET", 304, []string{"Content-Type", "text/event-stream"}, passNoStream},
		{"GET", 101, []string{"Content-Type", "text/event-stream"}, passNoStream},
		{"GET", 200, []string{"Content-Type", "text/event-stream", "Content-Encoding", "gzip"}, passEncoded},
		{"GET", 206, []string{"Content-Type", "text/event-stream", "Content-Range", "bytes 0-3/9"}, passPartial},
	} {
		got := runShaped(parse(t, new(Stream), "stream each drop"), request(tt.method), func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Etag", `"1"`)
			for i := 0; i < len(tt.header); i += 2 {
				w.Header().Set(tt.header[i], tt.header[i+1])
			}
			w.WriteHeader(tt.code)
			return nil
		})
		if got.told != tt.want || got.Header().Get("Etag") == "" || got.Header().Get("Cache-Control") != "" || got.aborted {
			t.Errorf("%s %d %v: reported %q, want %q; header %v", tt.method, tt.code, tt.header, got.told, tt.want, got.Header())
		}
	}
}

// The head of a changed stream fits any events.
func TestStreamHead(t *testing.T) {
	got := runShaped(parse(t, new(Stream), "stream 1 drop"), request(http.MethodGet),
		sized("1\n2\n", 2, "Content-Type", "application/x-ndjson", "Etag", "x", "Cache-Control", "public", "X-Other", "x"))
	h := got.Result().Header
	if h.Get("Content-Length") != "" || h.Get("Etag") != "" || h.Get("Cache-Control") != "no-store" || h.Get("X-Other") != "x" || h.Get("X-Hit") == "" {
		t.Errorf("got header %v", h)
	}
}

// The upstream is asked for a reply without compression, and the client's request does
// not change.
func TestStreamAsksPlainly(t *testing.T) {
	r, asked := request(http.MethodGet, "Accept-Encoding", "gzip"), ""
	runShaped(parse(t, new(Stream), "stream 1 drop"), r, func(_ http.ResponseWriter, r *http.Request) error {
		asked = r.Header.Get("Accept-Encoding")
		return nil
	})
	if asked != "identity" || r.Header.Get("Accept-Encoding") != "gzip" {
		t.Errorf("the upstream is asked for %q, and the request has %q", asked, r.Header.Get("Accept-Encoding"))
	}
}

// The draws of a step repeat with the draw of the hit.
func TestStreamChance(t *testing.T) {
	var events strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&events, "%d\n", i)
	}
	f, first := parse(t, new(Stream), "stream 10% drop"), ""
	for range 2 {
		got := runShaped(f, request(http.MethodGet), sender(events.String(), 7, "Content-Type", "application/x-ndjson"))
		if left := strings.Count(got.Body.String(), "\n"); left < 850 || left > 950 {
			t.Errorf("got %d events, want about 900", left)
		}
		if first == "" {
			first = got.Body.String()
		}
		if got.Body.String() != first {
			t.Error("other events were dropped than the first time")
		}
	}
}

// Placeholders are filled. A value in JSON stays in its string, and elsewhere in its line.
func TestStreamPlaceholders(t *testing.T) {
	for event, want := range map[string]string{
		"data: {\"q\": \"{http.request.header.Q}\"}": "data: {\"q\": \"a\\\"\\nb\"}\n\n",
		"data: <{http.request.header.Q}>":            "data: <a\" b>\n\n",
	} {
		f := parse(t, new(Stream), "stream 1 replace `"+event+"`")
		r := request(http.MethodGet)
		text.Replacer(r).Set("http.request.header.Q", "a\"\nb")
		got := runShaped(f, r, sender("data: 1\n\n", 100, "Content-Type", "text/event-stream"))
		if got.Body.String() != want {
			t.Errorf("%s: got %q, want %q", event, got.Body, want)
		}
	}
}

// A halt releases what is held, and the rest passes.
func TestStreamEnded(t *testing.T) {
	const in = "data: 1\n\ndata: 2\n\ndata: 3\n\n"
	for _, line := range []string{"2 wait 1h", "2 hang", "2 hang 1h", "1 swap", "1 join", "2- split 1B 1h", "each drop", "has 3 drop"} {
		synctest.Test(t, func(t *testing.T) {
			start, ended := time.Now(), make(chan struct{})
			time.AfterFunc(time.Second, func() { close(ended) })
			r := request(http.MethodGet)
			r = r.WithContext(withHit(r.Context(), &faults.Hit{N: 1, Ended: ended}))
			var came time.Duration
			got := runShaped(parse(t, new(Stream), "stream "+line), r, func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("Content-Type", "text/event-stream")
				_, err := w.Write([]byte(in[:12]))
				if err == nil && strings.HasPrefix(line, "1 ") {
					_, _ = w.Write([]byte(in[12:14])) // a part of the second event
					time.Sleep(time.Minute)
					_, err = w.Write([]byte(in[14:]))
					return err
				}
				time.Sleep(2 * time.Second)
				_, err = w.Write([]byte(in[12:]))
				came = time.Since(start)
				return err
			})
			if got.aborted || got.err != nil || came > 3*time.Second {
				t.Errorf("%s: aborted %v, error %v, after %v", line, got.aborted, got.err, came)
			}
			if want := in; line != "each drop" && got.Body.String() != want {
				t.Errorf("%s: got %q, want %q", line, got.Body, want)
			}
		})
	}
}

// What is held goes out when the fault ends, even if the sender is silent.
func TestStreamEndedWhileSilent(t *testing.T) {
	for line, want := range map[string]int{"1 swap": 18, "1 join": 18, "3 drop": 18, "has x drop": 23} {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan struct{})
			time.AfterFunc(time.Second, func() { close(ended) })
			tw := &timedWriter{start: time.Now()}
			err := parse(t, new(Stream), "stream "+line).Inject(&faults.Hit{N: 1, Ended: ended}, tw, request(http.MethodGet), caddyhttp.HandlerFunc(
				func(w http.ResponseWriter, _ *http.Request) error {
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = w.Write([]byte("data: 1\n\n"))
					if want > 18 {
						_, _ = w.Write([]byte("data: 2\n\ndata:"))
					}
					time.Sleep(time.Minute)
					if want == 18 {
						_, _ = w.Write([]byte("data: 2\n\n"))
					}
					return nil
				}))
			total := 0
			for _, piece := range tw.pieces {
				total += piece.size
			}
			last := tw.pieces[min(len(tw.pieces)-1, 1)]
			if err != nil || total != want || line == "has x drop" && last.at != 0 && last.at != time.Second {
				t.Errorf("%s: error %v, got %v, want %d bytes", line, err, tw.pieces, want)
			}
			if strings.HasPrefix(line, "1 ") && tw.pieces[0].at != time.Second {
				t.Errorf("%s: the event was released after %v", line, tw.pieces[0].at)
			}
		})
	}
}

// A stream that breaks off in an event loses nothing of it.
func TestStreamBreaksOff(t *testing.T) {
	for _, line := range []string{"each wait 1s", "1 swap", "has x drop"} {
		synctest.Test(t, func(t *testing.T) {
			got := runShaped(parse(t, new(Stream), "stream "+line), request(http.MethodGet), func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = w.Write([]byte("data: 1\n\ndata: 2"))
				panic(http.ErrAbortHandler)
			})
			if got.Body.String() != "data: 1\n\ndata: 2" || !got.aborted || !got.Flushed {
				t.Errorf("%s: got %q, aborted %v, flushed %v", line, got.Body, got.aborted, got.Flushed)
			}
		})
	}
}

// A cut further in breaks the stream off. What an outer stream holds goes out.
func TestStreamComposes(t *testing.T) {
	for _, tt := range []struct {
		chain   faults.Chain
		want    string
		aborted bool
	}{
		{faults.Chain{parse(t, new(Stream), "stream 2 drop"), parse(t, new(Truncate), "truncate 20B")}, "data: 1\n\nda", true},
		{faults.Chain{parse(t, new(Truncate), "truncate 5B clean"), parse(t, new(Stream), "stream 1 drop"), parse(t, new(Truncate), "truncate 7B")}, "data:", false},
		{faults.Chain{parse(t, new(Stream), "stream each drop"), parse(t, new(Stream), "stream 2 stop clean")}, "", false},
		{faults.Chain{parse(t, new(Stream), "stream 2 drop"), parse(t, new(Stream), "stream 1 drop")}, "data: 2\n\n", false},
		{faults.Chain{parse(t, new(Stream), "stream 1 drop"), parse(t, new(Stream), "stream 2 drop")}, "data: 3\n\n", false},
		{faults.Chain{parse(t, new(Stream), "stream end insert `data: x`"), parse(t, new(Stream), "stream 2 stop clean")}, "data: 1\n\ndata: x\n\n", false},
		{faults.Chain{parse(t, new(Stream), "stream end insert `data: x`"), parse(t, new(Stream), "stream 2 stop")}, "data: 1\n\n", true},
	} {
		got := runShaped(tt.chain, request(http.MethodGet), sender("data: 1\n\ndata: 2\n\ndata: 3\n\n", 5, "Content-Type", "text/event-stream"))
		if got.Body.String() != tt.want || got.aborted != tt.aborted || got.err != nil {
			t.Errorf("%v: got %q, aborted %v, error %v, want %q", tt.chain, got.Body, got.aborted, got.err, tt.want)
		}
	}
}

// A trigger can ask for a step without a text, whose waits end in time.
func TestStreamUntrusted(t *testing.T) {
	const limit = time.Minute
	for _, tt := range []struct {
		line string
		left time.Duration // of the limit; -1 if refused
		open bool
	}{
		{"stream 5 stop close", limit, false},
		{"stream has [DONE] drop", limit, false},
		{"stream 2 wait 10s", 50 * time.Second, false},
		{"stream 2 wait lognormal 1s 1", 0, false},
		{"stream 2 wait 2m", -1, false},
		{"stream each wait 10s", limit, true},
		{"stream 2 hang 20s", 40 * time.Second, false},
		{"stream 2 hang", 0, false},
		{"stream 2- hang", limit, true},
		{"stream each split 1B", limit, true},
		{"stream each split 2MiB", -1, false},
		{"stream 2 cut 2MiB", -1, false},
		{"stream 2 repeat 100", limit, false},
		{"stream 2 repeat 101", -1, false},
		{"stream 2 stop UNAVAILABLE", limit, false},
		{"stream 2 stop UNAVAILABLE busy", -1, false},
		{"stream 2 insert x", -1, false},
		{"stream 2 replace x", -1, false},
		{"stream 2 drop {\nformat lines\n}", -1, false},
		{"stream 2 drop {\nmax_event 2MiB\n}", -1, false},
	} {
		f := parse(t, new(Stream), tt.line)
		l := &faults.Limits{Time: limit}
		err := f.Untrusted(l)
		switch {
		case (err != nil) != (tt.left < 0):
			t.Errorf("%s: got error %v", tt.line, err)
		case err == nil && (l.Time != tt.left || l.OpenEnded != tt.open):
			t.Errorf("%s: %v is left, open %v, want %v, open %v", tt.line, l.Time, l.OpenEnded, tt.left, tt.open)
		}
	}
}

// A hang of a trigger ends in time, and the rest of the stream passes.
func TestStreamUntrustedHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := unmarshal(t, new(Stream), "stream 2 hang")
		if err := f.Validate(); err != nil {
			t.Fatal(err)
		}
		if err := f.Untrusted(&faults.Limits{Time: time.Minute}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		got := runShaped(provision(t, f), request(http.MethodGet), sender(abc, 5, "Content-Type", "text/event-stream"))
		if took := time.Since(start); took != time.Minute || got.Body.String() != abc {
			t.Errorf("took %v, got %q", took, got.Body)
		}
	})
}

// JSON that a Caddyfile cannot say is refused with the names of the fields.
func TestStreamRefusesJSON(t *testing.T) {
	for steps, want := range map[string]string{
		`[null]`:               "step 1 of stream is null",
		`[{"action": "drop"}]`: "has no events",
		`[{"events": "1", "has": "x", "action": "drop"}]`: "both events and has",
		`[{"events": "1"}]`: "bad stream action ''",
		`[{"events": "1", "action": "drop", "text": "x"}]`:                            "stream drop takes no text",
		`[{"events": "1", "action": "repeat", "count": -1}]`:                          "count '-1'",
		`[{"events": "1", "action": "split", "size": -1}]`:                            "size '-1'",
		`[{"events": "1", "action": "split", "at": "utf16"}]`:                         "at 'utf16'",
		`[{"events": "1", "action": "split", "gap": -1}]`:                             "gap '-1ns'",
		`[{"events": "1", "action": "hang", "duration": -1}]`:                         "duration '-1ns'",
		`[{"events": "1", "action": "cut", "percent": 100}]`:                          "percent '100'",
		`[{"events": "1", "action": "stop", "end": "close", "code": "14"}]`:           "both code 14 and end close",
		`[{"events": "1", "action": "stop", "text": "x"}]`:                            "a text without a code",
		`[{"events": "1", "action": "stop", "code": "17"}]`:                           "code '17'",
		`[{"events": "1", "action": "stop", "end": "abort"}]`:                         "end 'abort'",
		`[{"events": "1", "action": "wait", "delay": {"duration": 1, "hold": true}}]`: "has no at_least, at_most or hold",
	} {
		f := new(Stream)
		if err := json.Unmarshal([]byte(`{"steps": `+steps+`}`), f); err != nil {
			t.Fatal(err)
		}
		if err := f.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", steps, err, want)
		}
	}
	for _, f := range []*Stream{{Steps: []*StreamStep{{Events: "1", Action: "drop"}}, MaxEvent: -1}, {Steps: []*StreamStep{{Events: "1", Action: "drop"}}, Format: "xml"}} {
		if err := f.Validate(); err == nil {
			t.Errorf("%+v is not refused", f)
		}
	}
}

// A huge event is not held, whatever its format, and its stream goes on.
func TestStreamHugeEvent(t *testing.T) {
	in := "data: 1\n\ndata: " + strings.Repeat("x", 10<<20) + "\n\ndata: 3\n\n"
	got := runShaped(parse(t, new(Stream), "stream each repeat"), request(http.MethodGet), sender(in, 32<<10, "Content-Type", "text/event-stream"))
	if got.Body.String() != "data: 1\n\n"+in+"data: 3\n\n" || got.told != "hit too_large" {
		t.Errorf("got %d bytes, reported %q", got.Body.Len(), got.told)
	}
	r := &streamer{f: new(Stream), frames: new(sseFrames)}
	o := &outlet{Writer: io.Discard, ctx: t.Context(), hit: firstHit()}
	r.f.Steps = []*StreamStep{{Has: "y"}}
	for range 320 {
		if _, err := r.write(o, make([]byte, 32<<10)); err != nil || cap(r.held) > 2<<20 {
			t.Fatalf("%d bytes are held, error %v", cap(r.held), err)
		}
	}
}
