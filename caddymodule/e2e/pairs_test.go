package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// pairsBody is what the upstream says in these tests.
var pairsBody = `{"text": "` + strings.Repeat("0123456789", 29) + `"}`

var fromUpstream = seen{status: 200, body: pairsBody, length: len(pairsBody), json: true}

func pairsUpstream(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if r.URL.Path == "/alive" {
		_, _ = io.WriteString(w, "alive")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if r.URL.RawQuery == "chunked" {
		_ = http.NewResponseController(w).Flush()
	}
	_, _ = io.WriteString(w, pairsBody)
}

// observed is what a client got.
type observed struct {
	head   bool
	status int
	body   string
	whole  bool
	rules  []string // X-Fault-Injected
}

// loads reports whether the faults can stand in one rule.
func loads(chain []piece) bool {
	var draft faults.Draft
	for _, p := range chain {
		if draft.Unmarshal(caddyfile.NewTestDispenser(p.text)) != nil {
			return false
		}
	}
	return true
}

// A meeting is one request at which some faults meet.
type meeting struct {
	path, method, query string
	name                string
	may                 []seen
	hits                map[string]bool // by rule; false: maybe
	never               []string        // rules that must not hit
}

// all requests are sent, several at once.
func all(t *testing.T, meetings []meeting, ask func(m meeting) (observed, error), c *client) {
	t.Helper()
	before := injectedByRule(t)
	got := make([]observed, len(meetings))
	var wg sync.WaitGroup
	next := make(chan int)
	for range 64 {
		wg.Go(func() {
			for i := range next {
				m := meetings[i]
				o, err := ask(m)
				got[i] = o
				if err != nil {
					t.Errorf("%s %s: %v", m.method, m.name, err)
				}
				check(t, m, o, c.proto)
			}
		})
	}
	for i := range meetings {
		next <- i
	}
	close(next)
	wg.Wait()
	checkTold(t, meetings, got, before, c)
	for line := range strings.SplitSeq(c.caddyLog(t), "\n") {
		if strings.Contains(line, "panic") {
			t.Errorf("caddy's log: %.300s", line)
			break
		}
	}
}

func check(t *testing.T, m meeting, o observed, proto protocol) {
	explained := false
	for _, s := range m.may {
		explained = explained || s.explains(o, proto)
	}
	if !explained {
		t.Errorf("%s %s: got %+v, want one of %v", m.method, m.name, o, m.may)
	}
	if !o.head {
		return
	}
	for rule, surely := range m.hits {
		if told := strings.Contains(strings.Join(o.rules, " ")+" ", rule+" "); surely && !told {
			t.Errorf("%s %s: X-Fault-Injected: got %q, want %s", m.method, m.name, o.rules, rule)
		}
	}
	for _, rule := range m.never {
		if strings.Contains(strings.Join(o.rules, " ")+" ", rule+" ") {
			t.Errorf("%s %s: X-Fault-Injected: got %q, want no %s", m.method, m.name, o.rules, rule)
		}
	}
}

// checkTold compares what the metrics and the journal tell with what the client
// saw.
func checkTold(t *testing.T, meetings []meeting, got []observed, before map[string]float64, c *client) {
	t.Helper()
	type entry struct {
		Rule, Method, Path string
		Done               bool
		Bytes              int
	}
	var journal struct{ Entries []entry }
	eventually(t, func() error {
		journal.Entries = nil
		_, text := c.admin(t, "GET", "/journal?limit=100000", "")
		if err := json.Unmarshal([]byte(text), &journal); err != nil {
			return err
		}
		for _, e := range journal.Entries {
			if !e.Done {
				return fmt.Errorf("not done: %+v", e)
			}
		}
		return nil
	})
	told := make(map[string]map[string]int)
	for _, e := range journal.Entries {
		key := e.Method + " " + e.Path
		if told[key] == nil {
			told[key] = make(map[string]int)
		}
		told[key][e.Rule]++
	}
	perRule := make(map[string]int)
	for i, m := range meetings {
		in := told[m.method+" "+m.path]
		for rule, surely := range m.hits {
			if n := in[rule]; n > 1 || surely && n != 1 {
				t.Errorf("%s %s: %d hits of %s in the journal, want 1", m.method, m.name, n, rule)
			}
			if n := in[rule]; n == 0 && strings.Contains(strings.Join(got[i].rules, " ")+" ", rule+" ") {
				t.Errorf("%s %s: %s is disclosed and not in the journal", m.method, m.name, rule)
			}
			perRule[rule] += in[rule]
		}
		for _, rule := range m.never {
			if in[rule] > 0 {
				t.Errorf("%s %s: %s is in the journal", m.method, m.name, rule)
			}
		}
	}
	for rule, n := range injectedByRule(t) {
		if n -= before[rule]; n != float64(perRule[rule]) {
			t.Errorf("%s: counted %v hits, the journal has %d", rule, n, perRule[rule])
		}
	}
}

// injectedByRule are the counts of one point after another, by rule.
func injectedByRule(t *testing.T) map[string]float64 {
	t.Helper()
	ctx := caddy.ActiveContext()
	families, err := ctx.GetMetricsRegistry().Gather()
	if err != nil {
		t.Errorf("gathering metrics: %v", err)
	}
	counts := make(map[string]float64)
	for _, family := range families {
		if family.GetName() != "caddy_fault_injected_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, pair := range m.GetLabel() {
				if pair.GetName() == "rule" && strings.HasPrefix(pair.GetValue(), "meet-") {
					counts[pair.GetValue()] = m.GetCounter().GetValue()
				}
			}
		}
	}
	return counts
}

// askClient sends the requests by an HTTP client.
func askClient(t *testing.T, c *client) func(m meeting) (observed, error) {
	return func(m meeting) (o observed, err error) {
		r, err := http.NewRequestWithContext(t.Context(), m.method, c.url(m.path+m.query), requestBody(m))
		if err != nil {
			return o, err
		}
		got, err := c.try(r)
		if err != nil {
			if !streamEnded(err) {
				return o, err
			}
			return o, nil
		}
		if got.bodyErr != nil && !streamEnded(got.bodyErr) {
			return o, got.bodyErr
		}
		return observed{true, got.StatusCode, got.body, got.bodyErr == nil, got.Header.Values("X-Fault-Injected")}, nil
	}
}

func requestBody(m meeting) io.Reader {
	if m.method == http.MethodPost {
		return strings.NewReader("hello")
	}
	return nil
}

// askOnWire sends each request on a connection of its own, and another one behind it:
// that is answered, or the connection has ended.
func askOnWire(t *testing.T, s *site) func(m meeting) (observed, error) {
	return func(m meeting) (o observed, err error) {
		conn, err := s.dialTCP("http/1.1")
		if err != nil {
			return o, err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		c := newRawConn(t, conn)
		body := ""
		if m.method == http.MethodPost {
			body = "hello"
		}
		if _, err := io.WriteString(conn, request(m.method, m.path+m.query, body)); err != nil {
			return o, err
		}
		got, err := c.readReply(m.method)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return o, err
		}
		if strings.HasPrefix(got.head, "HTTP/1.1 ") && strings.HasSuffix(got.head, "\r\n\r\n") {
			o = observed{head: true, body: got.body, whole: err == nil, rules: headerOf(got.head).Values("X-Fault-Injected")}
			o.status, _ = strconv.Atoi(got.head[9:12])
			if s.wrapper && strings.HasPrefix(got.head, "HTTP/1.1 551 ") && !strings.HasPrefix(got.head, line551) {
				return o, fmt.Errorf("status line of %.60q", got.head)
			}
		} else if strings.Contains(got.head, "HTTP/") {
			return o, fmt.Errorf("half a head: %.100q", got.head)
		}
		if err != nil {
			if rest, _ := io.ReadAll(c.in); strings.Contains(string(rest), "HTTP/") {
				return o, fmt.Errorf("after the end of the reply: %.100q", rest)
			}
			return o, nil
		}
		_, _ = io.WriteString(conn, get("/alive")) // it may have been closed
		switch next, err := c.readReply(http.MethodGet); {
		case errors.Is(err, os.ErrDeadlineExceeded), err == nil && next.body != "alive", err != nil && next.head != "":
			return o, fmt.Errorf("next request on the connection: got %.200q, error %v", next, err)
		}
		return o, nil
	}
}

var pairPhases = []string{"request", "response"}

// rule is one rule at a point of the tests.
func rule(name, path, phase string, chain ...piece) string {
	text := "rule " + name + " {\nmatch path " + path + "\nphase " + phase + "\n"
	for _, p := range chain {
		text += p.text + "\n"
	}
	return text + "}\n"
}

// pairsOfOneRule are all pairs of faults that one rule may have, as the rules of a
// point and the requests for them.
func pairsOfOneRule() (rules string, meetings []meeting) {
	for _, phase := range pairPhases {
		for i, a := range pieces() {
			for j, b := range pieces() {
				if !loads([]piece{a, b}) {
					continue
				}
				name := fmt.Sprintf("meet-%s-%d-%d", phase, i, j)
				rules += rule(name, "/one/"+name, phase, a, b)
				m := meeting{
					path: "/one/" + name, method: http.MethodGet,
					name: fmt.Sprintf("one rule, phase %s: %s; %s", phase, oneLine(a.text), oneLine(b.text)),
					may:  through([]piece{a, b}, fromUpstream),
					hits: map[string]bool{name: true},
				}
				meetings = append(meetings, m)
				m.method, m.query = http.MethodPost, "?chunked"
				m.may = through([]piece{a, b}, seen{status: 200, body: pairsBody, length: -1, json: true})
				meetings = append(meetings, m)
			}
		}
	}
	return rules, meetings
}

// pairsOfTwoPoints are all pairs of faults at two points.
func pairsOfTwoPoints() (outer, inner string, meetings []meeting) {
	for _, phase := range pairPhases {
		for i, p := range pieces() {
			outer += rule(fmt.Sprintf("meet-outer-%s-%d", phase, i), fmt.Sprintf("/two/%s/%d/*", phase, i), phase, p)
			inner += rule(fmt.Sprintf("meet-inner-%s-%d", phase, i), fmt.Sprintf("/two/*/*/%s/%d", phase, i), phase, p)
		}
	}
	for _, outerPhase := range pairPhases {
		for i, a := range pieces() {
			for _, innerPhase := range pairPhases {
				for j, b := range pieces() {
					m := meeting{
						path:   fmt.Sprintf("/two/%s/%d/%s/%d", outerPhase, i, innerPhase, j),
						method: http.MethodGet,
						name:   fmt.Sprintf("outer, phase %s: %s; inner, phase %s: %s", outerPhase, oneLine(a.text), innerPhase, oneLine(b.text)),
						hits:   make(map[string]bool),
					}
					outerRule, innerRule := fmt.Sprintf("meet-outer-%s-%d", outerPhase, i), fmt.Sprintf("meet-inner-%s-%d", innerPhase, j)
					m.hits[innerRule] = a.kind != "sequence"
					m.hits[outerRule] = true
					if outerPhase == "request" {
						m.may = through([]piece{a, b}, fromUpstream)
						if a.ends {
							delete(m.hits, innerRule)
							m.never = []string{innerRule}
						}
					} else {
						m.may = nil
						none := 0
						replies := through([]piece{b}, fromUpstream)
						for _, s := range replies {
							if s.none {
								none++
								m.may = append(m.may, s)
								continue
							}
							m.may = append(m.may, a.turn(s)...)
						}
						m.hits[outerRule] = none == 0
						m.hits[innerRule] = true
						if none == len(replies) {
							delete(m.hits, outerRule)
							m.never = []string{outerRule}
						}
					}
					meetings = append(meetings, m)
				}
			}
		}
	}
	return outer, inner, meetings
}

// TestPairs has every kind of fault meet every other one, in one rule and at two
// points.
func TestPairs(t *testing.T) {
	up := serve(t, pairsUpstream)
	rules, meetings := pairsOfOneRule()
	outer, inner, two := pairsOfTwoPoints()
	meetings = append(meetings, two...)
	directives := "fault {\npoint one\n" + rules + "}\nfault {\npoint outer\n" + outer + "}\nfault {\npoint inner\n" + inner + "}\n" + up.proxy() + "\n" + accessLog
	for _, way := range []struct {
		name         string
		tls, wrapper bool
		proto        protocol
	}{
		{"HTTP/1.1", false, false, h1},
		{"HTTP/1.1, wrapper", false, true, h1},
		{"HTTP/2", true, true, h2},
		{"HTTP/3", true, false, h3},
	} {
		t.Run(way.name, func(t *testing.T) {
			s := start(t, config{tls: way.tls, wrapper: way.wrapper, admin: true, global: "fault {\njournal 100000\n}", site: directives})
			s.wantAdmin(t, 204, "DELETE", "/journal", "", "")
			c := s.client(t, way.proto)
			if way.proto == h1 {
				all(t, meetings, askOnWire(t, s), c)
				return
			}
			wantReply(t, c.get(t, "/alive"), 200, "alive") // the one connection is open
			all(t, meetings, askClient(t, c), c)
			if dials := c.dials.get(); dials != 1 {
				t.Errorf("connections opened: got %d, want 1", dials)
			}
		})
	}
}

// TestTriples has three kinds meet in one rule.
func TestTriples(t *testing.T) {
	up := serve(t, pairsUpstream)
	var rules strings.Builder
	var meetings []meeting
	for i, a := range pieces() {
		for j, b := range pieces() {
			for k, c := range pieces() {
				chain := []piece{a, b, c}
				if !loads(chain) {
					continue
				}
				name := fmt.Sprintf("meet-%d-%d-%d", i, j, k)
				rules.WriteString(rule(name, "/"+name, "request", chain...))
				meetings = append(meetings, meeting{
					path: "/" + name, method: http.MethodGet,
					name: oneLine(a.text) + "; " + oneLine(b.text) + "; " + oneLine(c.text),
					may:  through(chain, fromUpstream),
					hits: map[string]bool{name: true},
				})
			}
		}
	}
	s := start(t, config{admin: true, global: "fault {\njournal 100000\n}", site: "fault {\n" + rules.String() + "}\n" + up.proxy() + "\n" + accessLog})
	s.wantAdmin(t, 204, "DELETE", "/journal", "", "")
	all(t, meetings, askOnWire(t, s), s.client(t, h1))
}

// TestUseless looks for a fault that makes no difference in each chain of two
// that does not load, whatever the upstream says.
func TestUseless(t *testing.T) {
	refused := 0
	for _, a := range pieces() {
		for _, b := range pieces() {
			if a.ends || loads([]piece{a, b}) {
				continue
			}
			refused++
			useless := idleBefore(a, b) || sameReplies([]piece{a, b}, []piece{a})
			for _, one := range a.of {
				useless = useless || idleBefore(one, b)
			}
			if !useless {
				t.Errorf("%s; %s: does not load, although both make a difference", oneLine(a.text), oneLine(b.text))
			}
		}
	}
	if refused == 0 {
		t.Error("every chain loads")
	}
}

// idleBefore reports whether a changes nothing of what b lets through.
func idleBefore(a, b piece) bool { return !a.ends && sameReplies([]piece{a, b}, []piece{b}) }

// sameReplies reports whether two chains make the same of every reply.
func sameReplies(a, b []piece) bool {
	for _, from := range []seen{
		fromUpstream,
		{status: 200, body: pairsBody, length: -1, json: true},
		{status: 200, body: "{}", length: 2, json: true},
		{status: 404, body: "not found", length: -1},
		{status: 204},
	} {
		got, want := make(map[seen]bool), make(map[seen]bool)
		for _, s := range through(a, from) {
			got[s] = true
		}
		for _, s := range through(b, from) {
			want[s] = true
		}
		if !maps.Equal(got, want) {
			return false
		}
	}
	return true
}
