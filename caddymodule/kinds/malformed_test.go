package kinds

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestMalformed(t *testing.T) {
	for line, status := range map[string]int{"malformed": 200, "malformed 503": 503, "malformed 551": 551} {
		w := httptest.NewRecorder()
		w.Header().Set("X-Fault-Injected", "rule1")
		w.Header().Set("Content-Length", "5")
		got := endingOf(parse(t, new(Malformed), line), w, request2(t.Context(), t), notCalled(t))
		if !got.aborted || w.Code != status || !w.Flushed || w.Body.Len() > 0 {
			t.Errorf("%s: got %+v, status %d, flushed %v, body %q, want the head of a %d, then an abort", line, got, w.Code, w.Flushed, w.Body, status)
		}
		if h := w.Result().Header; h.Get("X-Fault-Injected") != "rule1" || h.Get("Content-Length") != "" || h.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got header %v", line, h)
		}
	}
}

func TestMalformedRefused(t *testing.T) {
	for code, want := range map[int]string{
		-1:   "bad status '-1'",
		199:  "bad status '199'",
		1000: "bad status '1000'",
		204:  "bad status '204': a reply with this status has no body",
		205:  "bad status '205': a reply with this status has no body",
		304:  "bad status '304': a reply with this status has no body",
	} {
		if err := (&Malformed{StatusCode: code}).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: got %v, want %q", code, err, want)
		}
	}
	if err := (&Malformed{StatusCode: http.StatusAccepted}).Validate(); err != nil {
		t.Error(err)
	}
}
