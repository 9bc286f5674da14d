package e2e

import (
	"io"
	"net/http"
	"slices"
	"testing"
)

// TestUncached keeps replies that a fault has written or changed out of caches,
// whatever the upstream sends. Otherwise caches could serve them after a halt.
func TestUncached(t *testing.T) {
	expiry := map[string]string{
		"Cache-Control": "public, max-age=3600", "Expires": "Tue, 25 Feb 2125 12:00:00 GMT", "Age": "5", "Surrogate-Control": "max-age=3600",
		"CDN-Cache-Control": "max-age=3600", "Cloudflare-CDN-Cache-Control": "max-age=3600",
	}
	up := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range expiry {
			w.Header().Set(name, value)
		}
		w.Header().Set("Last-Modified", "Tue, 25 Feb 2025 12:00:00 GMT")
		w.Header().Set("Etag", `"v1"`)
		w.Header().Set("Vary", "Accept")
		_, _ = io.WriteString(w, "some text")
	})
	site := "handle_errors {\nrespond handled\n}\n"
	paths := []string{"/respond", "/grpc", "/error", "/corrupt", "/clean", "/pad", "/attempt"}
	for i, fault := range []string{"respond 503", "grpc 14", "error 503", "corrupt 10%", "truncate 4B clean", "patch {\npad 20B\n}"} {
		site += "fault " + paths[i] + " {\nphase response\n" + fault + "\n}\n"
	}
	site += "handle /attempt {\nreverse_proxy " + up.addr + " {\ntransport fault {\nphase response\nrespond 404\n}\n}\n}\n"
	everywhere(t, config{site: site + "fault /status {\npatch {\nstatus 503\n}\n}\n" + up.proxy()}, func(t *testing.T, c *client) {
		for _, path := range append(paths, "/status") {
			got := c.get(t, path)
			if control := got.Header["Cache-Control"]; !slices.Equal(control, []string{"no-store"}) {
				t.Errorf("%s: got Cache-Control %q, want no-store", path, control)
			}
			for name := range expiry {
				if value := got.Header.Get(name); name != "Cache-Control" && value != "" {
					t.Errorf("%s: got %s %q", path, name, value)
				}
			}
			if path != "/status" && got.Header.Get("Last-Modified")+got.Header.Get("Etag") != "" {
				t.Errorf("%s: validators are left of the old body: %v", path, got.Header)
			}
			if path != "/attempt" && got.Header.Get("Vary") != "Accept" {
				t.Errorf("%s: got Vary %q", path, got.Header.Get("Vary"))
			}
		}
		if got := c.get(t, "/"); got.Header.Get("Cache-Control") != expiry["Cache-Control"] {
			t.Errorf("without a fault: got header %v", got.Header)
		}
	})
}
