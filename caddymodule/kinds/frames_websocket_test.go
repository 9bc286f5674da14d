package kinds

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// The frames of the tests.
const (
	ping = "\x89\x02hi"
	pong = "\x8a\x00"
	bye  = "\x88\x02\x03\xe8" // 1000
)

// message returns a message in fragments.
func message(fragments ...string) string {
	stream := ""
	for i, fragment := range fragments {
		frame := webSocketFrame(webSocketText, []byte(fragment))
		if i > 0 {
			frame[0] &^= 0x0f
		}
		if i < len(fragments)-1 {
			frame[0] &^= webSocketFin
		}
		stream += string(frame)
	}
	return stream
}

// compressed marks the frame of a message as compressed.
func compressed(frame string) string { return string([]byte{frame[0] | webSocketRSV1}) + frame[1:] }

var abcMessages = message("a") + ping + message("b1", "b2") + pong + message("[DONE]") + bye

var webSocketCases = []streamCase{
	{"2 drop", abcMessages, message("a") + ping + pong + message("[DONE]") + bye, "", ""},
	{"each drop", abcMessages, ping + pong + bye, "", ""},
	{"4 drop", abcMessages, abcMessages, "short", ""},
	{"has 1b drop", abcMessages, message("a") + ping + pong + message("[DONE]") + bye, "", ""},
	{"has hi drop", abcMessages, abcMessages, "short", ""}, // a ping is not a message
	{"ping drop", abcMessages, strings.Replace(abcMessages, ping, "", 1), "", ""},
	{"pong repeat 2", abcMessages, strings.Replace(abcMessages, pong, pong+pong+pong, 1), "", ""},
	{"ping wait 1s", abcMessages, abcMessages, "", ""},
	{"ping stop 1001", abcMessages, message("a") + "\x88\x02\x03\xe9", "", "clean"},
	{"comment drop\nevent ping drop", abcMessages, abcMessages, "short", ""},
	{"1 repeat", abcMessages, message("a") + abcMessages, "", ""},
	{"2 repeat", abcMessages, strings.Replace(abcMessages, message("b1", "b2"), message("b1", "b2")+message("b1", "b2"), 1), "", ""},
	{"1 swap", abcMessages, ping + message("b1", "b2") + message("a") + pong + message("[DONE]") + bye, "", ""},
	{"3 swap", abcMessages, abcMessages, "", ""},
	{"3 join", abcMessages, abcMessages, "", ""},
	{"3 swap\nend insert x", abcMessages, strings.Replace(abcMessages, bye, message("x")+bye, 1), "", ""},
	{"3 swap\nend stop 4000 later", abcMessages, strings.TrimSuffix(abcMessages, bye) + "\x88\x07\x0f\xa0later", "", "clean"},
	{"3 join\nend stop", abcMessages, strings.TrimSuffix(abcMessages, bye), "", "close"},
	{"2 join", abcMessages, message("a") + ping + pong + message("b1", "b2") + message("[DONE]") + bye, "", ""},
	{"3 insert x", abcMessages, strings.Replace(abcMessages, pong, pong+message("x"), 1), "", ""},
	{"2 replace x", abcMessages, strings.Replace(abcMessages, message("b1", "b2"), message("x"), 1), "", ""},
	{"end insert x", abcMessages, strings.Replace(abcMessages, bye, message("x")+bye, 1), "", ""},
	{"end stop", abcMessages, strings.TrimSuffix(abcMessages, bye), "", "close"},
	{"end stop 4000 later", abcMessages, strings.TrimSuffix(abcMessages, bye) + "\x88\x07\x0f\xa0later", "", "clean"},
	{"each split", abcMessages, abcMessages, "", ""},
	{"2 hang 3s", abcMessages, abcMessages, "", ""},
	{"2 cut 3B", abcMessages, message("a") + ping + message("b1", "b2")[:3], "", "close"},
	{"2 stop", abcMessages, message("a") + ping, "", "close"},
	{"2 stop 1012 restarting", abcMessages, message("a") + ping + "\x88\x0c\x03\xf4restarting", "", "clean"},
	{"2 stop UNAVAILABLE", abcMessages, abcMessages, "short", ""},
	{"2 drop", message("a") + message("b1", "b2")[:4] + ping + message("b1", "b2")[4:] + message("c"), message("a") + ping + message("c"), "", ""},
	{"2 repeat", message("a") + message("b1", "b2")[:4] + ping + message("b1", "b2")[4:], message("a") + ping + message("b1", "b2") + message("b1", "b2"), "", ""},
	{"ping drop", message("b1", "b2")[:4] + ping + message("b1", "b2")[4:], message("b1", "b2"), "", ""},
	{"has x drop", compressed(message("x")) + message("x"), compressed(message("x")), "encoded", ""},
	{"1 drop", compressed(message("x")) + message("x"), message("x"), "", ""},
	{"has x drop", "\x81\x81maskx" + message("x"), "\x81\x81maskx", "encoded", ""},
	{"2 drop", message("a") + message(strings.Repeat("b", 200)) + message("c"), message("a") + message("c"), "", ""},
	{"2 drop", message("a") + message(strings.Repeat("b", 70_000)) + message("c"), message("a") + message("c"), "", ""},
	{"max_event 100B\n2 drop", message("a") + message(strings.Repeat("b", 200)) + message("c"), message("a") + message("c"), "", ""},
	{"max_event 100B\n2 repeat", message("a") + message(strings.Repeat("b", 200)) + message("c"), message("a") + message(strings.Repeat("b", 200)) + message("c"), "too_large short", ""},
	{"has x drop", message("b1", "b2")[:4] + ping[:1], message("b1", "b2")[:4] + ping[:1], "short", ""},
}

// tunnel requests a WebSocket over HTTP/2.
func tunnel() *http.Request {
	r := request(http.MethodConnect, ":protocol", "websocket")
	r.ProtoMajor = 2
	return r
}

// TestStreamWebSocket checks what the steps do to messages, however they are cut into
// writes.
func TestStreamWebSocket(t *testing.T) {
	for _, tt := range webSocketCases {
		t.Run(tt.lines, func(t *testing.T) {
			f := parse(t, new(Stream), "stream {\n"+tt.lines+"\n}")
			for _, piece := range []int{1, 2, 3, 7, 1000, 100_000} {
				synctest.Test(t, func(t *testing.T) { tt.checkFor(t, f, tunnel(), sender(tt.in, piece)) })
			}
		})
	}
}

// A message whose rest is dropped stays dropped when the fault ends in its middle.
func TestStreamEndedInMessage(t *testing.T) {
	dropped := message("b1", "b2", "b3")
	for _, line := range []string{"each drop", "2 drop"} {
		for cut := 1; cut < len(dropped); cut++ {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan struct{})
				r := tunnel()
				r = r.WithContext(withHit(r.Context(), &faults.Hit{N: 1, Ended: ended}))
				got := runShaped(parse(t, new(Stream), "stream "+line), r, func(w http.ResponseWriter, _ *http.Request) error {
					w.WriteHeader(http.StatusOK)
					_, _ = w.Write([]byte(message("a")))
					_, _ = w.Write([]byte(dropped[:cut]))
					close(ended)
					synctest.Wait()
					_, err := w.Write([]byte(dropped[cut:] + ping + message("c")))
					return err
				})
				want := ping + message("c")
				if line == "2 drop" {
					want = message("a") + want
				}
				if cut == 1 { // the head had not come, and nothing was dropped
					want = strings.Replace(want, ping, dropped+ping, 1)
				}
				if got.Body.String() != want || got.err != nil {
					t.Errorf("%s, cut %d: got %q, error %v, want %q", line, cut, got.Body, got.err, want)
				}
			})
		}
	}
}

// A close frame waits for the client's answer, for one second at most.
func TestStreamCloseWaits(t *testing.T) {
	answer := "\x81\x81maskx\x88\x82mask\x6e\x95" // after a message
	for _, tt := range []struct {
		sent string
		want time.Duration
	}{{answer, 300 * time.Millisecond}, {answer[:7], time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			r, start := tunnel(), time.Now()
			r.Body = slowAnswer{strings.NewReader(tt.sent)}
			got := runShaped(parse(t, new(Stream), "stream 1 stop 1012"), r, func(w http.ResponseWriter, r *http.Request) error {
				w.WriteHeader(http.StatusOK)
				go func() {
					for buf := make([]byte, 100); ; {
						if _, err := r.Body.Read(buf); err != nil {
							return
						}
					}
				}()
				_, err := w.Write([]byte(message("a")))
				return err
			})
			if took := time.Since(start); took != tt.want || got.aborted || got.err != nil {
				t.Errorf("took %v, want %v; aborted %v, error %v", took, tt.want, got.aborted, got.err)
			}
			time.Sleep(time.Minute) // the reader ends
		})
	}
}

// A slowAnswer is sent after 300 ms. Its end comes later.
type slowAnswer struct{ *strings.Reader }

func (a slowAnswer) Read(p []byte) (int, error) {
	if a.Len() == 0 {
		time.Sleep(30 * time.Second)
	}
	time.Sleep(300 * time.Millisecond)
	return a.Reader.Read(p)
}

func (slowAnswer) Close() error { return nil }

// A reason of a close frame is cut at a character.
func TestCloseFrame(t *testing.T) {
	for reason, want := range map[string]int{"": 0, strings.Repeat("x", 123): 123, strings.Repeat("ä", 62): 122, strings.Repeat("x", 999): 123} {
		if frame := closeFrame(1012, reason); len(frame) != 4+want || int(frame[1]) != 2+want {
			t.Errorf("%d bytes: got a frame of %d with the length %d, want a reason of %d", len(reason), len(frame), frame[1], want)
		}
	}
}

// A WebSocket is a stream if the upgrade and the format say so.
func TestStreamUpgrades(t *testing.T) {
	for _, tt := range []struct {
		format, upgrade string
		code            int
		want            string
	}{
		{"", "websocket", 101, "hit"},
		{"websocket", "WebSocket", 101, "hit"},
		{"", "tcp", 101, passNoStream},
		{"sse", "websocket", 101, passNoStream},
		{"websocket", "", 200, passNoStream},
	} {
		f := provision(t, &Stream{Steps: []*StreamStep{{Events: "end", Action: "wait", Delay: &Delay{Duration: 1}}}, Format: tt.format})
		got := runShaped(f, request(http.MethodGet), func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Upgrade", tt.upgrade)
			w.Header().Set("Sec-Websocket-Accept", "x")
			w.WriteHeader(tt.code)
			return nil
		})
		if first, _, _ := strings.Cut(got.told, " "); first != tt.want || got.Header().Get("Cache-Control") != "" {
			t.Errorf("%+v: reported %q, header %v", tt, got.told, got.Header())
		}
	}
}

// A message that is dropped or late is not held, whatever its size.
func TestStreamHoldsHead(t *testing.T) {
	for _, line := range []string{"each drop", "each wait 1ms", "10% drop", "each insert x", "ping repeat"} {
		for _, format := range []string{formatWebSocket, formatGRPC} {
			if format == formatGRPC && strings.Contains(line, "ping") {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				f := parse(t, new(Stream), "stream "+line)
				s := &streamer{f: f, frames: findFormat(format, nil).read(), format: format, rand: rand.New(rand.NewPCG(1, 2))}
				o := &outlet{Writer: &discard{header: make(http.Header)}, ctx: t.Context(), hit: firstHit()}
				stream := string(webSocketFrame(webSocketText, make([]byte, 1<<20)))
				if format == formatGRPC {
					stream = messages(strings.Repeat("x", 1<<20))
				}
				for range 3 {
					for rest := []byte(stream); len(rest) > 0; {
						n := min(len(rest), 3)
						if len(rest) < len(stream)-10 {
							n = min(len(rest), 32<<10)
						}
						if _, err := s.write(o, rest[:n]); err != nil || cap(s.held) > 64 {
							t.Fatalf("%s, %s: %d bytes are held, error %v", format, line, cap(s.held), err)
						}
						rest = rest[n:]
					}
				}
				if s.number != 3 {
					t.Errorf("%s, %s: counted %d messages, want 3", format, line, s.number)
				}
			})
		}
	}
}

// plainFrames parses whole frames.
func plainFrames(in string) (all []string, rest string) {
	for len(in) >= 2 {
		size, at := uint64(in[1]&0x7f), 2
		if wide := map[uint64]int{126: 2, 127: 8}[size]; wide > 0 {
			if len(in) < at+wide {
				break
			}
			size = 0
			for _, c := range []byte(in[at : at+wide]) {
				size = size<<8 | uint64(c)
			}
			at += wide
		}
		if in[1]&0x80 != 0 {
			at += 4
		}
		if len(in) < at || uint64(len(in)-at) < size {
			break
		}
		all, in = append(all, in[:at+int(size)]), in[at+int(size):]
	}
	return all, in
}

// FuzzWebSocket compares the events with the frames that a plain parser finds. A fault
// without a fitting step keeps the order of the messages and of the control frames.
func FuzzWebSocket(f *testing.F) {
	for _, tt := range webSocketCases {
		if len(tt.in) < 1000 {
			f.Add(tt.in, uint64(len(tt.in)))
		}
	}
	f.Add("0\x01080", uint64(18)) // half a ping in the middle of a message that is held
	f.Add("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", uint64(1))
	f.Fuzz(func(t *testing.T, in string, seed uint64) {
		events := scanAll(t, new(webSocketFrames), in, nil)
		if pieces := scanAll(t, new(webSocketFrames), in, rand.New(rand.NewPCG(seed, 0))); !slices.Equal(events, pieces) {
			t.Fatalf("got events %+v, in pieces %+v", events, pieces)
		}
		var want []scanned
		part := ""
		whole, rest := plainFrames(in)
		for _, frame := range whole {
			if frame[0]&0x08 != 0 {
				want = append(want, scanned{frame, true, false})
				continue
			}
			if part += frame; frame[0]&0x80 != 0 {
				want = append(want, scanned{part, true, true})
				part = ""
			}
		}
		var got []scanned
		left := ""
		for _, event := range events {
			if event.whole {
				got = append(got, event)
			} else {
				left += event.text
			}
		}
		if !slices.Equal(got, want) || left != part+rest {
			t.Fatalf("got %+v, %q is left, want %+v, %q", got, left, want, part+rest)
		}
		for _, step := range []*StreamStep{{Events: "1000000", Action: "drop"}, {Events: "0.000000001%", Action: "repeat"}, {Has: "no event has this text", Action: "drop"}} {
			reply := runShaped(provision(t, &Stream{Steps: []*StreamStep{step}}), tunnel(), sender(in, 1+int(seed%9)))
			after, last := plainFrames(reply.Body.String())
			if !slices.Equal(ofKind(after, true), ofKind(whole, true)) || !slices.Equal(ofKind(after, false), ofKind(whole, false)) || last != rest || reply.err != nil || reply.aborted {
				t.Fatalf("got %q, error %v, aborted %v, want %q", reply.Body, reply.err, reply.aborted, in)
			}
		}
	})
}

// ofKind returns the control frames, or the others.
func ofKind(all []string, control bool) (some []string) {
	for _, frame := range all {
		if (frame[0]&0x08 != 0) == control {
			some = append(some, frame)
		}
	}
	return some
}

// A WebSocket and a gRPC call are asked for messages that are not compressed.
func TestStreamAsksForPlainMessages(t *testing.T) {
	r := request(http.MethodGet, "Sec-WebSocket-Extensions", "permessage-deflate", "Grpc-Accept-Encoding", "gzip", "Connect-Accept-Encoding", "gzip")
	runShaped(parse(t, new(Stream), "stream 1 drop"), r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		if len(r.Header) != 1 || r.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("the upstream is asked with %v", r.Header)
		}
		return nil
	}))
}

// TestStreamWebSocketRandom changes single messages of random streams. All other messages
// and the control frames stay as they are, in their order.
func TestStreamWebSocketRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		stream, messages, controls := randomMessages(rnd)
		n := rnd.IntN(len(messages))
		step, want := &StreamStep{Events: strconv.Itoa(n + 1)}, slices.Clone(messages)
		switch rnd.IntN(4) {
		case 0:
			step.Action, want = "drop", slices.Delete(want, n, n+1)
		case 1:
			step.Action, want = "repeat", slices.Insert(want, n, want[n])
		case 2:
			if step.Action = "swap"; n+1 < len(want) {
				want[n], want[n+1] = want[n+1], want[n]
			}
		case 3:
			step.Action, step.Text, want[n] = "replace", "x", message("x")
		}
		f := provision(t, &Stream{Steps: []*StreamStep{step}})
		got := runShaped(f, tunnel(), func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusOK)
			for rest := stream; rest != ""; {
				size := 1 + rnd.IntN(min(len(rest), 1+rnd.IntN(200)))
				if _, err := w.Write([]byte(rest[:size])); err != nil {
					return err
				}
				rest = rest[size:]
			}
			return nil
		})
		frames, rest := plainFrames(got.Body.String())
		if data := strings.Join(ofKind(frames, false), ""); data != strings.Join(want, "") || rest != "" {
			t.Fatalf("%s of %q: got messages %q, want %q", step, stream, data, want)
		}
		if !slices.Equal(ofKind(frames, true), controls) {
			t.Fatalf("%s of %q: got control frames %q, want %q", step, stream, ofKind(frames, true), controls)
		}
	}
}

// randomMessages returns a random stream, its messages and its control frames.
func randomMessages(rnd *rand.Rand) (stream string, messages, controls []string) {
	for range 1 + rnd.IntN(6) {
		fragments := make([]string, 1+rnd.IntN(3))
		for i := range fragments {
			fragments[i] = strings.Repeat("x", rnd.IntN([]int{5, 200, 5, 5, 5, 70_000}[rnd.IntN(6)]))
		}
		whole := message(fragments...)
		messages = append(messages, whole)
		frames, _ := plainFrames(whole)
		for _, frame := range frames {
			if rnd.IntN(3) == 0 {
				control := string(webSocketFrame(webSocketPing+byte(rnd.IntN(2)), []byte(strings.Repeat("p", rnd.IntN(126)))))
				controls = append(controls, control)
				stream += control
			}
			stream += frame
		}
	}
	return stream, messages, controls
}

// A WebSocket over HTTP/2 that is refused has an ordinary reply.
func TestStreamTunnelRefused(t *testing.T) {
	const page = "\x80\x01no" // two events, if it were a WebSocket
	for _, tt := range []struct {
		contentType, body string
		code              int
		want, told        string
	}{
		{"text/plain", page, http.StatusOK, "o", "hit"},
		{"text/plain", page, http.StatusForbidden, page, passNoStream},
		{"text/plain", page, http.StatusBadGateway, page, passNoStream},
		{"application/x-ndjson", "1\n2\n", http.StatusForbidden, "2\n", "hit"},
	} {
		got := runShaped(parse(t, new(Stream), "stream 1 drop"), tunnel(), func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Type", tt.contentType)
			w.WriteHeader(tt.code)
			_, err := w.Write([]byte(tt.body))
			return err
		})
		if got.Body.String() != tt.want || got.told != tt.told {
			t.Errorf("%d %s: got %q and reported %q, want %q and %q", tt.code, tt.contentType, got.Body, got.told, tt.want, tt.told)
		}
	}
}
