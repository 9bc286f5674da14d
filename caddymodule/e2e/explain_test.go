package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	faultcontrol "github.com/caddyfault/caddyfault/caddymodule/control"
)

// fiveSites is a configuration with everything that routes a request. The status and
// the body of each reply identify the handler that has sent it.
const fiveSites = `{
	admin off
	persist_config off
	auto_https off
	storage file_system {dir}/storage
	order fault before respond
	fault {
		exempt header X-Number 7
		exempt path /one/some* /strip/in
	}
	log default {
		output discard
	}
}

(shop) {
	handle_path /{args[0]}/* {
		fault {
			point {args[0]}
			rule {args[0]}-moved {
				match path /moved*
				respond 551
			}
		}
		respond "{args[0]} {path}" 201
	}
}

&(common) {
	fault {
		point common
		rule common-del {
			match method DELETE
			respond 552
		}
	}
	respond /common/* "common" 202
}

&(twice) {
	invoke common
	rewrite /again* /common/again
	invoke common
}

http://a.test:0 {
	bind 127.0.0.1
	encode gzip
	templates
	log_append seen {path}
	request_body {
		max_size 1MB
	}
	header Server-Name a
	@api path /api/*
	handle @api {
		fault {
			point api
			seed 1
			trigger header
			rule busy {
				match header X-Busy *
				respond 503
			}
			rule some {
				match path /api/some*
				percent 60
				respond 500
			}
			rule slow {
				match query slow=*
				delay 1ms
			}
			rule cut-short {
				match method POST
				truncate 1B
			}
		}
		reverse_proxy {up}
	}
	@asks header X-Fault *
	respond @asks "asks" 220
	handle_path /strip/* {
		fault /strip/* {
			point never
			respond 555
		}
		fault /in/* {
			point inside
			rule inside {
				respond 556
			}
		}
		respond "strip {path}" 203
	}
	import shop one
	import shop two
	handle {
		invoke twice
		respond "a" 210
	}
}

http://b.test:0 {
	bind 127.0.0.1
	vars kind plain
	vars /special/* kind special
	map {path} {size} {
		~^/big small
		/big/x large
		default none
	}
	@odd header_regexp X-Number [13579]$
	request_header @odd X-Odd yes
	route {
		rewrite /old/* /new{uri}
		uri strip_suffix .html
		error /gone* "gone" 410
		fault {
			point route
			rule special {
				match vars {vars.kind} special
				respond 557
			}
			rule odd {
				match {
					header X-Odd yes
					path /new/*
				}
				respond 558
			}
			rule small {
				match expression "{size} == 'small' && {method} == 'POST'"
				close
			}
		}
		respond /new/* "new" 204
		@post method POST
		respond @post "post" 211
		error /fail* "failed" 502
	}
	respond /x/* "x" 212
	redir /moved/* /new{uri} 307
	handle_errors 410 {
		fault {
			point errors
			rule on410 {
				match header X-Busy *
				respond 559
			}
		}
		respond "{err.status_code} handled" 213
	}
	handle_errors {
		rewrite * /errors{uri}
		respond /errors/fail/deep* "deep"
	}
}

http://c.test:0, http://*.c.test:0 {
	bind 127.0.0.1
	root * {dir}/files
	@private path /private/*
	basic_auth @private {
		me $2a$04$GUWAx2xNfJYwdZwmFAeWxuwBuP2.jC0Xpmks3MyFKHKN1pbmGDnAe
	}
	@sub host sub.c.test
	handle @sub {
		fault {
			point sub
			rule sub {
				match not path /api/*
				respond 560
			}
		}
		reverse_proxy {up} {
			rewrite /rewritten{uri}
			header_up X-Sent "{host}"
			transport fault {
				point sent
				rule sent {
					match {
						path /rewritten/api/x*
						header X-Sent sub.c.test
						header X-Forwarded-For 127.0.0.1
						header X-Forwarded-Proto http
						header Via *
					}
					respond 561
				}
			}
		}
	}
	try_files {path} {path}/index.txt /nothing.txt?missing=1
	fault {
		point files
		rule index {
			match path */index.txt
			match_response status 2xx
			respond 562
		}
		rule lost {
			match query missing=*
			match_response status 4xx
			respond 563
		}
	}
	file_server
	handle_errors {
		respond "{err.status_code}" 214
	}
}

http://d.test:0 {
	bind ::1
	@auth path /auth/*
	forward_auth @auth {up} {
		uri /status/{query.auth}
		copy_headers X-Method
	}
	handle /auth/* {
		fault {
			point authed
			rule authed {
				respond 564
			}
		}
	}
	handle /late/* {
		fault {
			point late
			trigger header
			rule late-bad {
				match_response status 5xx
				respond 565
			}
			rule late-slow {
				match header X-Busy *
				phase response
				delay 1ms
			}
		}
		reverse_proxy {up}
	}
	handle /caught/* {
		reverse_proxy {up} {
			@no status 4xx
			handle_response @no {
				fault {
					point caught
					rule caught {
						match header X-Busy *
						respond 566
					}
				}
				respond "caught" 215
			}
			@down status 503
			replace_status @down 299
		}
	}
	handle /broken/* {
		fault {
			point broken
			rule broken {
				match header X-Busy *
				error 418 "injected"
			}
		}
		reverse_proxy {up} {
			transport fault {
				point cable
				seed 1
				rule cut {
					match path /broken/cut*
					close
				}
				rule half {
					match path /broken/half*
					percent 50
					respond 567
				}
			}
		}
	}
	handle {
		abort /abort*
		respond "d" 216
	}
	handle_errors {
		respond "{err.status_code}" 217
	}
}

http://:0 {
	bind ::1
	@two {
		host e.test
		path /two/*
	}
	@three {
		query three=*
		not header X-Number *
	}
	fault @two {
		point draw
		seed 1
		rule either {
			percent 40
			respond 568
		}
		rule or-else {
			percent 60
			respond 569
		}
	}
	fault @three {
		point three
		rule three {
			respond 570
		}
	}
	intercept {
		@fine status 2xx
		replace_status @fine 218
	}
	respond /e/* "e" 206
	respond "any" 219
}
`

// The facts of an explanation.
type explained struct {
	Answer   string
	MayHit   bool `json:"may_hit"`
	Outcomes []struct {
		If   []string
		Hits []struct {
			Rule    string
			Percent float64
			If      string
		}
		EndedBy string `json:"ended_by"`
		Unknown bool
		Aborts  bool
		Status  int
	}
	Notes  []string
	Points []explainedPoint
}

type explainedPoint struct {
	Site, Point, Reason string

	Rules []explainedRule
}

type explainedRule struct {
	Why   string
	Fires bool
}

// explainer sends requests to handlers and explains them, in the process.
type explainer struct {
	t      *testing.T
	api    http.Handler
	client *http.Client
	addrs  map[string]string // by host

	upstream string
}

func startFiveSites(t *testing.T) *explainer {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "README"), nil)
	for _, name := range []string{"index.txt", "sub/index.txt", "page.txt", "private/page.txt"} {
		path := filepath.Join(dir, "files", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, []byte(name))
	}
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Upstream", "1")
		status := http.StatusOK
		for part := range strings.SplitSeq(r.URL.Path, "/") {
			if code, err := strconv.Atoi(part); err == nil && code >= 200 && code < 600 {
				status = code
			}
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "hello from the upstream")
	})
	caddyfile := strings.NewReplacer("{dir}", dir, "{up}", up.addr).Replace(fiveSites)
	if err := caddy.Load(adapt(t, caddyfile), true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t) })
	e := &explainer{t: t, api: api.New(faultcontrol.Of(context.Background()), nil), addrs: make(map[string]string), upstream: up.addr}
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		t.Fatal(err)
	}
	for _, srv := range app.(*caddyhttp.App).Servers {
		addr := srv.Listeners()[0].Addr().String()
		hosts := []string{"a.test", "b.test", "c.test", "sub.c.test", "none.test"}
		if strings.HasPrefix(addr, "[") {
			hosts = []string{"d.test", "e.test", "any.test"}
		}
		for _, host := range hosts {
			e.addrs[host] = addr
		}
	}
	transport := &http.Transport{
		DisableCompression: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			host, _, _ := net.SplitHostPort(addr)
			return new(net.Dialer).DialContext(ctx, network, e.addrs[host])
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	e.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return e
}

// asked is a request to explain and to send.
type asked struct {
	method, url string
	header      header
}

type header map[string]string

// MarshalJSON writes an empty object if there are no fields.
func (h header) MarshalJSON() ([]byte, error) {
	fields := map[string]string{}
	maps.Copy(fields, h)
	return json.Marshal(fields)
}

func (e *explainer) explain(a asked) (got explained) {
	e.t.Helper()
	body, err := json.Marshal(map[string]any{"method": a.method, "url": a.url, "header": a.header, "client": "127.0.0.1"})
	if err != nil {
		e.t.Fatal(err)
	}
	w := httptest.NewRecorder()
	e.api.ServeHTTP(w, httptest.NewRequestWithContext(e.t.Context(), http.MethodPost, api.Prefix+"/explain", strings.NewReader(string(body))))
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		e.t.Fatalf("%+v: %d %s: %v", a, w.Code, w.Body, err)
	}
	return got
}

// fact is the result of a request.
type fact struct {
	status   int // 0 if there is no reply
	rules    []string
	upstream bool
}

func (e *explainer) send(a asked) (got fact) {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), a.method, a.url, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	for name, value := range a.header {
		r.Header.Set(name, value)
	}
	resp, err := e.client.Do(r)
	if err != nil {
		return got
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return fact{resp.StatusCode, resp.Header["X-Fault-Injected"], resp.Header["X-Upstream"] != nil}
}

// agrees reports whether one of the outcomes is the result of the request.
func (x *explained) agrees(got fact) bool {
	for _, o := range x.Outcomes {
		var may []string
		certain := true
		for i, hit := range o.Hits {
			may = append(may, hit.Rule)
			last := i == len(o.Hits)-1 && o.EndedBy == "fault"
			if (last || hit.Percent == 100 && hit.If == "") && got.status != 0 && hit.Rule != "cut" && !slices.Contains(got.rules, hit.Rule) {
				certain = false
			}
		}
		extra := slices.ContainsFunc(got.rules, func(rule string) bool { return !slices.Contains(may, rule) })
		sameStatus := o.Status == 0 || o.Status == got.status
		if o.Aborts {
			sameStatus = got.status == 0
		}
		sameEnd := got.upstream == (o.EndedBy == "reverse_proxy") || o.EndedBy == "fault"
		if certain && !extra && sameStatus && sameEnd && !o.Unknown {
			return true
		}
	}
	return false
}

// mustSayMay reports whether each outcome except the last depends on something unknown.
func (x *explained) mustSayMay() bool {
	for _, o := range x.Outcomes[:len(x.Outcomes)-1] {
		open := len(o.If) > 0
		for _, hit := range o.Hits {
			open = open || hit.Percent < 100 || hit.If != ""
		}
		if !open {
			return false
		}
	}
	return true
}

// What explain reports in one line, and about the points that a request does not reach.
func TestExplainAnswers(t *testing.T) {
	e := startFiveSites(t)
	for _, tt := range []struct {
		host, path string
		header     map[string]string
		mayHit     bool
		want       string
	}{
		{"a.test", "/api/x", map[string]string{"X-Busy": "1"}, true, "503 by api/busy"},
		{"a.test", "/api/some", nil, true, "500 by api/some, 60 %; else the upstream UP"},
		{"a.test", "/api/x", nil, false, "the upstream UP; no fault can hit"},
		{"a.test", "/api/x?slow=1", nil, true, "delay 1ms by api/slow, then the upstream UP"},
		{"a.test", "/one/moved", nil, true, "551 by one/one-moved"},
		{"a.test", "/x", nil, false, "210 by static_response; no fault can hit"},
		{"b.test", "/moved/x", nil, false, "307 by static_response; no point is reached"},
		{"b.test", "/gone", map[string]string{"X-Busy": "1"}, true, "559 by errors/on410"},
		{"c.test", "/private/page.txt", nil, false, "214 by static_response; no point is reached"},
		{"sub.c.test", "/api/x", nil, true, "561 by sent/sent"},
		{"none.test", "/", nil, false, "no site serves http://none.test:PORT/"},
		{"d.test", "/late/x", nil, true, "565 by late/late-bad if it replies 5xx; else the upstream UP"},
		{"d.test", "/broken/half", nil, true, "567 by cable/half, 50 %; else the upstream UP"},
		{"d.test", "/broken/cut", nil, true, "close by cable/cut, then 217 by static_response"},
		{"d.test", "/broken/x", map[string]string{"X-Busy": "1"}, true, "error 418 injected by broken/broken, then 217 by static_response"},
		{"d.test", "/caught/x", map[string]string{"X-Busy": "1"}, true, "if the upstream replies 503: 299 by reverse_proxy in front of the upstream UP; else if the upstream replies 4xx: 566 by caught/caught; else the upstream UP"},
		{"d.test", "/abort", nil, false, "no reply: static_response aborts; no point is reached"},
		{"e.test", "/two/x", nil, true, "568 by draw/either, 40 %; else 569 by draw/or-else, 60 %"},
		{"e.test", "/e/x", nil, false, "218 by static_response; no fault can hit"},
	} {
		_, port, _ := net.SplitHostPort(e.addrs[tt.host])
		url := "http://" + net.JoinHostPort(tt.host, port) + tt.path
		got := e.explain(asked{http.MethodGet, url, tt.header})
		want := strings.NewReplacer("UP", e.upstream, "PORT", port).Replace(tt.want)
		if got.Answer != want || got.MayHit != tt.mayHit {
			t.Errorf("%s: got %q, may hit %v, want %q", url, got.Answer, got.MayHit, want)
		}
	}
	_, port, _ := net.SplitHostPort(e.addrs["a.test"])
	reasons := make(map[string]string)
	for _, p := range e.explain(asked{http.MethodGet, "http://a.test:" + port + "/api/x", nil}).Points {
		reasons[p.Site+" › "+p.Point] = p.Reason
	}
	for point, want := range map[string]string{
		"a.test › api":             "",
		"a.test › inside":          "its route does not match the request: the matcher 'path' does not match",
		"a.test › common":          "the request does not get here: reverse_proxy ends it, at a.test",
		"b.test › route":           "the point is at another site",
		"c.test, *.c.test › files": "the point is at another site",
		"[::1]:0 › three":          "the point is at another server, which listens on [::1]:0",
	} {
		if got, ok := reasons[point]; !ok || got != want {
			t.Errorf("%s: got %q, want %q", point, got, want)
		}
	}
	if t.Failed() {
		t.Logf("the points: %q", reasons)
	}
}

// The explanations of 10,000 random requests match their results.
func TestExplainEqualsReality(t *testing.T) {
	e := startFiveSites(t)
	rng := rand.New(rand.NewPCG(14, 2))
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	firsts := []string{
		"api", "strip", "one", "two", "again", "common", "special", "big", "old", "new", "gone", "fail", "x", "moved", "private",
		"auth", "late", "caught", "broken", "abort", "e", "sub", "page.txt", "index.txt", "",
	}
	favorites := map[string][]string{
		"a.test": {"api", "api", "strip", "strip", "one", "two", "again"},
		"b.test": {"special", "old", "new", "gone", "fail"},
		"c.test": {"private", "index.txt", "page.txt", "sub"},
		"d.test": {"auth", "late", "caught", "broken"},
	}
	seconds := []string{"", "in", "moved", "some", "x", "x.html", "deep", "page.txt", "404", "503", "cut", "half", "half", "204", "api"}
	methods := []string{"GET", "GET", "GET", "POST", "DELETE", "HEAD"}
	queries := []string{"", "", "?slow=1", "?three=3", "?auth=200", "?auth=401", "?missing=1"}
	const n = 10_000
	unlike, hits, open := 0, 0, 0
	seen := make(map[string]bool)
	for i := range n {
		host := pick("a.test", "b.test", "c.test", "sub.c.test", "none.test", "d.test", "e.test", "any.test")
		_, port, _ := net.SplitHostPort(e.addrs[host])
		first := pick(firsts...)
		if own := favorites[host]; len(own) > 0 && rng.IntN(2) == 0 {
			first = pick(own...)
		}
		a := asked{method: pick(methods...), header: map[string]string{}}
		a.url = fmt.Sprintf("http://%s/%s/%s%s%s", net.JoinHostPort(host, port), first, pick(seconds...), pick("", "", "/z"), pick(queries...))
		if rng.IntN(3) == 0 {
			a.header["X-Busy"] = "1"
		}
		if rng.IntN(3) == 0 {
			a.header["X-Number"] = strconv.Itoa(rng.IntN(10))
		}
		if rng.IntN(5) == 0 {
			a.header["X-Fault"] = pick("571", "delay 1ms", "pass", "nonsense", "delay 1ms; 572", "percent 0; 571", "percent 50; 571", "error 410", "close")
		}
		said := e.explain(a)
		got := e.send(a)
		for _, rule := range got.rules {
			seen[rule] = true
		}
		if len(got.rules) > 0 {
			hits++
		}
		if len(said.Outcomes) > 1 {
			open++
		}
		if !said.agrees(got) || len(got.rules) > 0 && !said.MayHit || !said.mustSayMay() {
			if unlike++; unlike <= 20 {
				t.Errorf("%d: %s %s %v: got %+v, explained as %q", i, a.method, a.url, a.header, got, said.Answer)
			}
		}
	}
	t.Logf("%d requests, %d hit by %d rules, %d with more than one outcome; %d are not as explained", n, hits, len(seen), open, unlike)
	var unseen []string
	for _, rule := range regexp.MustCompile(`rule ([a-z0-9-]+) {`).FindAllStringSubmatch(fiveSites, -1) {
		if !seen[rule[1]] && rule[1] != "small" && rule[1] != "cut" { // which prove little
			unseen = append(unseen, rule[1])
		}
	}
	if hits < n/20 || open < n/100 || open > n/10 || len(unseen) > 0 {
		t.Errorf("the requests cover too little: %d hit, %d with more than one outcome, none by %q", hits, open, unseen)
	}
}

// askExplain requests an explanation from a site's API.
func (s *site) askExplain(t *testing.T, ask string) (got explained) {
	t.Helper()
	ask = strings.ReplaceAll(ask, "SITE", s.scheme()+"://"+net.JoinHostPort(host, s.port0()))
	_, reply := s.admin(t, http.MethodPost, "/explain", ask)
	if err := json.Unmarshal([]byte(reply), &got); err != nil {
		t.Fatalf("%s: %s: %v", ask, reply, err)
	}
	return got
}

func (s *site) port0() string {
	_, port, _ := net.SplitHostPort(s.addr)
	return port
}

// If a rule, a point or a trigger depends on something that only a real request has,
// explain says so and does not guess.
func TestExplainNeverGuesses(t *testing.T) {
	up := serve(t, echo)
	for _, tt := range []struct {
		name, site, ask string
		mayHit          bool
		answer          string
	}{
		{
			"a rule by a certificate", "fault {\npoint p\nrule r {\nmatch vars {tls_client_subject} me\nrespond 551\n}\n}", `{"url": "SITE/"}`, true,
			"551 by p/r if it matches, which depends on {http.request.tls.client.subject} of the real request; else UP",
		},
		{
			"a rule that is not for it in any case", "fault {\npoint p\nrule r {\nmatch {\npath /no\nvars {tls_client_subject} me\n}\nrespond 551\n}\n}", `{"url": "SITE/"}`, false,
			"UP; no fault can hit",
		},
		{
			"a point by a certificate", "@me vars {tls_client_subject} me\nfault @me {\npoint p\nrule r {\nrespond 551\n}\n}", `{"url": "SITE/"}`, true,
			"UP; the point p may hit, because its matcher reads {http.request.tls.client.subject}, which only a real request has",
		},
		{
			"the reply", "fault {\npoint p\nrule r {\nmatch_response status 5xx\npercent 30\nrespond 551\n}\n}", `{"url": "SITE/"}`, true,
			"551 by p/r, 30 % if it replies 5xx; else UP",
		},
		{"phase response", "fault {\npoint p\nrule r {\nphase response\nrespond 551\n}\n}", `{"url": "SITE/"}`, true, "551 by p/r"},
		{"a body", "fault {\npoint p\nrule r {\nmatch vars {http.request.body} x\nrespond 551\n}\n}", `{"url": "SITE/", "method": "POST", "body": "x"}`, true, "551 by p/r"},
		{"no body", "fault {\npoint p\nrule r {\nmatch vars {http.request.body} x\nrespond 551\n}\n}", `{"url": "SITE/", "method": "POST"}`, false, "UP; no fault can hit"},
		{"a trigger", "fault {\npoint p\ntrigger header\n}", `{"url": "SITE/", "header": {"X-Fault": "551"}}`, true, "trigger: 551"},
		{"a trigger that an earlier point takes out", "route {\nfault {\npoint p\n}\n@x header X-Fault *\nrespond @x 200\nfault {\npoint q\ntrigger header\n}\nrespond 204\n}", `{"url": "SITE/", "header": {"X-Fault": "551"}}`, true, "trigger: 551"},
		{"dry run", "fault {\npoint p\nrule r {\ndry_run\nrespond 551\n}\n}", `{"url": "SITE/"}`, false, "UP; no fault can hit"},
		{"another kind", "fault {\npoint p\nrule r {\nhang\n}\n}", `{"url": "SITE/"}`, true, "hang by p/r"},
		{
			"any host", "fault {\npoint p\nrule r {\nmatch host fault.test\nrespond 551\n}\n}", `{"url": "/"}`, true,
			"if the host is fault.test: 551 by p/r; else an empty 200: no handler replies",
		},
		{
			"a host that is not this site's", "fault {\npoint p\nrule r {\nmatch host other.test\nrespond 551\n}\n}", `{"url": "/"}`, false,
			"if the host is fault.test: UP; else an empty 200: no handler replies; no fault can hit",
		},
		{"a host and no server", "fault {\npoint p\nrule r {\nmatch host fault.test\nrespond 551\n}\n}", `{"url": "/", "header": {"Host": "fault.test"}}`, true, "551 by p/r"},
		{
			"a sticky key that hits", "fault {\npoint p\nsticky {header.X-User}\nseed 1\nrule r {\npercent 30\nrespond 551\n}\n}", `{"url": "SITE/", "header": {"X-User": "ben"}}`, true,
			"551 by p/r",
		},
		{
			"a sticky key that passes", "fault {\npoint p\nsticky {header.X-User}\nseed 1\nrule r {\npercent 30\nrespond 551\n}\n}", `{"url": "SITE/", "header": {"X-User": "ann"}}`, false,
			"UP; no fault can hit",
		},
		{
			"no sticky key", "fault {\npoint p\nsticky {header.X-User}\nseed 1\nrule r {\npercent 30\nrespond 551\n}\n}", `{"url": "SITE/"}`, true,
			"551 by p/r, 30 %; else UP",
		},
		{
			"a sticky key of the real request", "fault {\npoint p\nsticky {http.auth.user.id}-{header.X-User}\nseed 1\nrule r {\npercent 30\nrespond 551\n}\n}", `{"url": "SITE/", "header": {"X-User": "ben"}}`, true,
			"551 by p/r, 30 %; else UP",
		},
		{
			"a sticky key after a share that depends on the host",
			"fault {\npoint p\nsticky {header.X-User}\nseed 1\nrule q {\nmatch host fault.test\npercent 30\nrespond 552\n}\nrule r {\npercent 50\nrespond 551\n}\n}", `{"url": "/", "header": {"X-User": "ann"}}`, true,
			"if the host is fault.test: 551 by p/r; else an empty 200: no handler replies",
		},
		{"another site", "fault {\npoint p\n}", `{"url": "http://other.test:1/"}`, false, "no site serves http://other.test:1/: servers listen on ADDR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, config{admin: true, site: tt.site + "\n" + up.proxy()})
			got := s.askExplain(t, tt.ask)
			want := strings.NewReplacer("UP", "the upstream "+up.addr, "ADDR", s.addr).Replace(tt.answer)
			if trigger, is := strings.CutPrefix(tt.answer, "trigger: "); is {
				if want = got.Answer; !strings.Contains(got.Answer, "/trigger") || !slices.ContainsFunc(got.Points, func(p explainedPoint) bool {
					return slices.ContainsFunc(p.Rules, func(r explainedRule) bool { return strings.Contains(r.Why, trigger) })
				}) {
					t.Errorf("got %+v, want a trigger", got)
				}
			}
			if got.Answer != want || got.MayHit != tt.mayHit {
				t.Errorf("got %q, may hit %v, notes %q, want %q", got.Answer, got.MayHit, got.Notes, want)
			}
			if hits := up.hits.get(); hits != 0 {
				t.Errorf("the upstream has been asked %d times", hits)
			}
		})
	}
}

// If the host decides which share an earlier rule takes, a sticky key decides nothing.
func TestExplainStickyByHost(t *testing.T) {
	s := start(t, config{admin: true, anyHost: true, site: "fault {\npoint p\nsticky {header.X-User}\nseed 1\nrule q {\nmatch host fault.test\npercent 30\nrespond 552\n}\nrule r {\npercent 50\nrespond 551\n}\n}\nrespond ok"})
	for ask, want := range map[string]string{
		`{"url": "/", "header": {"X-User": "ben"}}`:              "552 by p/q, 30 % if it matches, which depends on {http.request.host} of the real request; else 551 by p/r, 50 %; else 200 by static_response",
		`{"url": "http://x.test/", "header": {"X-User": "ben"}}`: "551 by p/r",
		`{"url": "http://x.test/", "header": {"X-User": "dan"}}`: "200 by static_response; no fault can hit",
	} {
		if got := s.askExplain(t, strings.Replace(ask, "x.test", "x.test:"+s.port0(), 1)); got.Answer != want {
			t.Errorf("%s: got %q, want %q", ask, got.Answer, want)
		}
	}
}

// While faults are halted nothing can hit, whatever the rules say.
func TestExplainHalted(t *testing.T) {
	up := serve(t, echo)
	s := start(t, config{admin: true, site: "fault {\npoint p\nrule r {\nrespond 551\n}\n}\n" + up.proxy()})
	s.wantAdmin(t, http.StatusOK, http.MethodPost, "/halt", "", "")
	got := s.askExplain(t, `{"url": "SITE/"}`)
	if got.MayHit || got.Answer != "the upstream "+up.addr+"; faults are halted" || !got.Points[0].Rules[0].Fires {
		t.Errorf("got %+v", got)
	}
	s.resume(t)
}
