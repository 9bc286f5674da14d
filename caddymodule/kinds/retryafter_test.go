package kinds

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// retryOf returns the seconds in the body of a 503, or -1 if it has none.
func retryOf(t *testing.T, body string) int64 {
	t.Helper()
	said := struct {
		Error      string
		RetryAfter *int64 `json:"retry_after"`
	}{}
	if err := json.Unmarshal([]byte(body), &said); err != nil || said.Error != "service_unavailable" {
		t.Errorf("body %q: %v", body, err)
	}
	if said.RetryAfter == nil {
		return -1
	}
	return *said.RetryAfter
}

// The body of a 503 repeats the header field, wherever the field comes from.
func TestRespondRetryAfterAgrees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(300 * time.Millisecond) // the clock is rarely at a full second
		in := func(seconds int) string {
			return time.Now().Truncate(time.Second).Add(time.Duration(seconds) * time.Second).UTC().Format(http.TimeFormat)
		}
		for _, tt := range []struct {
			ops    string   // header lines
			asked  string   // in the request, for a placeholder
			before []string // in the header already, as from an upstream
			want   string   // the field, as lines
			said   int64
		}{
			{"", "", nil, "300", 300},
			{"", "", []string{"60"}, "300", 300},
			{"header Retry-After 5", "", nil, "5", 5},
			{"header Retry-After 5", "", []string{"60"}, "5", 5},
			{"header retry-after 0", "", nil, "0", 0},
			{"header Retry-After 005", "", nil, "005", 5},
			{"header -Retry-After", "", nil, "", -1},
			{"header -retry-after", "", []string{"60"}, "", -1},
			{"header X-Other {http.request.header.X}", "7", nil, "300", 300},

			// Several lines: clients use any of them.
			{"header +Retry-After 5", "", nil, "5", 5},
			{"header +Retry-After 5", "", []string{"60"}, "60\n5", -1},
			{"header Retry-After 5\nheader +Retry-After 5", "", nil, "5\n5", -1},
			{"header -Retry-After\nheader +Retry-After 6", "", []string{"60"}, "6", 6},

			// Not a number of seconds.
			{"header Retry-After soon", "", nil, "soon", -1},
			{"header Retry-After -5", "", nil, "-5", -1},
			{"header Retry-After +5", "", nil, "+5", -1},
			{"header Retry-After 5.5", "", nil, "5.5", -1},
			{"header Retry-After 0x5", "", nil, "0x5", -1},
			{"header Retry-After 5s", "", nil, "5s", -1},
			{`header Retry-After "5, 6"`, "", nil, "5, 6", -1},
			{`header Retry-After ""`, "", nil, "", -1},
			{"header Retry-After 9223372036854775807", "", nil, "9223372036854775807", math.MaxInt64},
			{"header Retry-After 9223372036854775808", "", nil, "9223372036854775808", -1},

			// A date: no client comes too early.
			{`header Retry-After "` + in(90) + `"`, "", nil, in(90), 90},
			{`header Retry-After "` + in(1) + `"`, "", nil, in(1), 1},
			{`header Retry-After "` + in(0) + `"`, "", nil, in(0), 0},
			{`header Retry-After "` + in(-90) + `"`, "", nil, in(-90), 0},
			{`header Retry-After "Saturday, 01-Jan-00 00:01:00 GMT"`, "", nil, "Saturday, 01-Jan-00 00:01:00 GMT", 60},
			{`header Retry-After "Sat Jan  1 00:01:00 2000"`, "", nil, "Sat Jan  1 00:01:00 2000", 60},
			{`header Retry-After "Sat, 32 Jan 2000 00:01:00 GMT"`, "", nil, "Sat, 32 Jan 2000 00:01:00 GMT", -1},

			// A placeholder.
			{"header Retry-After {http.request.header.X}", "7", nil, "7", 7},
			{"header Retry-After {http.request.header.X}", "", nil, "", -1},
			{"header Retry-After {http.request.header.X}", "a\r\n9", nil, "a  9", -1},
			{"header Retry-After {http.request.header.X}", in(90), nil, in(90), 90},
			{"header Retry-After {http.request.header.X}0", "12", nil, "120", 120},
			{"header +Retry-After {http.request.header.X}", "7", []string{"60"}, "60\n7", -1},
		} {
			f := parse(t, new(Respond), "respond 503 {\n"+tt.ops+"\n}")
			for range 2 { // the second is the same as the first
				w := httptest.NewRecorder()
				w.Header()[retryAfterField] = tt.before
				r := request(http.MethodGet)
				r.Header["X"] = []string{tt.asked}
				if err := f.Inject(firstHit(), w, r, notCalled(t)); err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(w.Header()[retryAfterField], "\n"); got != tt.want {
					t.Errorf("%s, %q, %q: got field %q, want %q", tt.ops, tt.asked, tt.before, got, tt.want)
				}
				if got := retryOf(t, w.Body.String()); got != tt.said {
					t.Errorf("%s, %q, %q: the body says %d, want %d", tt.ops, tt.asked, tt.before, got, tt.said)
				}
			}
		}
	})
}

// A date means a different number of seconds for each reply.
func TestRespondRetryAfterDatePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := parse(t, new(Respond), `respond 503 {`+"\n"+`header Retry-After "Sat, 01 Jan 2000 00:01:00 GMT"`+"\n}")
		for _, want := range []int64{60, 35, 10, 0} {
			resp, err := runFault(t, f, request(http.MethodGet), notCalled(t))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			if got := retryOf(t, string(body)); got != want {
				t.Errorf("the body says %d, want %d", got, want)
			}
			time.Sleep(25 * time.Second)
		}
	})
}

// The body agrees with the field for each family, format and outer kind, also in a
// transport.
func TestRespondRetryAfterEverywhere(t *testing.T) {
	var lines []string
	for _, code := range status.All() {
		if code.Code == 503 {
			lines = append(lines, "respond "+code.String())
		}
	}
	if len(lines) < 3 {
		t.Fatalf("got %q, want those of several families", lines)
	}
	lines = append(lines, "respond 503")
	for _, line := range lines {
		for ops, want := range map[string]string{
			"": "300", "header Retry-After 5": "5", "header -Retry-After": "", "retry_after 5s": "5", "retry_after 2m": "120", "retry_after 0s": "0", "retry_after off": "",
		} {
			block := line + " {\n" + ops + "\n}"
			for _, f := range []faults.Fault{
				parse(t, new(Respond), block),
				parse(t, new(Respond), line+" {\nformat auto\n"+ops+"\n}"),
				parse(t, new(Respond), line+" {\ncontent_type application/vnd.api+json\n"+ops+"\n}"),
				provision(t, unmarshal(t, new(Choose), "choose {\n1 "+block+"\n}")),
				provision(t, unmarshal(t, new(Sequence), "sequence {\n"+block+"\n}")),
			} {
				resp, err := runFault(t, f, request(http.MethodGet), notCalled(t))
				if err != nil {
					t.Fatal(err)
				}
				wantAgreed(t, block, resp, want)
				resp, err = f.(faults.RoundTripper).RoundTrip(firstHit(), request(http.MethodGet), nil)
				if err != nil {
					t.Fatal(err)
				}
				wantAgreed(t, block, resp, want)
			}
		}
	}
}

func wantAgreed(t *testing.T, line string, resp *http.Response, want string) {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	said := ""
	if got := retryOf(t, string(body)); got >= 0 {
		said = strconv.FormatInt(got, 10)
	}
	if field := resp.Header.Get(retryAfterField); err != nil || field != want || said != want {
		t.Errorf("%s: the field is %q and the body says %q, want %q; %v", line, field, said, want, err)
	}
}

// No other body repeats a field of the header, so none can contradict it.
func TestRespondRepeatsNothingElse(t *testing.T) {
	fields := []string{"Retry-After", "Location", "Allow", "WWW-Authenticate", "Proxy-Authenticate", "Content-Range", "Accept-Ranges", "Content-Language", "Warning", "Link", "Accept", "Accept-Patch", "Sec-WebSocket-Version"}
	headers := new(HeaderOps)
	headers.Set = make(http.Header)
	for _, name := range fields {
		headers.Set[name] = []string{"7777"}
	}
	for _, code := range status.All() {
		if !code.Sendable() {
			continue
		}
		for _, form := range formats {
			bodies := make(map[string]bool)
			for _, ops := range []*HeaderOps{nil, headers} {
				f := provision(t, &Respond{StatusCode: code.Code, Family: code.Family, Headers: ops})
				if code.BodyAllowed() {
					f = provision(t, &Respond{StatusCode: code.Code, Family: code.Family, Headers: ops, Format: form.name})
				}
				w := httptest.NewRecorder()
				if err := f.Inject(firstHit(), w, request(http.MethodGet), notCalled(t)); err != nil {
					t.Fatal(err)
				}
				bodies[w.Body.String()] = true
			}
			if repeats := len(bodies) > 1; repeats != (code.Code == 503 && form.name == "json") {
				t.Errorf("%s as %s: the body depends on the header: %v", code, form.name, repeats)
			}
		}
	}
}

// With date, Retry-After is the Date of the reply plus the duration, and the body has the
// same number of seconds. An earlier Date, as from an upstream, does not count.
func TestRespondRetryAfterDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(999 * time.Millisecond) // the end of a second
		f := parse(t, new(Respond), "respond 503 {\nretry_after 90s date\nheader X-Reset {http.fault.in.90.http}\n}")
		w := httptest.NewRecorder()
		w.Header().Set("Date", "Sat, 01 Jan 2000 00:00:07 GMT")
		w.Header().Set(retryAfterField, "7")
		if err := f.Inject(firstHit(), w, request(http.MethodGet), notCalled(t)); err != nil {
			t.Fatal(err)
		}
		h := w.Header()
		if h.Get("Date") != "Sat, 01 Jan 2000 00:00:00 GMT" || h.Get(retryAfterField) != "Sat, 01 Jan 2000 00:01:30 GMT" || h.Get("X-Reset") != h.Get(retryAfterField) {
			t.Errorf("got header %q", h)
		}
		if said := retryOf(t, w.Body.String()); said != 90 {
			t.Errorf("the body says %d, want 90", said)
		}
		resp, err := f.RoundTrip(firstHit(), request(http.MethodGet), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get(retryAfterField); got != h.Get(retryAfterField) || resp.Header.Get("Date") != h.Get("Date") {
			t.Errorf("in a transport: got header %q", resp.Header)
		}
	})
}

// retry_after works with any status and any body, and off removes an upstream's field.
func TestRespondRetryAfterOfAnyReply(t *testing.T) {
	for line, want := range map[string]string{
		"respond 429 {\nretry_after 3s\n}":                     "3",
		"respond 200 {\nbody x\nretry_after 1h\n}":             "3600",
		"respond 301 {\nretry_after 1d\n}":                     "86400",
		"respond 503 {\nbody x\nretry_after off\n}":            "",
		"respond 429 {\nretry_after off\n}":                    "",
		"respond 503 {\nformat problem\nretry_after 4s\n}":     "4",
		"respond 551 {\nheader X-Other 1\nretry_after 5s\n}":   "5",
		"respond 204 {\nretry_after 6s\nheader -X-Upstream\n}": "6",
	} {
		w := httptest.NewRecorder()
		w.Header().Set(retryAfterField, "60")
		if err := parse(t, new(Respond), line).Inject(firstHit(), w, request(http.MethodGet), notCalled(t)); err != nil {
			t.Fatal(err)
		}
		if got := w.Header().Get(retryAfterField); got != want || len(w.Header()[retryAfterField]) > 1 {
			t.Errorf("%s: got field %q, want %q", line, w.Header()[retryAfterField], want)
		}
	}
}

// Without another setting, clients wait 300 seconds. A warning at load says so.
func TestRespondHints(t *testing.T) {
	const hint = "respond 503 sends the catalog's Retry-After: 300, and many clients wait that long; " +
		"to send another time, add retry_after 5s to its block; to send none, add retry_after off"
	for line, want := range map[string][]string{
		"respond 503":                                                          {hint},
		"respond sip:503":                                                      {strings.Replace(hint, "503", "sip:503", 1)},
		"respond 503 {\nformat html\n}":                                        {hint},
		"respond 503 {\nheader X-Other 5\n}":                                   {hint},
		"respond 503 {\nheader Retry-After 5\n}":                               nil,
		"respond 503 {\nheader +Retry-After 5\n}":                              nil,
		"respond 503 {\nheader Retry-After {http.request.header.X}\n}":         nil,
		"respond 503 {\nheader Retry-After `Fri, 31 Dec 1999 23:59:59 GMT`\n}": nil,
		"respond 503 {\nheader Retry-After 90s\n}":                             {"Retry-After '90s' is neither a number of seconds nor a date, and clients ignore it; write header Retry-After 90"},
		"respond 503 {\nheader +retry-after soon\n}":                           {"Retry-After 'soon' is neither a number of seconds nor a date, and clients ignore it; write header Retry-After 5"},
		"respond 503 {\nheader -retry-after\n}":                                nil,
		"respond 503 away":                                                     nil,
		"respond 503 {\nretry_after 5s\n}":                                     nil,
		"respond 503 {\nretry_after off\n}":                                    nil,
		"respond 551":                                                          nil,
		"delay 1s":                                                             nil,
		"choose {\n1 respond 503\n1 pass\n1 respond 503\n}":                    {hint},
		"choose {\n0 respond 503\n1 pass\n}":                                   nil,
		"sequence {\nrespond 551\nstep {\ndelay 1s\nrespond 503\n}\n}":         {hint},
	} {
		word, _, _ := strings.Cut(line, " ")
		var f faults.Fault
		switch word {
		case "respond":
			f = parse(t, new(Respond), line)
		case "delay":
			f = parse(t, new(Delay), line)
		case "choose":
			f = parse(t, new(Choose), line)
		default:
			f = parse(t, new(Sequence), line)
		}
		if got := (faults.Chain{f, f}).Hints(); !slices.Equal(got, want) {
			t.Errorf("%s: got hints %q, want %q", line, fmt.Sprint(got), want)
		}
	}
}
