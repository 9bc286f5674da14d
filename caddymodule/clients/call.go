package clients

import "time"

// Outcome is how an attempt or a call ended.
type Outcome string

// The outcomes of an attempt. A reply has its status, as in "reply 503".
const (
	Reply   Outcome = "reply"    // a whole reply
	Cut     Outcome = "cut"      // part of a reply
	NoReply Outcome = "no_reply" // the connection or the stream was ended first
	Left    Outcome = "left"     // the client went first
	Passed  Outcome = "passed"   // a success that no fault touched
	Waiting Outcome = "waiting"  // the request has not ended
)

// The outcomes of a call.
const (
	Recovered Outcome = "recovered" // an attempt succeeded
	GaveUp    Outcome = "gave_up"   // nothing came within the window
	Refused   Outcome = "refused"   // the same, after a reply that said not to repeat
	Unseen    Outcome = "unseen"    // the same, but another node may have answered
	Lost      Outcome = "lost"      // closed early, since there were too many open calls
	Open      Outcome = "open"
)

// Result is how a request ended.
type Result struct {
	Outcome Outcome // Reply, Cut, NoReply or Left
	Status  int     // of a reply, or of its part

	// RetryAfter is what the reply told the client to wait, negative if it said nothing.
	RetryAfter time.Duration

	// Body is a hash of the request's body, 0 if the body is not known.
	Body uint64

	// Late reports that the end of the request was noticed late, since a body was not
	// read. The client may have left long before.
	Late bool
}

// succeeded reports whether the client has what it wanted.
func (r *Result) succeeded() bool { return r.Outcome == Reply && r.Status < 400 }

// saysNo reports whether a status tells the client not to send the request again.
func saysNo(status int) bool {
	return status >= 400 && status < 500 && status != 408 && status != 425 && status != 429
}

// attempt is one request of a call, in little memory. Times are in nanoseconds since
// 1970.
type attempt struct {
	start, end int64 // end 0: not ended
	hit        uint64
	body       uint64  // a hash, 0: not known
	rule       *string // nil: no rule has hit it
	conn       uint32
	retryAfter int32 // in milliseconds; -1: none
	status     uint16
	outcome    uint8 // index in outcomes
	overlap    bool  // began before another attempt of the call had ended
	late       bool
}

var outcomes = [...]Outcome{Waiting, Reply, Cut, NoReply, Left, Passed}

// The attempts that are kept of a call: the first and the last ones.
const (
	keepFirst = 3
	keepLast  = 5
	keepAll   = keepFirst + keepLast
)

// call is the attempts that belong together. Its shard's lock guards it.
type call struct {
	identity  uint64
	mode      mode
	client    *client
	point     *Point
	method    string
	host      string
	path      string
	query     uint32
	number    uint64 // of the calls of this process
	id        CallID
	mayRepeat bool

	kept     []attempt
	few      [1]attempt // of kept, while there are no more
	count    int        // all attempts
	inFlight int32
	deadline int64 // while nothing is in flight
	outcome  Outcome

	newer, older *call // in the order of use
	next         *call // with the same identity
}

// begin adds the attempt of a request that came at a time, and returns its number, from 1.
func (c *call) begin(start int64, q *Request) int {
	switch len(c.kept) {
	case 0:
		c.kept = c.few[:0]
	case len(c.few):
		c.kept = append(make([]attempt, 0, keepAll/2), c.kept...)
	}
	if len(c.kept) == keepAll {
		copy(c.kept[keepFirst:], c.kept[keepFirst+1:])
		c.kept = c.kept[:keepAll-1]
	}
	c.kept = append(c.kept, attempt{start: start, conn: connOf(q.Conn), overlap: c.inFlight > 0, retryAfter: -1})
	c.count++
	c.inFlight++
	return c.count
}

// attempt returns the attempt with a number, or nil if it is not kept.
func (c *call) attempt(n int) *attempt {
	if n < 1 || n > c.count {
		return nil
	}
	if n <= min(keepFirst, len(c.kept)) {
		return &c.kept[n-1]
	}
	if i := len(c.kept) - 1 - (c.count - n); i >= keepFirst {
		return &c.kept[i]
	}
	return nil
}

// end completes an attempt.
func (c *call) end(n int, now int64, result *Result) {
	c.inFlight = max(c.inFlight-1, 0)
	at := c.attempt(n)
	if at == nil || at.end != 0 {
		return
	}
	at.end, at.status, at.late = max(now, 1), uint16(min(max(result.Status, 0), 999)), result.Late
	if result.RetryAfter >= 0 {
		at.retryAfter = int32(min(result.RetryAfter, time.Hour*24).Milliseconds())
	}
	at.outcome, at.body = at.outcomeOf(result), result.Body
	if !result.Late {
		return
	}
	if next := c.attempt(n + 1); next != nil {
		next.overlap = false // the client had left before
	}
}

func (a *attempt) outcomeOf(result *Result) uint8 {
	if result.succeeded() && a.rule == nil {
		return indexOf(Passed)
	}
	return indexOf(result.Outcome)
}

// indexOf returns the index of an outcome in outcomes.
func indexOf(want Outcome) uint8 {
	for i, outcome := range outcomes {
		if outcome == want {
			return uint8(i)
		}
	}
	return 1
}

// Ending is the outcome of an attempt and the status of a reply, in little memory. The
// zero value says that it is not known.
type Ending uint16

const endingStatus = 1000 // the statuses of each outcome

// Ending returns how the request ended.
func (r *Result) Ending() Ending {
	return Ending(indexOf(r.Outcome))*endingStatus + Ending(min(max(r.Status, 0), endingStatus-1))
}

// String returns the ending as reports and the journal show it, such as "reply 503".
func (e Ending) String() string {
	if e == 0 {
		return ""
	}
	return outcomes[int(e/endingStatus)%len(outcomes)].text(int(e % endingStatus))
}

// given returns the outcome of a call after which nothing more has come.
func (c *call) given() Outcome {
	last := c.kept[len(c.kept)-1]
	if outcomes[last.outcome] == Reply && saysNo(int(last.status)) {
		return Refused
	}
	return GaveUp
}
