package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"strconv"
)

// draw returns the point's random number for a request, in [0,1).
func (p *Point) draw(r *http.Request) float64 {
	switch {
	case p.Sticky != "":
		if key := p.sticky.of(r); key != "" {
			return stickyDraw(p.seedText(), key)
		}
		return rand.Float64() //nolint:gosec // chance, not secrecy
	case p.Seed != nil:
		return seededDraw(*p.Seed, p.draws.Add(1))
	default:
		return rand.Float64() //nolint:gosec // chance, not secrecy
	}
}

// seedText returns the text that is hashed together with the key. Points with the same
// seed give the same answer to a key.
func (p *Point) seedText() string {
	if p.Seed != nil {
		return strconv.FormatInt(*p.Seed, 10)
	}
	return p.Name
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
