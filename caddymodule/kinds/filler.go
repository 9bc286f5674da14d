package kinds

import (
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
)

// fillerBlock returns the letters and digits of which a body of a given size consists.
// The block is larger than the window of gzip, which therefore does not find repetitions.
var fillerBlock = sync.OnceValue(func() []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	random := rand.New(rand.NewPCG(0, 0)) //nolint:gosec // the same text in each process
	block := make([]byte, 64<<10)
	for i := range block {
		block[i] = alphabet[random.IntN(len(alphabet))]
	}
	return block
})

// filler is an endless text. The value is the place in the block.
type filler int

// Read fills p.
func (f *filler) Read(p []byte) (n int, err error) {
	for n < len(p) {
		m := copy(p[n:], fillerBlock()[*f:])
		n += m
		*f = filler((int(*f) + m) % len(fillerBlock()))
	}
	return n, nil
}

// size returns the size of the body of a reply.
func (f *Respond) size(body []byte) int64 {
	if f.BodySize > 0 {
		return f.BodySize
	}
	return int64(len(body))
}

// filler returns a body of the configured size.
func (f *Respond) filler() io.Reader { return io.LimitReader(new(filler), f.BodySize) }

// fill gives the reply of an attempt a body of the configured size.
func (f *Respond) fill(resp *http.Response) {
	resp.ContentLength = f.BodySize
	resp.Header.Set("Content-Length", strconv.FormatInt(f.BodySize, 10))
	if resp.Request.Method != http.MethodHead {
		resp.Body = io.NopCloser(f.filler())
	}
}
