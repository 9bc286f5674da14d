package status

import (
	"net/http"
	"testing"
)

func TestHTTPCodes(t *testing.T) {
	t.Parallel()
	// IANA's registry: 63 codes and the temporary registration of 104.
	checkCodes(t, "http", "100-104 200-208 226 300-308 400-418 421-426 428-429 431 451 500-508 510-511", 64)
}

// For some codes, Go keeps the names of older RFCs. Other codes are unknown to Go.
func TestHTTPNamesAgainstGo(t *testing.T) {
	t.Parallel()
	differences := map[int]struct{ ours, theirs string }{
		104: {"Upload Resumption Supported", ""},
		306: {"(Unused)", ""},
		413: {"Content Too Large", "Request Entity Too Large"},
		414: {"URI Too Long", "Request URI Too Long"},
		416: {"Range Not Satisfiable", "Requested Range Not Satisfiable"},
		422: {"Unprocessable Content", "Unprocessable Entity"},
	}
	for code := minCode; code <= maxCode; code++ {
		c, ok := Find("http", code)
		ours, theirs := c.Name, http.StatusText(code)
		if d, differs := differences[code]; differs {
			if ours != d.ours || theirs != d.theirs {
				t.Errorf("%d is %q, and %q in Go, want %q and %q", code, ours, theirs, d.ours, d.theirs)
			}
			continue
		}
		if !ok {
			ours = ""
		}
		if ours != theirs {
			t.Errorf("%d is %q, but %q in Go", code, ours, theirs)
		}
	}
}

func TestTeapot(t *testing.T) {
	t.Parallel()
	c, err := Parse("418")
	if err != nil {
		t.Fatal(err)
	}
	if c.Family != "http" || c.Name != "I'm a teapot" {
		t.Errorf("418 is %s %q", c, c.Name)
	}
	if want := `{"error": "i'm_a_teapot", "message": "I'm a teapot"}`; c.JSON() != want {
		t.Errorf("the body of 418 is %s, want %s", c.JSON(), want)
	}
}
