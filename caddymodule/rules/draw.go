package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// Draws says how numbers are drawn. By default they are random.
type Draws struct {
	// A text with placeholders, such as `{http.request.header.X-User}`, that determines
	// the draw. Requests with the same key get the same answer, on all nodes and after
	// all restarts. Requests without a key draw at random. A text without a placeholder
	// is an error. Default: draws that do not depend on a key.
	Sticky string `json:"sticky,omitempty"`

	// Makes draws repeatable. The n-th request that matches gets the n-th number of this
	// seed. With `sticky` the seed is hashed with the key: the same seed gives the same
	// answer to a key. Default: random draws; with `sticky` the name.
	Seed *int64 `json:"seed,omitempty"`
}

// Check returns an error if the key would be the same for all requests.
func (d *Draws) Check() error { return ValidKey("sticky", d.Sticky) }

// draws has what the numbers of an owner, in [0,1), depend on.
type draws struct {
	name   string // the seed of sticky draws without one
	seed   *int64
	sticky *keyText
	count  *atomic.Uint64 // of the numbers taken from the seed
}

func newDraws(d Draws, name string, place faults.Place) *draws {
	sticky := newKeyText(d.Sticky, place)
	return &draws{name, d.Seed, &sticky, new(atomic.Uint64)}
}

// draw returns the point's random number for a request.
func (p *Point) draw(r *http.Request) float64 { return p.drawing().draw(r) }

func (p *Point) drawing() draws { return draws{p.Name, p.Seed, &p.sticky, p.draws} }

// draw returns the number for a request.
func (d draws) draw(r *http.Request) float64 {
	switch {
	case d.sticky.text != "":
		if key := d.sticky.of(r); key != "" {
			return stickyDraw(d.seedText(), key)
		}
	case d.seed != nil:
		return seededDraw(*d.seed, d.count.Add(1))
	}
	return rand.Float64() //nolint:gosec // chance, not secrecy
}

// Knows reports whether read, and all that the explanation has read before, consists of
// what the request has. Other placeholders have a value only in a real request.
type Knows func(read func()) bool

// foresee returns the number for a request whose key determines it. Otherwise it returns
// [faults.AnyDraw]. It takes no draw.
func (d draws) foresee(r *http.Request, knows Knows) float64 {
	if d.sticky.text == "" || !knows(func() { text.Replacer(r).ReplaceAll(d.sticky.text, "") }) {
		return faults.AnyDraw
	}
	if key := d.sticky.of(r); key != "" {
		return stickyDraw(d.seedText(), key)
	}
	return faults.AnyDraw
}

// seedText returns the text that is hashed together with the key. Owners with the same
// seed give the same answer to a key.
func (d draws) seedText() string {
	if d.seed != nil {
		return strconv.FormatInt(*d.seed, 10)
	}
	return d.name
}

// stickyDraw returns a number in [0,1) that is the same for a key on all nodes and
// after all restarts.
func stickyDraw(seed, key string) float64 {
	buf := make([]byte, 0, 128)
	buf = append(buf, seed...)
	buf = append(buf, 0) // occurs in no name and no number, so it separates the seed from the key
	buf = append(buf, key...)
	sum := sha256.Sum256(buf)
	return unit(binary.BigEndian.Uint64(sum[:]))
}

// seededDraw returns the n-th number of a seed. It has no state, so concurrent requests
// do not disturb one another.
func seededDraw(seed int64, n uint64) float64 {
	var pcg rand.PCG
	pcg.Seed(uint64(seed), n)
	return unit(pcg.Uint64())
}

// unit converts 64 random bits to a number in [0,1). A float64 has room for 53 of them.
func unit(bits uint64) float64 { return float64(bits>>11) / (1 << 53) }
