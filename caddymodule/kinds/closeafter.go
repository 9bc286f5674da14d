package kinds

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// closeAfter calls next and ends the connection after the reply. Over HTTP/2, the server
// sends a GOAWAY frame for the field Connection, which it does not send.
func closeAfter(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.ProtoMajor > 2 {
		hit.Pass(passNoConnection) // the field would make the reply invalid
		return next.ServeHTTP(w, r)
	}
	cw := &closingWriter{hit: hit}
	cw.HeadWriter = wire.NewHeadWriter(w, cw)
	err := next.ServeHTTP(cw, r)
	if cw.HoldsReply() {
		cw.announce() // an error route or the server sends the head
	}
	return err
}

// A closingWriter announces in the head of a reply that the connection ends after it.
type closingWriter struct {
	wire.HeadWriter
	hit *faults.Hit
}

// TakeHead sends the head. An interim head and one that switches protocols need the
// connection.
func (cw *closingWriter) TakeHead(code int) {
	if code == http.StatusSwitchingProtocols {
		cw.hit.Pass(passUpgraded)
	} else {
		cw.announce()
	}
	cw.ResponseWriter.WriteHeader(code)
}

func (cw *closingWriter) announce() {
	if cw.hit.HasEnded() {
		return
	}
	cw.hit.Confirm()
	cw.ResponseWriter.Header().Set("Connection", "close")
}
