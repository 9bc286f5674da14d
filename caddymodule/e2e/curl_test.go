package e2e

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Exit codes of curl, see its manual.
const (
	curlFine          = 0
	curlNotHTTP       = 1  // CURLE_UNSUPPORTED_PROTOCOL: HTTP/0.9
	curlPartial       = 18 // CURLE_PARTIAL_FILE
	curlTimeout       = 28 // CURLE_OPERATION_TIMEDOUT
	curlEmptyReply    = 52 // CURLE_GOT_NOTHING
	curlReceiveFailed = 56 // CURLE_RECV_ERROR
	curlStreamBroken  = 92 // CURLE_HTTP2_STREAM
)

// curlTests lists what curl reports for each kind. The result is the same over TLS.
// Over HTTP/2 every broken reply is a broken stream.
var curlTests = []struct {
	fault string
	exit  int
	want  curlReply // if the reply is complete
}{
	{"respond 551", curlFine, curlReply{status: 551, size: 54}},
	{"error 503", curlFine, curlReply{status: 503}},
	{"grpc UNAVAILABLE", curlFine, curlReply{status: 200}},
	{"delay 100ms", curlFine, curlReply{status: 200, size: 20000, seconds: 0.1}},
	{"hang", curlTimeout, curlReply{}},
	{"hang {\nafter 10KiB\n}", curlTimeout, curlReply{}},
	{"hang 50ms", curlEmptyReply, curlReply{}},
	{"hang 50ms {\nafter 10KiB\n}", curlPartial, curlReply{}},
	{"close", curlEmptyReply, curlReply{}},
	{"reset", curlReceiveFailed, curlReply{}},
	{"garbage", curlNotHTTP, curlReply{}},
	{"malformed", curlReceiveFailed, curlReply{}},
	{"truncate 50%", curlPartial, curlReply{}},
	{"truncate 50% reset", curlReceiveFailed, curlReply{}},
	{"truncate 50% clean", curlFine, curlReply{status: 200, size: 10000}},
	{"throttle 200KB/s", curlFine, curlReply{status: 200, size: 20000, seconds: 0.098}},
	{"dribble 4 100ms", curlFine, curlReply{status: 200, size: 20000, seconds: 0.1}},
	{"corrupt 10%", curlFine, curlReply{status: 200, size: 20000}},
	{"patch {\npad 30000B\n}", curlFine, curlReply{status: 200, size: 30000}},
	{"mutate drop", curlFine, curlReply{status: 200, size: 20000}}, // of a body that is not JSON
	{"trailers drop", curlFine, curlReply{status: 200, size: 20000}},
	{"trailers set X-New 1", curlFine, curlReply{status: 200, size: 20000}},
	{"interim 103 100", curlFine, curlReply{status: 200, size: 20000}},
	{"interim 102 3 50ms", curlFine, curlReply{status: 200, size: 20000, seconds: 0.1}},
	{"interim 103\nclose", curlEmptyReply, curlReply{}},
	{"truncate 10B {\nrequest\n}", curlFine, curlReply{status: 200, size: 20000}}, // a request without a body
	{"ratelimit 1000000 1h", curlFine, curlReply{status: 200, size: 20000}},
	{"stream {\nformat lines\n1 wait 100ms\n}", curlFine, curlReply{status: 200, size: 20000, seconds: 0.1}},
	{"choose {\n1 close\n}", curlEmptyReply, curlReply{}},
	{"sequence loop {\nreset\n}", curlReceiveFailed, curlReply{}},
}

// curlReply is what curl reports about a reply.
type curlReply struct {
	status, size int
	seconds      float64 // at least
}

// TestCurl requests each kind of fault with curl.
func TestCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatalf("this test needs curl: %v", err)
	}
	up := serve(t, shapes)
	var directives strings.Builder
	for i, tt := range curlTests {
		fmt.Fprintf(&directives, "fault /%d {\n%s\n}\n", i, tt.fault)
	}
	for _, tls := range []bool{false, true} {
		s := start(t, config{tls: tls, wrapper: tls, site: directives.String() + up.proxy()})
		for _, proto := range s.protocols() {
			if proto == h3 {
				continue // few builds of curl support it
			}
			for i, tt := range curlTests {
				t.Run(s.scheme()+" "+proto.String()+" "+oneLine(tt.fault), func(t *testing.T) {
					exit := tt.exit
					if proto == h2 && exit != curlFine && exit != curlTimeout {
						exit = curlStreamBroken
					}
					got := s.curl(t, proto, "/"+strconv.Itoa(i)+"?size=20000", exit)
					if exit == curlFine && (got.status != tt.want.status || got.size != tt.want.size || got.seconds < tt.want.seconds) {
						t.Errorf("got %+v, want %+v", got, tt.want)
					}
				})
			}
		}
	}
}

// curl requests a page and checks the exit code.
func (s *site) curl(t *testing.T, proto protocol, path string, exit int) (got curlReply) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	limit := patience.Seconds()
	if exit == curlTimeout {
		limit = 0.2
	}
	version := map[protocol]string{h1: "--http1.1", h2: "--http2"}[proto]
	cmd := exec.CommandContext(t.Context(), "curl", "--disable", "--silent", "--show-error", "--insecure", "--noproxy", "*", version,
		"--connect-to", "::"+host+":"+port, "--max-time", fmt.Sprint(limit), "--output", "/dev/null",
		"--write-out", "%{http_code} %{size_download} %{time_total}", s.url(path))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if broken := (*exec.ExitError)(nil); err != nil && !errors.As(err, &broken) {
		t.Fatalf("running curl: %v", err)
	}
	if code := cmd.ProcessState.ExitCode(); code != exit {
		t.Errorf("curl's exit code: got %d, want %d; it says %s", code, exit, stderr.String())
	}
	if _, err := fmt.Sscan(string(out), &got.status, &got.size, &got.seconds); err != nil {
		t.Errorf("curl wrote %q: %v", out, err)
	}
	return got
}
