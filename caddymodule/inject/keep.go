package inject

import (
	"net/http"

	"github.com/caddyfault/caddyfault/caddymodule/internal/private"
	"github.com/caddyfault/caddyfault/caddymodule/recent"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// kept is the number of a request in the recorder of recent requests.
const kept private.Slot[uint64] = "kept"

// keep keeps the request of a decision for previews, as the rules have seen it. Nothing
// hits an exempt request, so it is not kept.
func (in *injector) keep(r *http.Request, d *rules.Decision) {
	if !in.point.Reaches(r, d) || in.app.Exempts(r) {
		return
	}
	request := recent.Copy(r)
	if request == nil {
		return
	}
	in.ctl.Recent.Add(recent.Visit{
		ID: in.numberOf(r), Point: in.place.Point, Transport: in.place.Transport,
		Preflight: in.point.LetsPass(r), Client: clientOf(r), Request: request,
	})
}

// numberOf returns the number of a request, which is the same at all points. Each attempt
// of a proxy has a number, because each is decided.
func (in *injector) numberOf(r *http.Request) uint64 {
	if in.place.Transport {
		return in.ctl.Recent.NewID()
	}
	id := kept.Get(r)
	if id == 0 {
		id = in.ctl.Recent.NewID()
		kept.Set(r, id)
	}
	return id
}
