package clients

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// Request is what a recorder needs to know of a request. A recorder reads the texts and
// the header during the call only and keeps short copies of some.
type Request struct {
	Method, Host, Path, Query string

	// Header is read for keys, traces and counters. No value is kept.
	Header http.Header

	// Call names the call, if the operator has said how. It may be empty.
	Call string

	// Client names the client, if the operator has said how or the client is
	// authenticated. If it is empty, the product in User-Agent and Address do.
	Client string

	// Address is the client's address.
	Address string

	// Conn tells connections apart, such as the remote address with its port.
	Conn string

	// Repeatable reports that the operator has declared the request idempotent,
	// whatever its method.
	Repeatable bool
}

// By is how the attempts of a call were recognized.
type By string

// The ways to recognize a call, from the surest.
const (
	ByCall  By = "call"  // a placeholder that the operator chose
	ByKey   By = "key"   // Idempotency-Key, or the ID that an SDK gives a call
	ByTrace By = "trace" // the trace, with method, host and path
	ByCount By = "count" // a counter of attempts
	ByGuess By = "guess" // the same client, method, host, path and query
)

// exact reports whether attempts that belong together were told apart from others.
func (b By) exact() bool { return b != ByGuess }

// mode is a By as an index.
type mode uint8

const (
	modeCall mode = iota
	modeKey
	modeTrace
	modeCount
	modeGuess
	modes
)

var modeNames = [modes]By{ByCall, ByKey, ByTrace, ByCount, ByGuess}

// idempotencyKey is the field that makes a POST safe to repeat. keyFields are the others
// that name a call but promise nothing.
const idempotencyKey = "Idempotency-Key"

var keyFields = [...]string{idempotencyKey, "Amz-Sdk-Invocation-Id", "X-Ms-Client-Request-Id"}

// A counter is a field in which a client counts its attempts. The first attempt has the
// number first.
type counter struct {
	field string
	first int
}

var counters = [...]counter{
	{"X-Stainless-Retry-Count", 0},
	{"Grpc-Previous-Rpc-Attempts", 0},
	{"X-Envoy-Attempt-Count", 1},
	{"Retry-Attempt", 0},
}

// seed is of this process: an identity never leaves it.
var seed = maphash.MakeSeed()

// hash returns a hash of texts, in their order. The processor hashes several of them at
// a time, so that maphash.Comparable of all takes more than twice as long.
func hash(start uint64, texts ...string) uint64 {
	sum := start
	for _, text := range texts {
		sum = (sum ^ maphash.String(seed, text)) * 0x9E3779B97F4A7C15
		sum ^= sum >> 29
	}
	return sum
}

// agent returns the product in User-Agent: what is before the first space, at most 64
// bytes.
func (q *Request) agent() string {
	values := q.Header["User-Agent"]
	if len(values) == 0 {
		return ""
	}
	product := values[0]
	if len(product) > maxAgent {
		product = product[:maxAgent]
	}
	if end := strings.IndexByte(product, ' '); end >= 0 {
		product = product[:end]
	}
	return product
}

const maxAgent = 64

// client returns a hash of who the client is.
func (q *Request) client() uint64 {
	if q.Client != "" {
		return hash(1, q.Client)
	}
	return hash(2, q.agent(), q.Address)
}

// clientName returns who the client is, for people.
func (q *Request) clientName() string {
	if q.Client != "" {
		return clean(q.Client, maxPath)
	}
	return strings.TrimSpace(clean(q.agent(), maxAgent) + " " + clean(q.Address, maxAgent))
}

// header returns the first value of a field. The name must be canonical.
func (q *Request) header(field string) string {
	if values := q.Header[field]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// identity names the call of a request in this process. Requests with the same identity
// belong together, unless a counter says otherwise.
type identity struct {
	mode   mode
	sum    uint64
	named  string // the key, for the report
	n      int    // of the attempt, if the client counts
	counts bool
}

// identify returns the identity of a request, by the first way that applies.
func (q *Request) identify(client uint64) identity {
	if q.Call != "" {
		return q.byCall(client)
	}
	if id, ok := q.byKey(client); ok {
		return id
	}
	if id, ok := q.byTrace(client); ok {
		return id
	}
	return q.byCount(q.fingerprint(client))
}

func (q *Request) byCall(client uint64) identity {
	return identity{mode: modeCall, sum: hash(client+3, q.Call), named: q.Call}
}

func (q *Request) byKey(client uint64) (identity, bool) {
	for i, field := range keyFields {
		if key := q.header(field); key != "" {
			return identity{mode: modeKey, sum: hash(client+uint64(4+i), key), named: key}, true
		}
	}
	return identity{}, false
}

// byTrace reads traceparent: version, trace ID, parent ID and flags, with hyphens
// between (W3C Trace Context, section 3.2).
func (q *Request) byTrace(client uint64) (identity, bool) {
	const from, to = len("00-"), len("00-") + 32
	value := q.header("Traceparent")
	if len(value) < to+len("-0000000000000000-00") || value[2] != '-' || value[to] != '-' {
		return identity{}, false
	}
	trace := value[from:to]
	return identity{mode: modeTrace, sum: hash(client+20, trace, q.Method, q.Host, q.Path), named: trace}, true
}

// byCount returns the identity of a request that nothing names, with its fingerprint.
func (q *Request) byCount(fingerprint uint64) identity {
	id := identity{mode: modeGuess, sum: fingerprint}
	if id.n, id.counts = q.attempt(); id.counts {
		id.mode = modeCount
	}
	return id
}

// fingerprint identifies a request that nothing names. It has no fields that change with
// each attempt, such as Date and Range.
func (q *Request) fingerprint(client uint64) uint64 {
	return hash(client, q.Method, q.Host, q.Path, q.Query)
}

// attempt returns the number of the attempt, from 1, and whether the client counts.
func (q *Request) attempt() (n int, counts bool) {
	for _, c := range counters {
		if text := q.header(c.field); text != "" {
			n, err := strconv.Atoi(text)
			return max(n-c.first+1, 1), err == nil
		}
	}
	if text := q.header("Amz-Sdk-Request"); text != "" { // attempt=2; max=3
		_, after, ok := strings.Cut(text, "attempt=")
		digits, _, _ := strings.Cut(after, ";")
		n, err := strconv.Atoi(digits)
		return max(n, 1), ok && err == nil
	}
	return 1, false
}

// mayRepeat reports whether the client may send the request again without knowing what
// became of it (RFC 9110, section 9.2.2).
func (q *Request) mayRepeat() bool {
	return q.Method != http.MethodPost && q.Method != http.MethodPatch ||
		q.Repeatable || q.header(idempotencyKey) != ""
}

// hostOnly returns a host without its port.
func hostOnly(host string) string {
	if strings.IndexByte(host, ':') < 0 {
		return host
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// places returns the host and the path for evidence. A short request line is kept in
// memory; copies are made of what comes from a long one.
func (q *Request) places() (host, path string) {
	host, path = hostOnly(q.Host), q.Path
	if len(q.Host)+len(q.Path)+len(q.Query) > maxLine {
		host, path = clean(host, maxPath), clean(path, maxPath)
	}
	return host, path
}

const maxLine = 2 * maxPath

// short returns the first 32 bits of the SHA-256 of a text. A report shows them in place
// of keys and queries.
func short(text string) uint32 {
	if text == "" {
		return 0
	}
	sum := sha256.Sum256([]byte(text))
	return binary.BigEndian.Uint32(sum[:])
}

// maxPath is the maximum size of a path in evidence, in bytes.
const maxPath = 128

// clean copies a text, without what is not UTF-8, and cuts it at a number of bytes.
func clean(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.Clone(strings.ToValidUTF8(text, ""))
}
