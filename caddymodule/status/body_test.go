package status

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	const success = `{"status": "success"}`
	const unavailable = `{"error": "service_unavailable", "retry_after": 300}`
	tests := []struct {
		text, want string
		length     int
	}{
		{"smtp:551", `{"error": "server_error", "message": "User Not Local"}`, 54},
		{"551", `{"error": "server_error", "message": "User Not Local"}`, 54},
		{"smtp:455", `{"error": "server_unable_to_accommodate", "message": "Server Unable to Accommodate"}`, 84},
		{"sip:486", `{"error": "busy_here", "message": "Busy Here"}`, 46},
		{"sip:481", `{"error": "call/transaction_does_not_exist", "message": "Call/Transaction Does Not Exist"}`, 90},
		{"smtp:503", unavailable, 52},
		{"503", unavailable, 52},
		{"sip:503", unavailable, 52},
		{"ftp:503", unavailable, 52},
		{"nginx:503", unavailable, 52},
		{"smtp:251", success, 21},
		{"200", success, 21},
		{"226", success, 21},
		{"404", `{"error": "not_found", "message": "Not Found"}`, 46},
		{"499", `{"error": "client_closed_request", "message": "Client Closed Request"}`, 70},
		{"500", `{"error": "server_error", "message": "Internal Server Error"}`, 61},
		{"sip:603", `{"error": "server_error", "message": "Decline"}`, 47},
		{"783", `{"error": "server_error", "message": "Unexpected Token"}`, 56},
		{"999", `{"error": "server_error", "message": "Request Denied"}`, 54},
		{"ftp:425", `{"error": "can't_open_data_connection", "message": "Can't Open Data Connection"}`, 80},
		{"299", success, 21},
		{"477", `{"error": "unknown_status", "message": "Unknown Status"}`, 56},
		{"777", `{"error": "server_error", "message": "Unknown Status"}`, 54},
		{"100", "", 0},
		{"sip:180", "", 0},
		{"204", "", 0},
		{"sip:204", "", 0},
		{"205", "", 0},
		{"302", "", 0},
		{"304", "", 0},
		{"smtp:354", "", 0},
	}
	for _, tt := range tests {
		c, err := Parse(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.JSON(); got != tt.want || len(got) != tt.length {
			t.Errorf("JSON of %s is %s (%d bytes), want %s (%d bytes)", tt.text, got, len(got), tt.want, tt.length)
		}
	}
}

// Names of the catalog need little escaping, but a caller may put any reason phrase
// into a Code.
func TestEscaping(t *testing.T) {
	t.Parallel()
	c := Code{Code: 400, Name: "A \"B\" <C> & D's\n\\"}
	tests := []struct{ what, got, want string }{
		{"JSON", c.JSON(), `{"error": "a_\"b\"_<c>_&_d's\n\\", "message": "A \"B\" <C> & D's\n\\"}`},
		{"Problem", c.Problem(), `{"type": "about:blank", "title": "A \"B\" <C> & D's\n\\", "status": 400}`},
		{"Text", c.Text(), "400 A \"B\" <C> & D's\n\\\n"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s is %s, want %s", tt.what, tt.got, tt.want)
		}
	}
	if page := c.HTML(); strings.Contains(page, "<C>") || strings.Count(page, "400 A &#34;B&#34; &lt;C&gt; &amp; D&#39;s") != 2 {
		t.Errorf("HTML does not escape the name: %s", page)
	}
	c.Name = "not \xff UTF-8"
	for _, body := range []string{c.JSON(), c.Problem()} {
		if !utf8.ValidString(body) || !json.Valid([]byte(body)) {
			t.Errorf("a name that is not UTF-8 gives %q", body)
		}
	}
}

func TestOtherBodies(t *testing.T) {
	t.Parallel()
	c, _ := Find("smtp", 551)
	if got, want := c.Text(), "551 User Not Local\n"; got != want {
		t.Errorf("Text is %q, want %q", got, want)
	}
	want := `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>551 User Not Local</title></head>
<body><h1>551 User Not Local</h1></body>
</html>
`
	if got := c.HTML(); got != want {
		t.Errorf("HTML is %s, want %s", got, want)
	}
	if got, want := c.Problem(), `{"type": "about:blank", "title": "User Not Local", "status": 551}`; got != want {
		t.Errorf("Problem is %s, want %s", got, want)
	}
	unavailable, _ := Find("smtp", 503)
	if got, want := unavailable.Problem(), `{"type": "about:blank", "title": "Bad Sequence", "status": 503}`; got != want {
		t.Errorf("Problem of smtp:503 is %s, want %s", got, want)
	}
}

// Every row follows the body rule, and a code has a body in all formats or in none.
func TestEveryBody(t *testing.T) {
	t.Parallel()
	codes := All()
	for code := minCode; code <= maxCode; code++ {
		codes = append(codes, Code{Code: code, Name: unknownName})
	}
	for _, c := range codes {
		bodies := []string{c.JSON(), c.Text(), c.HTML(), c.Problem()}
		empty := c.Code < 200 || c.Code == 204 || c.Code == 205 || c.Code/100 == 3
		for i, body := range bodies {
			if (body == "") != empty {
				t.Errorf("%s: body %d is %q", c, i, body)
			}
		}
		if empty {
			continue
		}
		checkJSONBody(t, c)
		checkProblem(t, c)
	}
}

func checkJSONBody(t *testing.T, c Code) {
	t.Helper()
	body := make(map[string]any)
	if err := json.Unmarshal([]byte(c.JSON()), &body); err != nil {
		t.Errorf("%s: %s: %v", c, c.JSON(), err)
		return
	}
	want := map[string]any{"error": "server_error", "message": c.Name}
	switch {
	case c.Code < 300:
		want = map[string]any{"status": "success"}
	case c.Code == 503:
		want = map[string]any{"error": "service_unavailable", "retry_after": 300.0}
	case c.Code < 500:
		want["error"] = c.Slug()
	}
	if len(body) != len(want) {
		t.Errorf("%s: %s has other members than %v", c, c.JSON(), want)
	}
	for name, value := range want {
		if body[name] != value {
			t.Errorf("%s: %s: %s is %v, want %v", c, c.JSON(), name, body[name], value)
		}
	}
}

func checkProblem(t *testing.T, c Code) {
	t.Helper()
	var problem struct {
		Type   string
		Title  string
		Status int
	}
	if err := json.Unmarshal([]byte(c.Problem()), &problem); err != nil {
		t.Errorf("%s: %s: %v", c, c.Problem(), err)
	}
	if problem.Type != "about:blank" || problem.Title != c.Name || problem.Status != c.Code {
		t.Errorf("%s: %s", c, c.Problem())
	}
}

// Only the body of a 503 repeats the header field.
func TestJSONRetryAfter(t *testing.T) {
	t.Parallel()
	for _, c := range All() {
		for seconds, want := range map[int64]string{
			-1: `{"error": "service_unavailable"}`,
			0:  `{"error": "service_unavailable", "retry_after": 0}`,
			5:  `{"error": "service_unavailable", "retry_after": 5}`,
		} {
			if c.Code != 503 {
				want = c.JSON()
			}
			if got := c.JSONRetryAfter(seconds); got != want {
				t.Errorf("%s, %d seconds: got %s, want %s", c, seconds, got, want)
			}
		}
	}
}

func TestBodyAllowed(t *testing.T) {
	t.Parallel()
	for code := range 1100 {
		want := code >= 200 && code != 204 && code != 205 && code != 304
		if got := (Code{Code: code}).BodyAllowed(); got != want {
			t.Errorf("BodyAllowed of %d = %t, want %t", code, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, c := range All() {
		want := 0
		if c.Code == 503 {
			want = 300
		}
		if got := c.RetryAfter(); got != want {
			t.Errorf("RetryAfter of %s = %d, want %d", c, got, want)
		}
	}
}

func BenchmarkJSON(b *testing.B) {
	c, _ := Find("smtp", 551)
	b.ReportAllocs()
	for b.Loop() {
		c.JSON()
	}
}
