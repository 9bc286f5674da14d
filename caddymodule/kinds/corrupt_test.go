package kinds

import (
	"bytes"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// corrupted returns a corrupted body, and how many of its bytes have changed.
func corrupted(t *testing.T, percent float64, body string, piece int, u float64) (got string, changed int) {
	t.Helper()
	r := request(http.MethodGet)
	r = r.WithContext(withHit(r.Context(), &faults.Hit{N: 1, U: u}))
	tw := &bodyWriter{timedWriter: new(timedWriter)}
	if err := provision(t, &Corrupt{Percent: percent}).Inject(hitOf(r), tw, r, sized(body, piece)); err != nil {
		t.Fatal(err)
	}
	got = tw.String()
	if len(got) != len(body) || tw.Header().Get("Content-Length") != strconv.Itoa(len(body)) {
		t.Fatalf("got %d bytes, header %v, want %d bytes", len(got), tw.Header(), len(body))
	}
	for i := range body {
		if got[i] != body[i] {
			changed++
		}
	}
	return got, changed
}

// bodyWriter stores the body.
type bodyWriter struct {
	*timedWriter
	bytes.Buffer
}

func (bw *bodyWriter) Write(p []byte) (int, error) { return bw.Buffer.Write(p) }

func TestCorrupt(t *testing.T) {
	body := strings.Repeat("0123456789", 10000)
	for _, percent := range []float64{0.001, 0.01, 1, 3, 10, 50, 70, 99, 99.9, 100} {
		for _, u := range []float64{0, 0.1, 0.999} {
			_, changed := corrupted(t, percent, body, 1000, u)
			want := float64(len(body)) * percent / 100
			if math.Abs(float64(changed)-want) > 1+want*0.001 {
				t.Errorf("%v %%: %d bytes changed, want %v", percent, changed, want)
			}
		}
	}
}

// At least one byte changes, however short the body is. Different draws change
// different bytes. The same draw changes the same bytes.
func TestCorruptRepeats(t *testing.T) {
	const body = "some text, not long"
	first, changed := corrupted(t, 0.1, body, 4, 0.25)
	if changed != 1 {
		t.Errorf("%d bytes changed, want 1", changed)
	}
	if again, _ := corrupted(t, 0.1, body, 4, 0.25); again != first {
		t.Errorf("got %q, then %q for the same draw", first, again)
	}
	if whole, _ := corrupted(t, 0.1, body, 100, 0.25); whole != first {
		t.Errorf("got %q, then %q when sent in other pieces", first, whole)
	}
	others := map[string]bool{}
	for i := range 100 {
		other, _ := corrupted(t, 0.1, body, 4, float64(i)/100)
		others[other] = true
	}
	if len(others) < 80 {
		t.Errorf("100 draws made %d replies", len(others))
	}
}

// The sender's buffer does not change.
func TestCorruptCopies(t *testing.T) {
	p := []byte("some text")
	_, err := runFault(t, parse(t, new(Corrupt), "corrupt 100%"), request(http.MethodGet), func(w http.ResponseWriter, _ *http.Request) error {
		_, err := w.Write(p)
		return err
	})
	if string(p) != "some text" || err != nil {
		t.Errorf("the sender's buffer is %q, error %v", p, err)
	}
}

func TestCorruptHead(t *testing.T) {
	f := parse(t, new(Corrupt), "corrupt 10%")
	fields := []string{"Etag", `"1"`, "Digest", "x", "Content-Md5", "x", "Repr-Digest", "x", "Content-Digest", "x", "X-Other", "x"}
	if got := runShaped(f, request(http.MethodGet), sized("text", 4, fields...)); got.Header().Get("Etag") != "" || got.Header().Get("X-Other") == "" ||
		got.Header().Get("Digest")+got.Header().Get("Content-Md5")+got.Header().Get("Repr-Digest")+got.Header().Get("Content-Digest") != "" {
		t.Errorf("GET: got header %v", got.Header())
	}
	if got := runShaped(f, request(http.MethodHead), sized("", 4, fields...)); got.Header().Get("Etag") == "" {
		t.Errorf("HEAD: got header %v", got.Header())
	}
}

// A fault that has ended does not garble.
func TestCorruptEnded(t *testing.T) {
	ended := make(chan struct{})
	close(ended)
	r := request(http.MethodGet)
	r = r.WithContext(withHit(r.Context(), &faults.Hit{Ended: ended}))
	if got := runShaped(parse(t, new(Corrupt), "corrupt 100%"), r, sized("text", 1)); got.Body.String() != "text" {
		t.Errorf("got %q", got.Body)
	}
}
