package kinds

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A scanned is an event that a frame reader has found.
type scanned struct {
	text  string
	whole bool
	count bool
}

// scanAll reads a stream. With cuts, it arrives in random pieces.
func scanAll(t testing.TB, f frames, in string, cuts *rand.Rand) (events []scanned) {
	t.Helper()
	var event, interrupted strings.Builder
	for rest := []byte(in); len(rest) > 0; {
		part := rest
		if cuts != nil {
			part = rest[:1+cuts.IntN(min(9, len(rest)))]
		}
		rest = rest[len(part):]
		for len(part) > 0 {
			if nested, ok := f.(nestedFrames); ok && event.Len() > 0 && nested.interrupts(part[0]) {
				interrupted.WriteString(event.String())
				event.Reset()
			}
			n, whole := f.scan(part)
			if n == 0 && event.Len() == 0 {
				t.Fatalf("%q: an event of no bytes", part)
			}
			event.Write(part[:n])
			if part = part[n:]; whole {
				events = append(events, scanned{event.String(), true, f.counts()})
				event.Reset()
				event.WriteString(interrupted.String())
				interrupted.Reset()
			}
		}
	}
	for _, part := range []string{interrupted.String(), event.String()} {
		if part != "" {
			events = append(events, scanned{part, false, f.counts()})
		}
	}
	return events
}

func texts(events []scanned) (all []string) {
	for _, event := range events {
		all = append(all, event.text)
	}
	return all
}

var streamSeeds = []string{
	abc, "data: 1\r\n\r\ndata: 2\r\r\n\n", "\xef\xbb\xbfdata\n\n", "\xef\xbbdata\n\n", "\n\n\r\r", "data: 1\r\n\r\r\ndata: 2\r\n\r",
	"1\n2\r\n3", "\n \r\n\t\n{}", "\x1e{}\n\x1e[\n]\n", "\x1e\"\\\"\n\"\n\x1e\x1e{\x1e1\n", "{}\n",
}

// fuzzFrames feeds random streams to the reader of a format. Its events are the whole
// stream, whatever the pieces in which the stream arrives. A fault without a fitting step
// does not change the stream.
func fuzzFrames(f *testing.F, name string, check func(t *testing.T, in string, events []scanned)) {
	for _, seed := range streamSeeds {
		f.Add(seed, uint64(1))
	}
	f.Fuzz(func(t *testing.T, in string, seed uint64) {
		format := findFormat(name, nil)
		events := scanAll(t, format.read(), in, nil)
		if got := strings.Join(texts(events), ""); got != in {
			t.Fatalf("got %q, want %q", got, in)
		}
		if pieces := scanAll(t, format.read(), in, rand.New(rand.NewPCG(seed, 0))); !slices.Equal(events, pieces) {
			t.Fatalf("got events %+v, in pieces %+v", events, pieces)
		}
		check(t, in, events)
		for _, step := range []*StreamStep{{Events: "1000000", Action: "drop"}, {Has: "no event has this text", Action: "drop"}} {
			fault := provision(t, &Stream{Steps: []*StreamStep{step}, Format: name})
			got := runShaped(fault, request(http.MethodGet), sender(in, 1+int(seed%9)))
			if got.Body.String() != in || got.err != nil || got.aborted {
				t.Fatalf("got %q, error %v, aborted %v, want %q", got.Body, got.err, got.aborted, in)
			}
		}
	})
}

// FuzzSSE compares the events with those of a plain parser that follows the HTML
// standard: each block is parsed alone, and dispatches what it does in the stream.
func FuzzSSE(f *testing.F) {
	fuzzFrames(f, formatSSE, func(t *testing.T, in string, events []scanned) {
		var dispatched []string
		for i, event := range events {
			got := dispatch(event.text, i == 0)
			if len(got) > 1 || event.whole && (len(got) == 1) != event.count {
				t.Fatalf("%q dispatches %q, and counts: %v", event.text, got, event.count)
			}
			dispatched = append(dispatched, got...)
		}
		if want := dispatch(in, true); !slices.Equal(dispatched, want) {
			t.Fatalf("%q: got %q, want %q", in, dispatched, want)
		}
	})
}

// dispatch returns the data of the events in a stream.
func dispatch(stream string, begins bool) (all []string) {
	if begins {
		stream = strings.TrimPrefix(stream, byteOrderMark)
	}
	stream = strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(stream, "\n")
	var data []string
	for _, line := range lines[:len(lines)-1] {
		field, value, _ := strings.Cut(line, ":")
		switch {
		case line == "" && data != nil:
			all = append(all, strings.Join(data, "\n"))
			data = nil
		case field == "data":
			data = append(data, strings.TrimPrefix(value, " "))
		}
	}
	return all
}

// FuzzNDJSON compares the events with the lines of the stream.
func FuzzNDJSON(f *testing.F) {
	fuzzFrames(f, "ndjson", func(t *testing.T, in string, events []scanned) {
		checkLines(t, in, events, func(line string) bool { return strings.Trim(line, " \t\r\n") != "" })
	})
}

// FuzzGRPC compares the events with the messages that a plain parser finds.
func FuzzGRPC(f *testing.F) {
	f.Add(messages("one", "", "three"), uint64(1))
	f.Add("\x80\x00\x00\x00\x01x\x02\x00\x00\x00\x00\x00\x00\x00", uint64(2))
	f.Add("\x00\xff\xff\xff\xffx", uint64(3))
	fuzzFrames(f, formatGRPC, func(t *testing.T, in string, events []scanned) {
		var want []scanned
		for rest := in; rest != ""; {
			size := len(rest)
			whole := len(rest) >= 5 && uint64(len(rest)-5) >= uint64(binary.BigEndian.Uint32([]byte(rest[1:5])))
			if whole {
				size = 5 + int(binary.BigEndian.Uint32([]byte(rest[1:5])))
			}
			want = append(want, scanned{rest[:size], whole, len(rest) >= 5 && rest[0]&0x82 == 0})
			rest = rest[size:]
		}
		if !slices.Equal(events, want) {
			t.Fatalf("got %+v, want %+v", events, want)
		}
	})
}

// messages returns a stream of gRPC messages.
func messages(texts ...string) string {
	var stream []byte
	for _, text := range texts {
		stream = append(stream, envelope(0, []byte(text))...)
	}
	return string(stream)
}

// FuzzLines compares the events with the lines of the stream.
func FuzzLines(f *testing.F) {
	fuzzFrames(f, "lines", func(t *testing.T, in string, events []scanned) {
		checkLines(t, in, events, func(string) bool { return true })
	})
}

func checkLines(t *testing.T, in string, events []scanned, counts func(line string) bool) {
	t.Helper()
	var want []scanned
	for line := range strings.Lines(in) {
		want = append(want, scanned{line, strings.HasSuffix(line, "\n"), counts(line)})
	}
	if !slices.Equal(events, want) {
		t.Fatalf("got %+v, want %+v", events, want)
	}
}

// FuzzJSONSeq compares the events of a valid sequence with its values.
func FuzzJSONSeq(f *testing.F) {
	fuzzFrames(f, "json-seq", func(t *testing.T, in string, events []scanned) {
		records := strings.Split(in, "\x1e")
		for _, record := range records[1:] {
			if !json.Valid([]byte(record)) || !strings.HasSuffix(strings.TrimRight(record, " \t\r"), "\n") {
				return
			}
		}
		var got []string
		for _, event := range events {
			if event.count {
				got = append(got, strings.TrimSpace(event.text[strings.Index(event.text, "\x1e")+1:]))
			}
		}
		var want []string
		for _, record := range records[1:] {
			want = append(want, strings.TrimSpace(record))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q: got %q, want %q", in, got, want)
		}
	})
}

// The format follows the media type, unless it is configured.
func TestFindFormat(t *testing.T) {
	for _, tt := range []struct{ name, contentType, want string }{
		{"", "text/event-stream", "sse"},
		{"", "TEXT/Event-Stream; charset=utf-8", "sse"},
		{"", "application/jsonl", "ndjson"},
		{"", "application/geo+json-seq", "json-seq"},
		{"", "application/stream+json", "ndjson"},
		{"", "application/grpc", "grpc"},
		{"", "application/grpc-web+proto", "grpc"},
		{"", "application/connect+json", "grpc"},
		{"", "application/grpc-web-text", ""},
		{"", "text/plain", ""},
		{"", "", ""},
		{"lines", "text/event-stream", "lines"},
		{"xml", "text/event-stream", ""},
	} {
		got := ""
		if format := findFormat(tt.name, http.Header{"Content-Type": {tt.contentType}}); format != nil {
			got = format.name
		}
		if got != tt.want {
			t.Errorf("%q, %q: got %q, want %q", tt.name, tt.contentType, got, tt.want)
		}
	}
}

// BenchmarkStreamCounted counts events that no step needs.
func BenchmarkStreamCounted(b *testing.B) {
	event := []byte("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"}}]}\n\n")
	for _, contentType := range []string{"text/event-stream", "application/x-ndjson"} {
		b.Run(contentType, func(b *testing.B) {
			f := provision(b, &Stream{Steps: []*StreamStep{{Events: "1000000000", Action: "drop"}}})
			err := f.Inject(firstHit(), &discard{header: make(http.Header)}, request(http.MethodGet), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("Content-Type", contentType)
				_, _ = w.Write(event)
				b.ReportAllocs()
				b.SetBytes(int64(len(event)))
				for b.Loop() {
					if _, err := w.Write(event); err != nil {
						return err
					}
				}
				return nil
			}))
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}

// An event that is only counted allocates nothing.
func TestStreamCountsWithoutAllocating(t *testing.T) {
	f := provision(t, &Stream{Steps: []*StreamStep{{Events: "1000000000", Action: "drop"}}})
	event := []byte("data: some text\n\n")
	err := f.Inject(firstHit(), &discard{header: make(http.Header)}, request(http.MethodGet), caddyHandler(func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/event-stream")
		if allocs := testing.AllocsPerRun(1000, func() { _, _ = w.Write(event) }); allocs > 0 {
			t.Errorf("%v allocations for an event", allocs)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
}
