package inject

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/private"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// track is a request whose end the recorder of clients wants to know. It sees the status
// of the reply; the injection point adds the rest.
type track struct {
	head

	visit clients.Visit
	hit   *injection // nil: no fault has had an effect
}

// result returns how the request has ended. If returned is false, the handler has
// panicked to cut the reply.
func (t *track) result(r *http.Request, err error, returned bool) clients.Result {
	result := clients.Result{Outcome: t.outcome(r, err, returned), Status: t.status, RetryAfter: -1}
	if result.Outcome == clients.Reply {
		t.addReply(&result, err)
	}
	var body *wire.LentBody
	if t.hit != nil {
		body = t.hit.body
	}
	result.Body = body.Sum()
	// Over HTTP/1, net/http cannot notice that the client leaves while a body is unread.
	result.Late = result.Outcome == clients.Left && r.ProtoMajor == 1 && r.ContentLength != 0 && !body.Whole()
	return result
}

// endOf returns the end of an entry in the journal, for a request that ended with a
// result.
func (inj *injection) endOf(now time.Time, result *clients.Result, size int) experiments.End {
	if !inj.Confirmed() {
		return experiments.End{}
	}
	end := experiments.End{Took: inj.record.Age(now), Bytes: size, Change: inj.changes}
	if inj.track != nil && inj.track.visit.Watched() {
		end.Ending = result.Ending()
		if result.Outcome == clients.Left && !result.Late {
			end.Left = inj.track.visit.Since(now.UnixNano())
		}
	}
	return end
}

// addReply adds what the reply told the client.
func (t *track) addReply(result *clients.Result, err error) {
	if t.status == 0 {
		result.Status = http.StatusOK
		if err != nil {
			result.Status = statusOf(err)
		}
	}
	addHeader(result, t.ResponseWriter.Header())
}

// addHeader adds what a header tells the client. The header of a handler has the trailers
// as well.
func addHeader(result *clients.Result, header http.Header) {
	result.RetryAfter = retryAfter(header)
	if result.Status != http.StatusOK {
		return
	}
	for _, prefix := range [...]string{"", http.TrailerPrefix} {
		if code := header[prefix+"Grpc-Status"]; len(code) > 0 {
			result.Status, result.RetryAfter = grpcResult(code[0], header.Get(prefix+"Grpc-Retry-Pushback-Ms"))
		}
	}
}

func (t *track) outcome(r *http.Request, err error, returned bool) clients.Outcome {
	switch {
	case !returned && t.hit != nil && t.hit.hits.Faults.EndsWith(faults.InHandler).Aborts:
		return clients.NoReply // whatever it has done to the context of the connection
	case r.Context().Err() != nil, err != nil && statusOf(err) == faults.StatusClientClosed:
		return clients.Left
	case !returned && (t.status != 0 || t.hit != nil && strings.Contains(t.hit.kind, "malformed")):
		return clients.Cut
	case !returned:
		return clients.NoReply
	default:
		return clients.Reply
	}
}

// retryAfter returns how long a reply asks its client to wait, negative without a value. A
// date counts from the reply's own.
func retryAfter(header http.Header) time.Duration {
	seconds, at, ok := text.RetryAfter(header["Retry-After"])
	switch {
	case !ok:
		return -1
	case at.IsZero():
		const most = 1 << 30
		return time.Duration(min(seconds, most)) * time.Second
	}
	from, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		from = time.Now()
	}
	return max(at.Sub(from), 0)
}

// grpcResult returns the HTTP status that says to a client what a gRPC status does, and
// what the pushback of a gRPC server tells the client to wait.
func grpcResult(code, pushback string) (status int, wait time.Duration) {
	switch code {
	case "0":
		status = http.StatusOK
	case "4": // DEADLINE_EXCEEDED
		status = http.StatusGatewayTimeout
	case "8": // RESOURCE_EXHAUSTED
		status = http.StatusTooManyRequests
	case "10", "14": // ABORTED, UNAVAILABLE
		status = http.StatusServiceUnavailable
	case "2", "13", "15": // UNKNOWN, INTERNAL, DATA_LOSS
		status = http.StatusInternalServerError
	default: // the request is at fault, or must not be sent
		status = http.StatusBadRequest
	}
	ms, err := strconv.Atoi(pushback)
	if err != nil || ms < 0 {
		return status, -1
	}
	return status, time.Duration(min(ms, 1<<30)) * time.Millisecond
}

// look is pass for a request that may be one of a client that a fault has hit.
func (h *Handler) look(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, later *rules.Later) error {
	if h.watch != nil {
		if at := h.watch.Look(); at != 0 {
			return h.passTracked(w, r, next, later, at)
		}
	}
	return h.pass(w, r, next, later)
}

// passTracked is pass for a request that has come at a time at which clients are looked
// at.
func (h *Handler) passTracked(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, later *rules.Later, at int64) (err error) {
	q := h.arrival(r)
	visit := h.watch.ArriveAt(at, &q)
	if !visit.Watched() {
		return h.pass(w, r, next, later)
	}
	t := &track{visit: visit}
	t.ResponseWriter = w
	returned := false
	defer func() { visit.End(t.result(r, err, returned)) }()
	err = h.pass(t, r, next, later)
	returned = true
	return err
}

// tracked returns the writer for the faults of an injection: one that reports to the
// recorder how the request ends, unless there is one already.
func (inj *injection) tracked(w http.ResponseWriter) http.ResponseWriter {
	if inj.in.watch == nil {
		return w
	}
	if inj.upstream != 0 { // only the request of a reply may have been looked at
		if inj.track = writerOf(w, func(t *track) bool { return t.visit.At(inj.in.watch) }); inj.track != nil {
			return w
		}
	}
	inj.track, inj.owns = &inj.own, true
	inj.own.ResponseWriter = w
	return inj.track
}

// recordHit reports the hit of an entry in the journal to the recorder of clients, and
// adds to the entry which attempt of a call it is.
func (inj *injection) recordHit(entry *experiments.Entry, client string, repl *caddy.Replacer) {
	t := inj.track
	if t == nil {
		return
	}
	r := inj.original.request
	q := inj.in.arrivalOf(r, client, repl)
	q.Repeatable = inj.in.app.Repeatable(r)
	now := entry.Time.UnixNano()
	if inj.owns && inj.upstream != 0 {
		t.visit = inj.in.watch.Counted(now, &q)
	}
	t.hit = inj
	t.visit = inj.in.watch.HitAt(now, t.visit, &q, inj.rule, uint64(inj.id))
	call, n := t.visit.Attempt()
	entry.Call, entry.Attempt = call, int32(min(n, math.MaxInt32))
}

// endTrack reports to the recorder how the request has ended, also if no fault has had an
// effect on it. It returns how.
func (inj *injection) endTrack(now time.Time, r *http.Request, err error, returned bool) (result clients.Result) {
	t := inj.track
	if t == nil {
		return result
	}
	inj.lookAfter(r)
	if !t.visit.Watched() {
		return result
	}
	result = t.result(r, err, returned)
	if inj.owns {
		t.visit.EndAt(now.UnixNano(), result)
	}
	return result
}

// lookAfter looks a request up at its end, if no fault has had an effect on it and nobody
// has looked it up when it came.
func (inj *injection) lookAfter(r *http.Request) {
	if !inj.owns || inj.own.hit != nil || inj.upstream != 0 {
		return
	}
	if at := inj.in.watch.Look(); at != 0 {
		q := inj.in.arrival(r)
		inj.own.visit = inj.in.watch.ArriveAt(at, &q)
	}
}

// userKey is the placeholder of who has logged in.
const userKey = "http.auth.user.id"

// arrival is what the recorder needs to know of a request.
func (in *injector) arrival(r *http.Request) clients.Request {
	return in.arrivalOf(r, clientOf(r), text.Replacer(r))
}

// arrivalOf is arrival for a request whose client and replacer are known.
func (in *injector) arrivalOf(r *http.Request, client string, repl *caddy.Replacer) clients.Request {
	q := clients.Request{
		Method: r.Method, Host: r.Host, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header,
		Address: in.app.AddressOf(client), Conn: r.RemoteAddr,
	}
	q.Call, q.Client = in.app.NamesOf(repl)
	if q.Client == "" {
		if user, ok := repl.Get(userKey); ok {
			q.Client, _ = user.(string)
		}
	}
	if in.point.Place == faults.InTransport {
		q.Client, q.Call, q.Conn = "Caddy", attempted(r), ""
	}
	return q
}

// callOf has the number of a request whose attempts a proxy makes.
const callOf private.Slot[string] = "call"

var lastCall atomic.Uint64

// attempted names the request of a client that an attempt is for.
func attempted(r *http.Request) string {
	if name := callOf.Get(r); name != "" {
		return name
	}
	name := strconv.FormatUint(lastCall.Add(1), 36)
	callOf.Set(r, name)
	return name
}

// trackAttempt looks up an attempt of a proxy. It returns nil if nobody wants to know
// how the attempt ends.
func (t *Transport) trackAttempt(r *http.Request, client bool) *track {
	if t.watch == nil || !client {
		return nil
	}
	at := t.watch.Look()
	if at == 0 {
		return nil
	}
	q := t.arrival(r)
	visit := t.watch.ArriveAt(at, &q)
	if !visit.Watched() {
		return nil
	}
	return &track{visit: visit}
}

// attemptResult returns how an attempt of a proxy has ended.
func attemptResult(r *http.Request, resp *http.Response, err error) clients.Result {
	result := clients.Result{Outcome: clients.NoReply, RetryAfter: -1}
	failed, isStatus := errors.AsType[caddyhttp.HandlerError](err)
	switch {
	case err == nil:
		result.Outcome, result.Status = clients.Reply, resp.StatusCode
		addHeader(&result, resp.Header)
	case r.Context().Err() != nil:
		result.Outcome = clients.Left
	case isStatus && failed.StatusCode != http.StatusBadGateway:
		result.Outcome, result.Status = clients.Reply, failed.StatusCode
	}
	return result
}
