package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestNewStatusLine(t *testing.T) {
	tests := []struct {
		name   string
		code   int
		reason string
		want   string // empty: nil
	}{
		{"an unknown phrase", 551, "User Not Local", "551 User Not Local\r\n"},
		{"what net/http writes for it", 551, "status code 551", ""},
		{"known phrase", 503, "Service Unavailable", ""},
		{"other phrase for a known code", 503, "Gone Fishing", "503 Gone Fishing\r\n"},
		{"no phrase", 503, "", "503 \r\n"},
		{"no phrase, unknown code", 999, "", "999 \r\n"},
		{"other case", 404, "not found", "404 not found\r\n"},
		{"obs-text", 599, "caf\xe9 \u2615", "599 caf\xe9 \u2615\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			line := NewStatusLine(tt.code, tt.reason)
			if line == nil {
				if tt.want != "" {
					t.Errorf("NewStatusLine(%d, %q) = nil, want %q", tt.code, tt.reason, tt.want)
				}
				return
			}
			if got := string(line.to); got != tt.want {
				t.Errorf("NewStatusLine(%d, %q) = %q, want %q", tt.code, tt.reason, got, tt.want)
			}
		})
	}
}

// The original line of every code must be what net/http really writes.
func TestStatusLineKnowsNetHTTP(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := 0
		for _, c := range r.URL.Path[1:] {
			code = code*10 + int(c-'0')
		}
		w.WriteHeader(code)
	}))
	defer srv.Close()
	for _, code := range []string{"200", "204", "299", "304", "418", "451", "500", "503", "511", "551", "600", "999"} {
		resp, err := srv.Client().Get(srv.URL + "/" + code)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if line := NewStatusLine(resp.StatusCode, "x"); string(line.from) != resp.Status+"\r\n" {
			t.Errorf("line expected for %s: %q, net/http writes %q", code, line.from, resp.Status)
		}
	}
}

func TestReason(t *testing.T) {
	tests := []struct {
		reason, clean, bad string
	}{
		{"", "", ""},
		{"User Not Local", "User Not Local", ""},
		{"tab\tand \x80\xff", "tab\tand \x80\xff", ""},
		{"~!", "~!", ""},
		{"a\r\nSet-Cookie: x", "a  Set-Cookie: x", "0x0d at offset 1"},
		{"\n", " ", "0x0a at offset 0"},
		{"a\x00", "a ", "0x00 at offset 1"},
		{"a\x7fb", "a b", "0x7f at offset 1"},
		{"ok\x1b[31m", "ok [31m", "0x1b at offset 2"},
	}
	for _, tt := range tests {
		err := ValidReason(tt.reason)
		if (err == nil) != (tt.bad == "") || err != nil && !strings.Contains(err.Error(), tt.bad) {
			t.Errorf("validReason(%q) = %v, want %q", tt.reason, err, tt.bad)
		}
		if got := CleanField(tt.reason); got != tt.clean {
			t.Errorf("cleanField(%q) = %q, want %q", tt.reason, got, tt.clean)
		}
		if err := ValidReason(CleanField(tt.reason)); err != nil {
			t.Errorf("cleaned reason is refused: %v", err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { CleanField("User Not Local, as ever") }); n != 0 {
		t.Errorf("cleanField of a clean text allocates %v times", n)
	}
}

func TestFinalHead(t *testing.T) {
	tests := map[string]bool{
		"HTTP/1.1 551 status code 551\r\n":                 true,
		"HTTP/1.0 200 OK\r\n":                              true,
		"HTTP/1.1 101 Switching Protocols":                 true,
		"HTTP/1.1 100 Continue\r\n\r\n":                    false,
		"HTTP/1.1 103 Early Hints\r\n":                     false,
		"HTTP/1.1 20":                                      false,
		"HTTP/2 200 OK\r\n":                                false,
		"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x00\x00": false,
		"{\"HTTP/1.1 200 OK\"}":                            false,
		"":                                                 false,
	}
	for head, want := range tests {
		if got := FinalHead([]byte(head)); got != want {
			t.Errorf("FinalHead(%q) = %t, want %t", head, got, want)
		}
	}
}

// lineWriter is an address that accepts status lines.
type lineWriter struct {
	net.TCPAddr
	able bool
	got  *StatusLine
}

func (l *lineWriter) WriteLine(line *StatusLine, encrypted bool) bool {
	l.got = line
	return l.able
}

func TestArm(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	able, unable := &lineWriter{able: true}, &lineWriter{}
	tests := []struct {
		name  string
		line  *StatusLine
		addr  any
		major int
		want  bool
	}{
		{"wrapper", line, able, 1, true},
		{"wrapper before TLS", line, unable, 1, false},
		{"HTTP/2", line, able, 2, false},
		{"HTTP/3", line, able, 3, false},
		{"no wrapper", line, &net.TCPAddr{}, 1, false},
		{"no address", line, nil, 1, false},
		{"no line", nil, able, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.ProtoMajor = tt.major
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, tt.addr))
			if got := tt.line.Arm(r); got != tt.want {
				t.Errorf("Arm() = %t, want %t", got, tt.want)
			}
		})
	}
}

// limitedWriter fails after n bytes.
type limitedWriter struct {
	bytes.Buffer
	left int
	err  error
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if len(p) <= l.left {
		l.left -= len(p)
		return l.Buffer.Write(p)
	}
	n, _ := l.Buffer.Write(p[:l.left])
	l.left = 0
	return n, l.err
}

func TestWriteHeadCountsInBytesOfTheOriginal(t *testing.T) {
	const head = "HTTP/1.1 551 status code 551\r\nX: y\r\n\r\nbody"
	full := errors.New("full")
	for _, reason := range []string{"", "short", "User Not Local", "a reason longer than the one of net/http"} {
		line := NewStatusLine(551, reason)
		want := strings.Replace(head, "status code 551", reason, 1)
		for limit := 0; limit <= len(want); limit++ {
			for _, fail := range []error{full, nil} {
				w := &limitedWriter{left: limit, err: fail}
				n, err := line.WriteHead(w, []byte(head))
				checkCount(t, w.String(), want, head, n, err, limit, fail)
			}
		}
	}
}

// checkCount checks the result of WriteHead against what has been written.
func checkCount(t *testing.T, got, want, head string, n int, err error, limit int, fail error) {
	t.Helper()
	if got != want[:limit] {
		t.Fatalf("wrote %q, want %q", got, want[:limit])
	}
	if limit == len(want) {
		if n != len(head) || err != nil {
			t.Fatalf("whole write: n = %d, %v; want %d", n, err, len(head))
		}
		return
	}
	if fail == nil {
		fail = io.ErrShortWrite
	}
	if n >= len(head) || !errors.Is(err, fail) {
		t.Fatalf("short write: n = %d, %v; want fewer than %d and %v", n, err, len(head), fail)
	}
	// after the status line, both sides must have the same rest
	if left := len(want) - limit; left <= len("\r\nX: y\r\n\r\nbody")-2 && len(head)-n != left {
		t.Fatalf("%d bytes are left, n = %d says %d", left, n, len(head)-n)
	}
}

func TestWriteHeadLeavesOthersAlone(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	for _, head := range []string{
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 551 status code 55",
		"HTTP/1.1 551 Own\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\n\r\n",
		"551 status code 551\r\n",
		"",
	} {
		var w bytes.Buffer
		if n, err := line.WriteHead(&w, []byte(head)); n != len(head) || err != nil || w.String() != head {
			t.Errorf("WriteHead(%q) wrote %q (%d, %v)", head, w.String(), n, err)
		}
	}
}

func BenchmarkWriteHead(b *testing.B) {
	line := NewStatusLine(551, "User Not Local")
	head := []byte("HTTP/1.1 551 status code 551\r\nContent-Type: application/json\r\nContent-Length: 54\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = line.WriteHead(io.Discard, head)
	}
}
