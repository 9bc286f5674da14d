package status

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text, family string
		code         int
		name         string
	}{
		{"551", "smtp", 551, "User Not Local"},
		{"smtp:551", "smtp", 551, "User Not Local"},
		{"ftp:551", "ftp", 551, "Page Type Unknown"},
		{"smtp:450", "smtp", 450, "Mailbox Unavailable"},
		{"sip:486", "sip", 486, "Busy Here"},
		{"nginx:499", "nginx", 499, "Client Closed Request"},
		{"esri:499", "esri", 499, "Token Required"},
		{"cloudflare:521", "cloudflare", 521, "Web Server Is Down"},
		{"smtp:503", "smtp", 503, "Bad Sequence"},
		{"503", "http", 503, "Service Unavailable"},
		{"http:503", "http", 503, "Service Unavailable"},
		{"nginx:503", "nginx", 503, "Service Temporarily Unavailable"},
		{"100", "http", 100, "Continue"},
		{"999", "linkedin", 999, "Request Denied"},
		{"599", "proxy", 599, "Network Connect Timeout Error"},
		{"299", "", 299, "Unknown Status"},
		{"998", "", 998, "Unknown Status"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(tt.text)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tt.text, err)
			}
			if got.Family != tt.family || got.Code != tt.code || got.Name != tt.name {
				t.Errorf("Parse(%q) = %q %d %q, want %q %d %q",
					tt.text, got.Family, got.Code, got.Name, tt.family, tt.code, tt.name)
			}
			if (got.Source == "") != (got.Family == "") {
				t.Errorf("Parse(%q) has the family %q and the source %q", tt.text, got.Family, got.Source)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	list := strings.Join(Families(), ", ")
	tests := []struct{ text, want string }{
		{"", "status code '' is not a number"},
		{"abc", "status code 'abc' is not a number"},
		{" 551", "status code ' 551' is not a number"},
		{"+551", "status code '+551' is not a number"},
		{"-551", "status code '-551' is not a number"},
		{"5.1", "status code '5.1' is not a number"},
		{"0x1ff", "status code '0x1ff' is not a number"},
		{"٥٥١", "status code '٥٥١' is not a number"},
		{"0", "status code '0' is outside 100-999"},
		{"99", "status code '99' is outside 100-999"},
		{"1000", "status code '1000' is outside 100-999"},
		{"0551", "status code '0551' is outside 100-999"},
		{"99999999999999999999", "status code '99999999999999999999' is outside 100-999"},
		{"smtp:", "status code '' is not a number"},
		{"smtp:x", "status code 'x' is not a number"},
		{"smtp:99", "status code '99' is outside 100-999"},
		{"smtp:551:", "status code '551:' is not a number"},
		{"smtp:599", "unknown smtp code '599'"},
		{"http:551", "unknown http code '551'"},
		{"http:418 ", "status code '418 ' is not a number"},
		{"foo:551", "unknown family 'foo'; the families are " + list},
		{"foo:bar", "unknown family 'foo'; the families are " + list},
		{"SMTP:551", "unknown family 'SMTP'; the families are " + list},
		{":551", "unknown family ''; the families are " + list},
	}
	for _, tt := range tests {
		got, err := Parse(tt.text)
		if err == nil || err.Error() != tt.want {
			t.Errorf("Parse(%q): error %v, want %s", tt.text, err, tt.want)
		}
		if got != (Code{}) {
			t.Errorf("Parse(%q) = %+v with an error", tt.text, got)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	tests := []struct {
		family string
		code   int
		want   Code
		ok     bool
	}{
		{"smtp", 551, Code{"smtp", 551, "User Not Local", "RFC 5321 section 4.2.3"}, true},
		{"", 551, Code{"smtp", 551, "User Not Local", "RFC 5321 section 4.2.3"}, true},
		{"", 404, Code{"http", 404, "Not Found", "RFC 9110 section 15.5.5"}, true},
		{"", 299, Code{"", 299, "Unknown Status", ""}, false},
		{"", 0, Code{"", 0, "Unknown Status", ""}, false},
		{"", -1, Code{"", -1, "Unknown Status", ""}, false},
		{"smtp", 599, Code{"", 599, "Unknown Status", ""}, false},
		{"unknown", 551, Code{"", 551, "Unknown Status", ""}, false},
	}
	for _, tt := range tests {
		if got, ok := Find(tt.family, tt.code); got != tt.want || ok != tt.ok {
			t.Errorf("Find(%q, %d) = %#v, %t, want %#v, %t", tt.family, tt.code, got, ok, tt.want, tt.ok)
		}
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	got := testing.AllocsPerRun(100, func() {
		Find("smtp", 551)
		Find("", 551)
		Find("", 299)
	})
	if got != 0 {
		t.Errorf("Find allocates %v times, want 0", got)
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for _, c := range All() {
		text := c.String()
		if want := fmt.Sprintf("%s:%d", c.Family, c.Code); text != want {
			t.Errorf("%#v.String() = %q, want %q", c, text, want)
		}
		if got, err := Parse(text); err != nil || got != c {
			t.Errorf("Parse(%q) = %#v, %v, want %#v", text, got, err, c)
		}
	}
	if got := (Code{Code: 299}).String(); got != "299" {
		t.Errorf("a code without a family is %q, want %q", got, "299")
	}
}

func TestMarshal(t *testing.T) {
	t.Parallel()
	c, _ := Find("", 551)
	got, err := json.Marshal(c)
	want := `{"family":"smtp","code":551,"name":"User Not Local","source":"RFC 5321 section 4.2.3"}`
	if err != nil || string(got) != want {
		t.Errorf("json.Marshal(551) = %s, %v, want %s", got, err, want)
	}
}

func TestSendable(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]bool{
		-1: false, 0: false, 99: false, 100: false, 103: false, 199: false,
		200: true, 204: true, 304: true, 551: true, 600: true, 999: true, 1000: false,
	} {
		if got := (Code{Code: code}).Sendable(); got != want {
			t.Errorf("Sendable of %d = %t, want %t", code, got, want)
		}
	}
}

func TestSlug(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"551", "user_not_local"},
		{"404", "not_found"},
		{"200", "ok"},
		{"418", "i'm_a_teapot"},
		{"sip:481", "call/transaction_does_not_exist"},
		{"sip:504", "server_time-out"},
		{"299", "unknown_status"},
	}
	for _, tt := range tests {
		c, err := Parse(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Slug(); got != tt.want {
			t.Errorf("slug of %s = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"551", "smtp:450", "sip:486", "299", "99", "1000", "0551", "", ":", "smtp:", ":551",
		"smtp:599", "foo:551", "smtp:5\n1", "smtp:551:551", "\xff:\xff", "+551", "99999999999999999999",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			if c != (Code{}) {
				t.Errorf("Parse(%q) = %#v with the error %v", text, c, err)
			}
			return
		}
		if c.Code < 100 || c.Code > 999 || c.Name == "" {
			t.Errorf("Parse(%q) = %#v", text, c)
		}
		if strings.Contains(text, ":") && c.String() != text {
			t.Errorf("Parse(%q).String() = %q", text, c.String())
		}
		if again, err := Parse(c.String()); err != nil || again != c {
			t.Errorf("Parse(%q) = %#v, but Parse(%q) = %#v, %v", text, c, c.String(), again, err)
		}
		if body := c.JSON(); body != "" && !json.Valid([]byte(body)) {
			t.Errorf("Parse(%q).JSON() = %s", text, body)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Find("smtp", 551)
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("smtp:551"); err != nil {
			b.Fatal(err)
		}
	}
}
