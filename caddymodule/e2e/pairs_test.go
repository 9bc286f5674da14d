package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// meetingBody is what the upstream sends in these tests.
var meetingBody = `{"text": "` + strings.Repeat("0123456789", 29) + `"}`

// The replies of the upstream.
var (
	sizedReply   = seen{status: 200, body: meetingBody, length: len(meetingBody), json: true}
	chunkedReply = seen{status: 200, body: meetingBody, length: -1, json: true}
)

func meetingPlace(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if r.URL.Path == "/alive" {
		_, _ = io.WriteString(w, "alive")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if r.URL.RawQuery == "chunked" {
		_ = http.NewResponseController(w).Flush()
	}
	_, _ = io.WriteString(w, meetingBody)
}

// observed is what a client got.
type observed struct {
	head   bool
	status int
	body   string
	whole  bool
	rules  []string // X-Fault-Injected
}

// loads reports whether one rule can have both faults.
func loads(chain ...piece) bool {
	var draft faults.Draft
	for _, p := range chain {
		if draft.Unmarshal(caddyfile.NewTestDispenser(p.text)) != nil {
			return false
		}
	}
	return true
}

func nameOf(chain ...piece) string {
	var names []string
	for _, p := range chain {
		names = append(names, oneLine(p.text))
	}
	return strings.Join(names, "; ")
}

// A meeting is one request at which some faults meet.
type meeting struct {
	method, path, query string

	name  string   // for messages: the faults
	may   []seen   // what the client may get
	rules []string // the rules that may hit it, outermost first

	silent string // the rule of a transport, which does not report a failed attempt to the client and does not count bytes
}

func (m meeting) String() string { return m.method + " " + m.name }

// key identifies a request in the journal.
func (m meeting) key() string { return m.method + " " + m.path }

// meet sends all requests, several at once. It compares the results with the possible
// ones, and with the reports of the points.
func meet(t *testing.T, meetings []meeting, ask func(m meeting) (observed, error), c *client) {
	t.Helper()
	c.wantAdmin(t, 204, "DELETE", "/journal", "", "")
	c.wantAdmin(t, 200, "POST", "/reset", "", "")
	before := injectedByRule(t)
	got := make([]observed, len(meetings))
	next := make(chan int)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := range next {
				o, err := ask(meetings[i])
				if err != nil {
					t.Errorf("%s: %v", meetings[i], err)
					continue
				}
				got[i] = o
				meetings[i].check(t, o, c.proto)
			}
		})
	}
	for i := range meetings {
		next <- i
	}
	close(next)
	wg.Wait()
	t.Logf("%d replies", len(meetings))
	checkTold(t, meetings, got, before, c)
	for line := range strings.SplitSeq(c.caddyLog(t), "\n") {
		if strings.Contains(line, "panic") {
			t.Errorf("caddy's log: %.300s", line)
			break
		}
	}
}

// check compares a reply with the possible ones, and its header with the rules that
// hit.
func (m meeting) check(t *testing.T, o observed, proto protocol) {
	explained := func(s seen) bool { return s.explains(o, proto) && (!o.head || m.told(s, o.told)) }
	if !slices.ContainsFunc(m.may, explained) {
		t.Errorf("%s: got %+v, want one of %+v", m, o, m.may)
	}
}

// told reports whether each rule is reported if the reply shows its effect. The client
// learns nothing of the silent rule.
func (m meeting) told(s seen, told func(rule string) int) bool {
	for i, rule := range m.rules {
		want := 0
		if s.hits[i] {
			want = 1
		}
		if rule != m.silent && told(rule) != want {
			return false
		}
	}
	return true
}

// told returns how often the header field names a rule.
func (o observed) told(rule string) (n int) {
	for _, name := range o.rules {
		if name == rule {
			n++
		}
	}
	return n
}

// A hitEntry is an entry of the journal.
type hitEntry struct {
	Rule, Method, Path string
	Done               bool
	Bytes              int
}

// journal returns the entries of each request, when all requests have ended.
func (s *site) journal(t *testing.T) map[string][]hitEntry {
	t.Helper()
	told := make(map[string][]hitEntry)
	eventually(t, func() error {
		clear(told)
		var journal struct{ Entries []hitEntry }
		_, text := s.admin(t, "GET", "/journal", "")
		if err := json.Unmarshal([]byte(text), &journal); err != nil {
			return err
		}
		for _, e := range journal.Entries {
			if !e.Done {
				return fmt.Errorf("not ended: %+v", e)
			}
			told[e.Method+" "+e.Path] = append(told[e.Method+" "+e.Path], e)
		}
		return nil
	})
	return told
}

// checkTold compares the metrics and the journal with what the clients saw.
func checkTold(t *testing.T, meetings []meeting, got []observed, before map[string]float64, c *client) {
	t.Helper()
	journal, logged, state, perRule := c.journal(t), c.logged(t, meetings), c.hitsByRule(t), make(map[string]int)
	for i, m := range meetings {
		inJournal, inLog := journal[m.key()], logged[m.key()]
		entries := func(rule string) (n int) {
			for _, e := range inJournal {
				if e.Rule == rule {
					n++
				}
			}
			return n
		}
		explained := func(s seen) bool {
			m := m
			m.silent = "" // here it reports like the others
			return s.explains(got[i], c.proto) && m.told(s, entries)
		}
		if !slices.ContainsFunc(m.may, explained) {
			t.Errorf("%s: got %+v, and the journal has %+v, want one of %+v", m, got[i], inJournal, m.may)
		}
		for outermost, rule := range m.rules {
			n := entries(rule)
			for _, e := range inJournal {
				// An outer patch may send, or change, the reply after an inner point is
				// done.
				if e.Rule == rule && got[i].whole && outermost == 0 && rule != m.silent && e.Bytes != len(got[i].body) {
					t.Errorf("%s: the journal has %d bytes at %s, want %d", m, e.Bytes, e.Rule, len(got[i].body))
				}
			}
			if got[i].head && rule != m.silent && n != got[i].told(rule) {
				t.Errorf("%s: the journal has %d hits of %s, the header %q", m, n, rule, got[i].rules)
			}
			if m := strings.Count(","+inLog+",", ","+rule+","); m != n {
				t.Errorf("%s: the journal has %d hits of %s, the access log %q", meetings[i], n, rule, inLog)
			}
			perRule[rule] += n
		}
	}
	for rule, n := range injectedByRule(t) {
		if n -= before[rule]; n != float64(perRule[rule]) || state[rule] != perRule[rule] {
			t.Errorf("%s: counted %v hits, the state has %d, the journal %d", rule, n, state[rule], perRule[rule])
		}
	}
	for _, m := range meetings[:min(20, len(meetings))] {
		c.wantAdmin(t, 200, "GET", fmt.Sprintf("/verify?rule=%s&exactly=%d", m.rules[0], perRule[m.rules[0]]), "", "")
	}
}

// logged returns the rules that the access log names, by request, when the log has all
// requests.
func (s *site) logged(t *testing.T, meetings []meeting) map[string]string {
	t.Helper()
	told := make(map[string]string)
	eventually(t, func() error {
		clear(told)
		for _, line := range s.access(t) {
			request, _ := line["request"].(map[string]any)
			path, _, _ := strings.Cut(fmt.Sprint(request["uri"]), "?")
			rules, _ := line["fault_rule"].(string)
			told[fmt.Sprint(request["method"])+" "+path] = rules
		}
		for _, m := range meetings {
			if _, ok := told[m.key()]; !ok {
				return fmt.Errorf("the access log has no line of %s", m.key())
			}
		}
		return nil
	})
	return told
}

// hitsByRule returns the counts that verify uses.
func (s *site) hitsByRule(t *testing.T) map[string]int {
	t.Helper()
	var state struct {
		Points []struct {
			Rules []struct {
				Name string
				Hits int
			}
		}
	}
	_, text := s.admin(t, "GET", "/?limit=10000", "")
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		t.Fatal(err)
	}
	hits := make(map[string]int)
	for _, p := range state.Points {
		for _, r := range p.Rules {
			hits[r.Name] = r.Hits
		}
	}
	return hits
}

// injectedByRule returns the number of hits so far, by rule.
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

// askOnStream sends requests with an HTTP client.
func (c *client) askOnStream(t *testing.T) func(m meeting) (observed, error) {
	return func(m meeting) (o observed, err error) {
		var body io.Reader
		if m.method == http.MethodPost {
			body = strings.NewReader("hello")
		}
		r, err := http.NewRequestWithContext(t.Context(), m.method, c.url(m.path+m.query), body)
		if err != nil {
			return o, err
		}
		got, err := c.try(r)
		switch {
		case streamEnded(err):
			return o, nil
		case err != nil:
			return o, err
		case got.bodyErr != nil && !streamEnded(got.bodyErr):
			return o, got.bodyErr
		}
		return observed{true, got.StatusCode, got.body, got.bodyErr == nil, got.Header.Values("X-Fault-Injected")}, nil
	}
}

// askOnWire sends each request on a separate connection, followed by another request,
// which gets a reply unless the connection has ended. A request must not hang, and
// nothing may follow a reply.
func (s *site) askOnWire(t *testing.T) func(m meeting) (observed, error) {
	return func(m meeting) (o observed, err error) {
		conn, err := s.dialTCP("http/1.1")
		if err != nil {
			return o, err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		c, body := newRawConn(t, conn), ""
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
		whole := err == nil
		if o, err = s.observe(got, whole); err != nil {
			return o, err
		}
		return o, c.checkNext(whole)
	}
}

// observe returns what a client got of a reply. It returns an error for an incomplete
// head, which no fault sends.
func (s *site) observe(got rawReply, whole bool) (o observed, err error) {
	switch got = got.final(); {
	case strings.HasPrefix(got.head, "HTTP/1.1 1") && strings.HasSuffix(got.head, "\r\n\r\n"): // no final head came
	case s.wrapper && strings.HasPrefix(got.head, "HTTP/1.1 551 ") && !strings.HasPrefix(got.head, line551):
		return o, fmt.Errorf("status line of %.60q", got.head)
	case strings.HasPrefix(got.head, "HTTP/1.1 ") && strings.HasSuffix(got.head, "\r\n\r\n"):
		o = observed{head: true, body: got.body, whole: whole, rules: headerOf(got.head).Values("X-Fault-Injected")}
		o.status, err = strconv.Atoi(got.head[9:12])
	case strings.Contains(got.head, "HTTP/"):
		err = fmt.Errorf("incomplete head: %.100q", got.head)
	}
	return o, err
}

// checkNext checks that a connection has only the reply to another request, or nothing
// if the reply before was incomplete.
func (c *rawConn) checkNext(whole bool) error {
	if !whole {
		rest, err := io.ReadAll(c.in)
		if strings.Contains(string(rest), "HTTP/") || errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("after a broken reply: %.100q, error %v", rest, err)
		}
		return nil
	}
	_, _ = io.WriteString(c, get("/alive")) // the connection may have been closed
	next, err := c.readReply(http.MethodGet)
	if errors.Is(err, os.ErrDeadlineExceeded) || err == nil && next.body != "alive" || err != nil && next.head != "" {
		return fmt.Errorf("next request on the connection: got %.200q, error %v", next, err)
	}
	return nil
}

// rule returns a rule for a point of the tests. The names of these points begin with
// meet.
func rule(name, path, phase string, chain ...piece) string {
	text := "rule " + name + " {\nmatch path " + path + "\nphase " + phase + "\n"
	for _, p := range chain {
		text += p.text + "\n"
	}
	return text + "}\n"
}

// pairsOfOneRule returns all pairs of faults that one rule may have: the rules of a
// point, and the requests for them.
func pairsOfOneRule() (rules string, meetings []meeting) {
	for _, phase := range phases {
		for i, a := range pieces() {
			for j, b := range pieces() {
				if !loads(a, b) {
					continue
				}
				name := fmt.Sprintf("meet-%s-%d-%d", phase, i, j)
				rules += rule(name, "/one/"+name, phase, a, b)
				m := meeting{
					method: http.MethodGet, path: "/one/" + name,
					name:  "one rule, phase " + phase + ": " + nameOf(a, b),
					may:   through(sizedReply, a, b),
					rules: []string{name},
				}
				meetings = append(meetings, m)
				m.method, m.query, m.may = http.MethodPost, "?chunked", through(chunkedReply, a, b)
				meetings = append(meetings, m)
			}
		}
	}
	return rules, meetings
}

// pairsOfTwoPoints returns all pairs of faults at two points.
func pairsOfTwoPoints() (outer, inner string, meetings []meeting) {
	outerName := func(phase string, i int) string { return fmt.Sprintf("meet-outer-%s-%d", phase, i) }
	innerName := func(phase string, i int) string { return fmt.Sprintf("meet-inner-%s-%d", phase, i) }
	for _, phase := range phases {
		for i, p := range pieces() {
			outer += rule(outerName(phase, i), fmt.Sprintf("/two/%s/%d/*", phase, i), phase, p)
			inner += rule(innerName(phase, i), fmt.Sprintf("/two/*/*/%s/%d", phase, i), phase, p)
		}
	}
	for _, outerPhase := range phases {
		for i, a := range pieces() {
			for _, innerPhase := range phases {
				for j, b := range pieces() {
					m := atTwoPoints(outerPhase, outerName(outerPhase, i), a, innerName(innerPhase, j), b)
					m.method, m.path = http.MethodGet, fmt.Sprintf("/two/%s/%d/%s/%d", outerPhase, i, innerPhase, j)
					m.name = fmt.Sprintf("two points, phases %s and %s: %s", outerPhase, innerPhase, nameOf(a, b))
					meetings = append(meetings, m)
				}
			}
		}
	}
	return outer, inner, meetings
}

// atTwoPoints returns the possible results of a at the outer point and b at the inner
// point.
func atTwoPoints(phase, outerRule string, a piece, innerRule string, b piece) (m meeting) {
	m.rules = []string{outerRule, innerRule}
	for _, s := range through(sizedReply, b) {
		s = s.further()
		if phase == "response" && s.none { // phase response needs a reply
			m.may = append(m.may, s)
			continue
		}
		for _, out := range through(s, a) {
			if phase == "response" {
				out.hits[1] = s.hits[1] // the inner rule has hit before, whatever the outer does
			}
			m.may = append(m.may, out)
		}
	}
	return m
}

// TestPairs combines every kind of fault with every other, in one rule and at two
// points.
func TestPairs(t *testing.T) {
	for _, kind := range faults.Kinds() {
		of := func(p piece) bool { return strings.HasPrefix(p.text+" ", kind+" ") }
		if !slices.ContainsFunc(append(pieces(), attempts()...), of) {
			t.Errorf("%s is in no pair", kind)
		}
	}
	up := serve(t, meetingPlace)
	rules, meetings := pairsOfOneRule()
	outer, inner, more := pairsOfTwoPoints()
	meetings = append(meetings, more...)
	directives := "fault {\n" + rules + "}\nfault {\npoint outer\n" + outer + "}\nfault {\npoint inner\n" + inner + "}\n" + up.proxy() + "\n" + accessLog
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
			c := start(t, config{tls: way.tls, wrapper: way.wrapper, admin: true, global: longJournal, site: directives}).client(t, way.proto)
			if way.proto == h1 {
				meet(t, meetings, c.askOnWire(t), c)
				return
			}
			wantReply(t, c.get(t, "/alive"), 200, "alive") // opens the only connection
			meet(t, meetings, c.askOnStream(t), c)
			if dials := c.dials.get(); dials != 1 {
				t.Errorf("connections opened: got %d, want 1", dials)
			}
		})
	}
}

// TestPairsOfAttempts combines the kinds for a transport with one another in one rule,
// and with those of a point in front of the proxy.
func TestPairsOfAttempts(t *testing.T) {
	up := serve(t, meetingPlace)
	outer, rules := "", ""
	var meetings []meeting
	for _, phase := range phases {
		for i, a := range attempts() {
			name := fmt.Sprintf("meet-attempt-%s-%d", phase, i)
			rules += rule(name, fmt.Sprintf("/two/*/*/%s/%d", phase, i), phase, a)
			for j, b := range attempts() {
				if !loads(a, b) {
					continue
				}
				pair := fmt.Sprintf("meet-attempt-%s-%d-%d", phase, i, j)
				rules += rule(pair, "/one/"+pair, phase, a, b)
				meetings = append(meetings, meeting{
					method: http.MethodGet, path: "/one/" + pair,
					name:   "transport, phase " + phase + ": " + nameOf(a, b),
					may:    through(sizedReply, a, b),
					rules:  []string{pair},
					silent: pair,
				})
			}
			for _, outerPhase := range phases {
				for j, b := range pieces() {
					outerName := fmt.Sprintf("meet-outer-%s-%d", outerPhase, j)
					m := atTwoPoints(outerPhase, outerName, b, name, a)
					m.method, m.path = http.MethodGet, fmt.Sprintf("/two/%s/%d/%s/%d", outerPhase, j, phase, i)
					m.name = fmt.Sprintf("phases %s and, in a transport, %s: %s", outerPhase, phase, nameOf(b, a))
					m.silent = name
					meetings = append(meetings, m)
				}
			}
		}
		for j, b := range pieces() {
			outer += rule(fmt.Sprintf("meet-outer-%s-%d", phase, j), fmt.Sprintf("/two/%s/%d/*", phase, j), phase, b)
		}
	}
	site := "fault {\npoint outer\n" + outer + "}\n" + proxied(up.addr, "", rules) + accessLog
	c := start(t, config{admin: true, global: longJournal, site: site}).client(t, h1)
	meet(t, meetings, c.askOnWire(t), c)
}

const longJournal = "fault {\njournal 100000\n}"

// TestTriples combines three kinds in one rule.
func TestTriples(t *testing.T) {
	up := serve(t, meetingPlace)
	var rules strings.Builder
	var meetings []meeting
	for i, a := range pieces() {
		for j, b := range pieces() {
			for k, c := range pieces() {
				if !loads(a, b, c) {
					continue
				}
				name := fmt.Sprintf("meet-%d-%d-%d", i, j, k)
				rules.WriteString(rule(name, "/"+name, "request", a, b, c))
				meetings = append(meetings, meeting{
					method: http.MethodGet, path: "/" + name,
					name:  nameOf(a, b, c),
					may:   through(sizedReply, a, b, c),
					rules: []string{name},
				})
			}
		}
	}
	c := start(t, config{admin: true, global: longJournal, site: "fault {\n" + rules.String() + "}\n" + up.proxy() + "\n" + accessLog}).client(t, h1)
	meet(t, meetings, c.askOnWire(t), c)
}

// TestUseless checks that each chain of two that does not load has a fault without an
// effect, whatever the upstream sends.
func TestUseless(t *testing.T) {
	refused := 0
	for _, a := range pieces() {
		for _, b := range pieces() {
			if a.ends || loads(a, b) {
				continue
			}
			refused++
			useless := idleBefore(a, b) || sameReplies([]piece{a, b}, []piece{a})
			for _, one := range a.of {
				useless = useless || idleBefore(one, b)
			}
			if !useless {
				t.Errorf("%s: does not load, although both make a difference", nameOf(a, b))
			}
		}
	}
	if refused == 0 {
		t.Error("every chain loads")
	}
}

// idleBefore reports whether a never changes the result of b.
func idleBefore(a, b piece) bool { return !a.ends && sameReplies([]piece{a, b}, []piece{b}) }

// sameReplies reports whether two chains have the same result for every reply.
func sameReplies(a, b []piece) bool {
	for _, from := range []seen{
		sizedReply,
		chunkedReply,
		{status: 200, body: "{}", length: 2, json: true},
		{status: 404, body: "not found", length: -1},
		{status: 204},
	} {
		got, want := make(map[seen]bool), make(map[seen]bool)
		for _, s := range through(from, a...) {
			got[s.outcome()] = true
		}
		for _, s := range through(from, b...) {
			want[s.outcome()] = true
		}
		if !maps.Equal(got, want) {
			return false
		}
	}
	return true
}
