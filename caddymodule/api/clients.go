package api

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
)

// ClientsView is the answer of GET /clients.
type ClientsView struct {
	clients.Report

	// Why is the reason why the assertion does not hold.
	Why string `json:"error,omitempty"`

	// Recorded is the evidence, for a client that joins the evidence of several nodes.
	Recorded *clients.Evidence `json:"recorded,omitempty"`

	// Settings are what Recorded is judged by.
	Settings *ClientsSettings `json:"settings,omitempty"`
}

// ClientsSettings are the settings that findings depend on. Durations are in seconds.
type ClientsSettings struct {
	Window   float64 `json:"window"`
	Recovery float64 `json:"recovery"`
	Attempts int     `json:"attempts"`
}

func newClientsSettings(s clients.Settings) *ClientsSettings {
	return &ClientsSettings{Window: s.Window.Seconds(), Recovery: s.Recovery.Seconds(), Attempts: s.Attempts}
}

// Settings returns the settings for [clients.Judge].
func (s *ClientsSettings) Settings() clients.Settings {
	seconds := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	return clients.Settings{Window: seconds(s.Window), Recovery: seconds(s.Recovery), Attempts: s.Attempts}
}

// clientsQuery is what GET /clients is asked for.
type clientsQuery struct {
	filter    clients.Filter
	assertion clients.Assertion
	recorded  bool
	limit     time.Duration
}

// getClients shows what clients did after a fault. If the request has an assertion that
// does not hold, the status is 417.
func (a *service) getClients(w http.ResponseWriter, r *http.Request) error {
	if err := a.recordsClients(); err != nil {
		return err
	}
	q, err := newClientsQuery(r.URL.Query())
	if err != nil {
		return err
	}
	view, holds, err := a.waitForClients(r, &q)
	if err != nil {
		return err
	}
	if q.recorded {
		evidence := a.ctl.Clients.Evidence()
		evidence = evidence.Select(q.filter)
		view.Recorded, view.Settings = &evidence, newClientsSettings(a.ctl.Clients.Settings())
	}
	status := http.StatusOK
	if !holds {
		status = http.StatusExpectationFailed
	}
	return Answer(w, status, view)
}

// forgetClients forgets what clients did.
func (a *service) forgetClients(w http.ResponseWriter, _ *http.Request) error {
	if err := a.recordsClients(); err != nil {
		return err
	}
	a.ctl.Clients.Forget()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// recordsClients returns an error if the configuration does not record clients.
func (a *service) recordsClients() error {
	if app := a.ctl.Current(); app != nil && !app.RecordsClients() {
		return Refuse(http.StatusNotFound, "clients are not recorded; remove the line 'clients off' from the global option fault")
	}
	return nil
}

// clientsEvery is how often a waiting assertion is checked. Time alone can change its
// result.
const clientsEvery = 250 * time.Millisecond

// waitForClients judges until the assertion holds or the time is up.
func (a *service) waitForClients(r *http.Request, q *clientsQuery) (view ClientsView, holds bool, err error) {
	deadline := time.Now().Add(q.limit)
	ended := serverEnd(r)
	for {
		view = ClientsView{Report: a.ctl.Clients.Judge(q.filter)}
		left := time.Until(deadline)
		if holds, view.Why = q.check(&view.Report); holds || left <= 0 {
			return view, holds, nil
		}
		again := time.NewTimer(min(left, clientsEvery))
		select {
		case <-again.C:
			continue
		case <-r.Context().Done():
		case <-ended.Done():
		}
		again.Stop()
		return view, false, Refuse(http.StatusServiceUnavailable, "the server is shutting down, for example because of a reload; try again")
	}
}

// check checks the assertion. A request without one asks for the report only.
func (q *clientsQuery) check(report *clients.Report) (holds bool, why string) {
	if a := &q.assertion; len(a.FailOn) == 0 && !a.Retry && a.MinCalls == 0 {
		return true, ""
	}
	return q.assertion.Check(report)
}

func newClientsQuery(params url.Values) (q clientsQuery, err error) {
	q.filter.Client = params.Get("client")
	if q.filter.Point, q.filter.Rule, err = ruleParams(params); err != nil {
		return q, err
	}
	if q.filter.Since, err = since(params); err != nil {
		return q, err
	}
	switch text := params.Get("calls"); text {
	case "", "false":
	case "true":
		q.recorded = true
	default:
		return q, Refuse(http.StatusBadRequest, "calls: '%s' is neither true nor false", text)
	}
	q.assertion.FailOn, q.assertion.Allow = words(params.Get("fail_on")), words(params.Get("allow"))
	if text := params.Get("require"); text != "" {
		if q.assertion.Retry = text == "retry"; !q.assertion.Retry {
			return q, Refuse(http.StatusBadRequest, "require: '%s' is not known; the only value is retry", text)
		}
	}
	if text := params.Get("min_calls"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return q, Refuse(http.StatusBadRequest, "min_calls: '%s' is not a number above 0, such as 20", text)
		}
		q.assertion.MinCalls = n
	}
	if err := q.assertion.Validate(); err != nil {
		return q, Refuse(http.StatusBadRequest, "%v", err)
	}
	if text := params.Get("wait"); text != "" {
		if q.limit, err = caddy.ParseDuration(text); err != nil || q.limit < 0 || q.limit > maxVerifyWait {
			return q, Refuse(http.StatusBadRequest, "wait: '%s' is not a duration of at most %s, such as 5s", text, maxVerifyWait)
		}
	}
	return q, nil
}

// words returns the names in a list with commas.
func words(list string) []string {
	return strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' })
}
