package clients

import (
	"encoding/json"
	"testing"
	"time"
)

// FuzzRecorder feeds a recorder requests of any kind: nothing may panic, and the bounds
// hold.
func FuzzRecorder(f *testing.F) {
	f.Add([]byte("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99"), "GET", "/a", "key", "curl/8")
	f.Add([]byte("\xff\xfe\x01\x02"), "PO\x00ST", "/\xff\xfe", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "")
	f.Add([]byte{1, 9, 17, 25, 33, 2, 10}, "", "", "attempt=99999999999999999999", "\x00")
	fields := []string{"Idempotency-Key", "Traceparent", "Amz-Sdk-Request", "X-Stainless-Retry-Count", "Retry-Attempt", "X-Any"}
	results := []Outcome{Reply, Cut, NoReply, Left, Passed, Waiting, "nonsense"}
	f.Fuzz(func(t *testing.T, steps []byte, method, path, value, agent string) {
		w := newWorld(Settings{MaxCalls: 8, MaxClients: 2})
		var running []Visit
		for i, step := range steps[:min(len(steps), 500)] {
			q := request(method, path, "User-Agent", agent, fields[int(step)%len(fields)], value)
			q.Host, q.Query, q.Conn = value, agent, path
			if step&0x40 != 0 {
				q.Client, q.Call = path, value
			}
			switch step % 8 {
			case 0, 1, 2:
				running = append(running, w.hit(q))
			case 3, 4:
				running = append(running, w.point.Arrive(q))
			case 5:
				w.wait(time.Duration(int8(step)) * time.Second)
			case 6:
				w.point.End("busy")
			}
			if len(running) > 3 {
				running[0].End(Result{
					Outcome: results[i%len(results)], Status: int(step) * 7, RetryAfter: time.Duration(int8(step)) * time.Hour, Late: step&8 != 0, Body: uint64(step >> 6),
				})
				running = running[1:]
			}
		}
		ev := w.Evidence()
		if len(ev.Calls) > 16 || len(ev.Clients) > 3 {
			t.Fatalf("%d calls of %d clients", len(ev.Calls), len(ev.Clients))
		}
		if _, err := json.Marshal(Judge(Merge(ev, ev), Settings{})); err != nil {
			t.Fatal(err)
		}
	})
}
