package match

import (
	"bytes"
	"io"
	"testing"
)

// BenchmarkJSONBody matches ten times by one body, as ten rules do.
func BenchmarkJSONBody(b *testing.B) {
	body := []byte(`{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "search"}}`)
	m := JSONBody{"/method": {"tools/list"}, "/params/name": {"search"}}
	for b.Loop() {
		r := post(bytes.NewReader(body))
		for range 10 {
			if m.Match(r) {
				b.Fatal("matches")
			}
		}
		_, _ = io.Copy(io.Discard, r.Body)
	}
}
