package clients

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Other is the name of all clients above MaxClients.
const Other = "other"

// client is one that a fault has hit.
type client struct {
	name   string
	shared bool   // may be several users
	home   *Point // that hit it first; its requests are looked at for overlaps there

	open     [modes]atomic.Int32 // open calls
	inFlight atomic.Int32
	overlaps atomic.Bool // its requests have overlapped
	counts   atomic.Bool // it counts its attempts

	down atomic.Pointer[period] // of the last failure; nil after a success

	mu     sync.Mutex
	passed samples // durations of requests that passed

	history history
}

// samples are the last durations, in nanoseconds.
type samples struct {
	n      int
	values [64]int64
}

func (s *samples) add(d int64) {
	s.values[s.n%len(s.values)] = d
	s.n++
}

func (s *samples) seconds() []float64 {
	found := make([]float64, min(s.n, len(s.values)))
	for i := range found {
		found[i] = time.Duration(s.values[i]).Seconds()
	}
	return found
}

// has reports whether a call is open that is recognized in a way.
func (c *client) has(m mode) bool { return c.open[m].Load() > 0 }

// begin counts a request at a point.
func (c *client) begin(at *Point) {
	if at == c.home && c.inFlight.Add(1) > 1 {
		c.overlaps.Store(true)
	}
}

// end counts the end of a request at a point.
func (c *client) end(at *Point) {
	if at == c.home {
		c.inFlight.Add(-1)
	}
}

// failed records that a fault of a period has hit the client.
func (c *client) failed(p *period) {
	if c.down.Load() == p {
		return
	}
	p.hit(c)
	if c.down.Swap(p) == nil {
		p.point.down.Add(1)
	}
}

// up records that the client waits for nothing, and returns the period of its last
// failure.
func (c *client) up(r *Recorder) *period {
	if c.down.Load() == nil {
		return nil
	}
	before := c.down.Swap(nil)
	if before != nil {
		r.down.Add(-1)
	}
	return before
}

// succeeded records that the client has what it wants.
func (c *client) succeeded(r *Recorder, start, now int64, passed bool) {
	if down := c.up(r); down != nil {
		down.recovered(c, now)
	}
	if passed {
		c.mu.Lock()
		c.passed.add(max(now-start, 0))
		c.mu.Unlock()
	}
}

// roster is the known clients. Looking one up takes no lock.
type roster struct {
	known atomic.Pointer[map[uint64]*client]
	other atomic.Pointer[client]

	mu sync.Mutex
}

// find returns the client with a hash, or nil if it is not known.
func (r *roster) find(sum uint64) *client {
	known := r.known.Load()
	if known == nil {
		return nil
	}
	if c := (*known)[sum]; c != nil {
		return c
	}
	return r.other.Load()
}

// add returns the client of a request, which is known from then on.
func (r *roster) add(sum uint64, q *Request, at *Point, most int) *client {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := map[uint64]*client{}
	if known := r.known.Load(); known != nil {
		if c := (*known)[sum]; c != nil {
			return c
		}
		if len(*known) >= most {
			if r.other.Load() == nil {
				r.other.Store(&client{name: Other, shared: true, home: at})
			}
			return r.other.Load()
		}
		fresh = maps.Clone(*known)
	}
	c := &client{name: q.clientName(), shared: q.Client == "", home: at}
	fresh[sum] = c
	r.known.Store(&fresh)
	return c
}

// all returns the known clients.
func (r *roster) all() (found []*client) {
	if known := r.known.Load(); known != nil {
		for _, c := range *known {
			found = append(found, c)
		}
	}
	if other := r.other.Load(); other != nil {
		found = append(found, other)
	}
	return found
}

// empty forgets all clients.
func (r *roster) empty() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.Store(nil)
	r.other.Store(nil)
}
