package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"strconv"
)

// draw is the point's number for a request, in [0,1).
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

// seedText is what distinguishes the sticky draws of this point from those of
// others: two points with the same seed give a key the same answer.
func (p *Point) seedText() string {
	if p.Seed != nil {
		return strconv.FormatInt(*p.Seed, 10)
	}
	return p.Name
}

// stickyDraw gives a key the same number on every node and after every start.
func stickyDraw(seed, key string) float64 {
	buf := make([]byte, 0, 128)
	buf = append(buf, seed...)
	buf = append(buf, 0) // no name or number has one, so the two cannot run together
	buf = append(buf, key...)
	sum := sha256.Sum256(buf)
	return unit(binary.BigEndian.Uint64(sum[:]))
}

// seededDraw is the n-th number of a seed. It needs no state but n, so
// requests that come at once cannot disturb one another.
func seededDraw(seed int64, n uint64) float64 {
	var pcg rand.PCG
	pcg.Seed(uint64(seed), n)
	return unit(pcg.Uint64())
}

// unit makes a number in [0,1) of 64 random bits; a float64 has room for 53.
func unit(bits uint64) float64 { return float64(bits>>11) / (1 << 53) }
