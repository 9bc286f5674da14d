package e2e

import (
	"strings"
	"testing"
)

// TestMainJob tests the main purpose of the project: matching requests get the
// configured reply and never reach the upstream. Other requests do.
func TestMainJob(t *testing.T) {
	up := serve(t, echo)
	everywhere(t, config{site: "fault /mail/* 551\n" + up.proxy()}, func(t *testing.T, c *client) {
		before := up.hits.get()
		got := c.get(t, "/mail/inbox")
		want551(t, got)
		if got.ProtoMajor != int(c.proto) {
			t.Errorf("protocol: got %s, want %s", got.Proto, c.proto)
		}
		if rule := got.Header.Get("X-Fault-Injected"); rule != "fault1/rule1" {
			t.Errorf("X-Fault-Injected: got %q, want fault1/rule1", rule)
		}
		up.wantHits(t, before)
		wantReply(t, c.get(t, "/"), 200, "GET /")
		wantReply(t, c.get(t, "/mail"), 200, "GET /mail")
		up.wantHits(t, before+2)
	})
}

// TestMainJobBytes checks the reply byte for byte.
func TestMainJobBytes(t *testing.T) {
	up := serve(t, echo)
	c := config{site: "fault /mail/* 551\n" + up.proxy(), global: "fault {\ndisclose off\n}"}
	transports(t, c, func(t *testing.T, s *site) {
		got := s.dial(t).roundTrip(get("/mail/inbox")).withoutAltSvc()
		got.want551(t)
		want := line551 +
			"Cache-Control: no-store\r\nContent-Type: application/json\r\nServer: Caddy\r\nDate: *\r\nContent-Length: 54\r\n\r\n"
		if got.head != want {
			t.Errorf("head: got %q, want %q", got.head, want)
		}
	})
	up.wantHits(t, 0)
}

// TestPhrases tests the other ways to set a reason phrase.
func TestPhrases(t *testing.T) {
	tests := []struct {
		name, fault, line, body string
	}{
		{"another family", "respond sip:486", "HTTP/1.1 486 Busy Here", `{"error": "busy_here", "message": "Busy Here"}`},
		{"a phrase of one's own", "respond 551 no {\nreason \"Not In This Town\"\n}", "HTTP/1.1 551 Not In This Town", "no"},
		{"another phrase for a code Go knows", "respond 404 no {\nreason Vanished\n}", "HTTP/1.1 404 Vanished", "no"},
		{"the phrase Go knows", "respond 404 no", "HTTP/1.1 404 Not Found", "no"},
		{"placeholders", "respond 551 no {\nreason \"Not {http.request.host}, {http.fault.slug}\"\n}", "HTTP/1.1 551 Not fault.test, user_not_local", "no"},
		{"empty body", "respond 551 \"\"", "HTTP/1.1 551 User Not Local", ""},
		{"body above net/http's buffer", "respond 551 " + strings.Repeat("x", 10_000), "HTTP/1.1 551 User Not Local", strings.Repeat("x", 10_000)},
		{"beyond the known", "respond 999 no {\nreason \"\"\n}", "HTTP/1.1 999 ", "no"},
	}
	up := serve(t, echo)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			transports(t, config{site: "fault /f {\n" + tt.fault + "\n}\n" + up.proxy()}, func(t *testing.T, s *site) {
				conn := s.dial(t)
				got := conn.roundTrip(get("/f"))
				got.wantLine(t, tt.line+"\r\n")
				if got.body != tt.body {
					t.Errorf("body: got %.200q, want %.200q", got.body, tt.body)
				}
				conn.wantAlive()
			})
		})
	}
}
