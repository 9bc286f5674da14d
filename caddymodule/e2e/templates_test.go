package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// page is an upstream whose pages are templates of the site.
func page(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	if strings.HasSuffix(r.URL.Path, "/json") {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Etag", `"v1"`)
	_, _ = io.WriteString(w, `{"a": "{{len "four"}} <<len "four">>"}`)
}

// The page as the upstream sends it, and as executed with each kind of delimiters.
const (
	pageRaw    = `{"a": "{{len "four"}} <<len "four">>"}`
	pageBraces = `{"a": "4 <<len "four">>"}`
	pageAngles = `{"a": "{{len "four"}} 4"}`
)

// eachTemplates runs a test with the templates directive, with default and with other
// delimiters.
func eachTemplates(t *testing.T, test func(t *testing.T, directive, executed string)) {
	t.Run("braces", func(t *testing.T) {
		test(t, "templates {\nmime text/html text/plain application/json\n}\n", pageBraces)
	})
	t.Run("angles", func(t *testing.T) {
		test(t, "templates {\nmime text/html text/plain application/json\nbetween << >>\n}\n", pageAngles)
	})
}

// TestTemplates never executes the text of a fault, wherever the text comes from. A
// reply that is only late, or cut, is executed as without the fault.
func TestTemplates(t *testing.T) {
	up := serve(t, page)
	eachTemplates(t, func(t *testing.T, directive, executed string) {
		site := "encode\nheader >X-Late yes\n" + directive
		handle := func(path, point string) {
			site += fmt.Sprintf("handle %s {\n%s\n%s\n}\n", path, point, up.proxy())
		}
		for _, phase := range phases {
			handle("/"+phase+"/html", "fault {\nphase "+phase+"\nrespond 551 `{http.request.header.Y}"+pageRaw+"` {\ncontent_type text/html\n}\n}")
			handle("/"+phase+"/json", "fault {\nphase "+phase+"\nrespond 551 `"+pageRaw+"`\n}")
			handle("/"+phase+"/grpc", "fault {\nphase "+phase+"\ngrpc 16 {http.request.header.Y}\n}")
			handle("/"+phase+"/pad", "fault {\nphase "+phase+"\npatch {\npad 50B\n}\n}")
			handle("/"+phase+"/insert", "fault {\nphase "+phase+"\nstream {\nformat lines\n1 insert `"+pageRaw+"`\n}\n}")
			handle("/"+phase+"/drop", "fault {\nphase "+phase+"\nstream {\nformat lines\n2 drop\n}\n}")
			handle("/"+phase+"/typed", "fault {\nphase "+phase+"\npatch {\ncontent_type text/plain\n}\n}")
			handle("/"+phase+"/corrupt", "fault {\nphase "+phase+"\ncorrupt 1%\n}")
			handle("/"+phase+"/delay", "fault {\nphase "+phase+"\ndelay 1ms\n}")
			handle("/"+phase+"/clean", "fault {\nphase "+phase+"\ntruncate "+fmt.Sprint(len(pageRaw)-1)+"B clean\n}")
			handle("/"+phase+"/status", "fault {\nphase "+phase+"\npatch {\nstatus 551\n}\n}")
			handle("/"+phase+"/passes/json", "fault {\nphase "+phase+"\npatch {\njson `{}`\n}\n}")
			handle("/"+phase+"/both", "fault {\nphase "+phase+"\npatch {\npad 50B\n}\n}\nroute {\nfault {\nphase response\nrespond 551 `"+pageRaw+"`\n}\n")
			site = strings.TrimSuffix(site, "}\n") + "}\n}\n"
		}
		everywhere(t, config{site: site + up.proxy()}, func(t *testing.T, c *client) {
			get := func(path string, status int) *reply {
				t.Helper()
				r := c.request(t, "GET", path, nil)
				r.Header.Set("Y", pageRaw)
				r.Header.Set("Connect-Protocol-Version", "1") // grpc then replies with JSON
				got := c.do(t, r)
				if got.StatusCode != status || got.Header.Get("X-Late") != "yes" {
					t.Errorf("%s: got %d, header %v, want %d", path, got.StatusCode, got.Header, status)
				}
				return got
			}
			want := func(path string, status int, contentType, body string) {
				t.Helper()
				if got := get(path, status); got.body != body || got.Header.Get("Content-Type") != contentType {
					t.Errorf("%s: got %q %q, want %q %q", path, got.Header.Get("Content-Type"), got.body, contentType, body)
				}
			}
			const html = "text/html; charset=utf-8"
			encoded, _ := json.Marshal(pageRaw)
			escaped := strings.NewReplacer(`"`, "&#34;", "<", "&lt;", ">", "&gt;").Replace(pageRaw)
			for _, phase := range phases {
				want("/"+phase+"/html", 551, "text/html", escaped+pageRaw)
				want("/"+phase+"/json", 551, "text/plain; charset=utf-8", pageRaw)
				want("/"+phase+"/grpc", 401, "application/json", `{"code":"unauthenticated","message":`+string(encoded)+`}`)
				want("/"+phase+"/pad", 200, html, pageRaw+strings.Repeat(" ", 50-len(pageRaw)))
				want("/"+phase+"/insert", 200, html, pageRaw+"\n"+pageRaw)
				want("/"+phase+"/drop", 200, html, executed)
				want("/"+phase+"/typed", 200, "text/plain", pageRaw)
				want("/"+phase+"/both", 551, "text/plain; charset=utf-8", pageRaw+strings.Repeat(" ", 50-len(pageRaw)))
				if got := get("/"+phase+"/corrupt", 200); differences(got.body, []byte(pageRaw)) != 1 {
					t.Errorf("corrupt: got %q, want %q except for a byte", got.body, pageRaw)
				}
				want("/"+phase+"/delay", 200, html, executed)
				want("/"+phase+"/clean", 200, html, strings.TrimSuffix(executed, "}"))
				want("/"+phase+"/status", 551, html, executed)
				want("/"+phase+"/passes/json", 200, "application/json", executed)
			}
			want("/plain", 200, html, executed)
		})
	})
}

// TestTemplatesExperiment never executes the text of an experiment.
func TestTemplatesExperiment(t *testing.T) {
	eachTemplates(t, func(t *testing.T, directive, _ string) {
		overEach(t, config{admin: true, site: directive + "handle {\nfault\nrespond none\n}"}, func(t *testing.T, c *client) {
			c.wantAdmin(t, 201, "PUT", "/experiments/strange",
				`{"points": ["*"], "ttl": "1m", "faults": [{"fault": "respond", "status_code": 418, "body": "{{env \"PATH\"}}<<env \"PATH\">>{http.request.header.Y}", "content_type": "text/plain"}]}`, "")
			r := c.request(t, "GET", "/", nil)
			r.Header.Set("Y", pageRaw)
			wantReply(t, c.do(t, r), 418, `{{env "PATH"}}<<env "PATH">>`+pageRaw)
			c.wantAdmin(t, 204, "DELETE", "/experiments/strange", "", "")
		})
	})
}

// TestTemplatesBetween has other directives between templates and the fault. Each
// handles the reply, and the text is not executed.
func TestTemplatesBetween(t *testing.T) {
	for name, tt := range map[string]struct {
		between     string
		status      int
		contentType string
	}{
		"header":         {"header >Content-Type text/html", 551, "text/html"},
		"encode":         {"encode {\nmatch status 551\nminimum_length 1\n}", 551, "text/plain; charset=utf-8"},
		"replace_status": {"intercept {\nreplace_status 403\n}", 403, "text/plain; charset=utf-8"},
		"intercept":      {"intercept {\n@other status 418\nhandle_response @other {\nrespond no\n}\n}", 551, "text/plain; charset=utf-8"},
		"no response":    {"intercept {\nhandle_response {\nheader X-Seen yes\n}\n}", 551, "text/plain; charset=utf-8"},
		"templates":      {"templates {\nbetween << >>\n}", 551, "text/plain; charset=utf-8"},
	} {
		t.Run(name, func(t *testing.T) {
			site := "route {\ntemplates\n" + tt.between + "\nfault {\nrespond 551 `" + pageRaw + " text`{\ncontent_type \"text/plain; charset=utf-8\"\n}\n}\n}"
			overEach(t, config{site: site}, func(t *testing.T, c *client) {
				r := c.request(t, "GET", "/", nil)
				if name == "encode" {
					r.Header.Set("Accept-Encoding", "gzip")
				}
				got := c.do(t, r)
				if name == "encode" {
					got.body = gunzip(t, got.body)
				}
				if got.StatusCode != tt.status || got.Header.Get("Content-Type") != tt.contentType || got.body != pageRaw+" text" {
					t.Errorf("got %d %q %q, want %d %q, not executed", got.StatusCode, got.Header.Get("Content-Type"), got.body, tt.status, tt.contentType)
				}
			})
		})
	}
}

// TestTemplatesOfEverything fails the request if templates would execute every reply,
// whatever its type, and this cannot be prevented.
func TestTemplatesOfEverything(t *testing.T) {
	site := "route {\ntemplates {\nmime \"\"\n}\nfault {\nrespond 551 `" + pageRaw + "`\n}\n}"
	overEach(t, config{site: site}, func(t *testing.T, c *client) {
		wantReply(t, c.get(t, "/"), 500, "")
		if !strings.Contains(c.caddyLog(t), "the templates directive would execute the text of a fault") {
			t.Error("the log does not say why")
		}
	})
}

// TestTemplatesAttempt never executes the reply of a fault in a transport, which the
// proxy passes on. If the type cannot hide the body, the body is removed.
func TestTemplatesAttempt(t *testing.T) {
	up := serve(t, page)
	for name, tt := range map[string]struct{ templates, body string }{
		"defaults":   {"templates", pageRaw},
		"angles":     {"templates {\nbetween << >>\n}", pageRaw},
		"all types":  {"templates {\nmime /\n}", ""},
		"error page": {"handle_errors {\ntemplates\n}", pageRaw},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := "reverse_proxy " + up.addr + " {\ntransport fault {\nrespond 418 `" + pageRaw + "`\n}\n}"
			site := "handle /f {\n" + proxy + "\n}\nroute /route {\n" + tt.templates + "\nhandle {\n" + proxy + "\n}\n}\n" + tt.templates
			if strings.HasPrefix(tt.templates, "handle_errors") {
				site = tt.templates + "\nhandle /* {\n" + proxy + "\n}\n"
			}
			overEach(t, config{site: site}, func(t *testing.T, c *client) {
				for _, path := range []string{"/f", "/route"} {
					got := c.get(t, path)
					wantReply(t, got, 418, tt.body)
					if contentType := got.Header.Get("Content-Type"); !strings.EqualFold(contentType, "text/plain; charset=utf-8") {
						t.Errorf("%s: got Content-Type %q", path, contentType)
					}
				}
			})
		})
	}
	proxy := "reverse_proxy " + up.addr + " {\ntransport fault {\nphase response\nrespond 418 text\n}\n}"
	overEach(t, config{site: proxy}, func(t *testing.T, c *client) {
		if got := c.get(t, "/"); got.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("without templates: got Content-Type %q", got.Header.Get("Content-Type"))
		}
	})
}

// TestTemplatesInclude never executes the text of a fault that a page includes with
// httpInclude, which executes a text of any type.
func TestTemplatesInclude(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/plain" {
			_, _ = io.WriteString(w, `{{len "four"}}`)
			return
		}
		_, _ = io.WriteString(w, `page {{httpInclude (placeholder "http.request.uri.query")}}`)
	})
	site := "templates\n"
	for path, fault := range map[string]string{"/respond": "respond 200 " + `{{len "xxxxx"}}`, "/pad": "patch {\npad 50B\n}", "/corrupt": "corrupt 1%", "/delay": "delay 1ms"} {
		site += "handle " + path + " {\nfault {\n" + strings.ReplaceAll(fault, `{{len "xxxxx"}}`, "`{{len \"xxxxx\"}}`") + "\n}\nrewrite /plain\n" + up.proxy() + "\n}\n"
	}
	site += "handle /attempt {\nreverse_proxy " + up.addr + " {\ntransport fault {\nrespond 200 `{{len \"xxxxx\"}}`\n}\n}\n}\n"
	overEach(t, config{site: site + up.proxy()}, func(t *testing.T, c *client) {
		for _, path := range []string{"/respond", "/pad", "/corrupt"} {
			wantReply(t, c.get(t, "/page?"+path), 500, "")
		}
		wantReply(t, c.get(t, "/page?/attempt"), 200, "page ")
		wantReply(t, c.get(t, "/page?/plain"), 200, "page 4")
		wantReply(t, c.get(t, "/page?/delay"), 200, "page 4")
	})
}
