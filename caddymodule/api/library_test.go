package api

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/caddyfault/caddyfault/caddymodule/control"
)

// Over HTTP/2 a write deadline that passes ends the reply, although nothing is
// written. So a feed sets one far away while it is silent. See
// caddymodule/docs/undocumented.md.
func TestFeedOverHTTP2(t *testing.T) {
	waits := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun\n")
		rc := http.NewResponseController(w)
		_ = rc.Flush()
		_ = rc.SetWriteDeadline(time.Now().Add(feedPatience))
		<-r.Context().Done()
	})
	for name, tt := range map[string]struct {
		handler func(*control.Control) http.Handler
		ends    bool
	}{
		"a deadline": {func(*control.Control) http.Handler { return waits }, true},
		"a feed":     {func(ctl *control.Control) http.Handler { return New(ctl, nil) }, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctl := control.New()
			defer ctl.BeginExit()
			client, server := net.Pipe()
			go new(http2.Server).ServeConn(server, &http2.ServeConnOpts{Handler: tt.handler(ctl)})
			transport := &http2.Transport{AllowHTTP: true}
			conn, err := transport.NewClientConn(client)
			if err != nil {
				t.Fatal(err)
			}
			ctx, leave := context.WithTimeout(t.Context(), 10*keepAlive)
			defer leave()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://x"+Prefix+"/journal", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept", "text/event-stream")
			resp, err := conn.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			began, lines := time.Now(), bufio.NewScanner(resp.Body)
			for lines.Scan() && time.Since(began) < 3*keepAlive {
			}
			err = lines.Err()
			if ended := err != nil && strings.Contains(err.Error(), "INTERNAL_ERROR"); ended != tt.ends {
				t.Errorf("%s: got error %v after %v, want one: %t", name, err, time.Since(began), tt.ends)
			}
			leave()
			_ = resp.Body.Close()
			_ = conn.Close()
			_ = server.Close()
		})
	}
}
