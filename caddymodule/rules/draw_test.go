package rules

import (
	"math"
	"strconv"
	"testing"
)

func TestSeedRepeats(t *testing.T) {
	const config = `{"seed": 7, "rules": [{"percent": 50, ` + closing + `}]}`
	run := func() string {
		p := mustLoad(t, config)
		defer unload(t, p)
		hits := ""
		for range 200 {
			hits += strconv.FormatBool(name(t, p, request("/")) != "") + " "
		}
		return hits
	}
	first, second := run(), run()
	if first != second {
		t.Error("the same seed gave two different runs")
	}
	if hits := len(first); hits == 200*len("true ") || hits == 200*len("false ") {
		t.Errorf("the seed froze the run: %s", first)
	}
}

// A request that matches no rule takes no number from the seed.
func TestSeedIgnoresOtherRequests(t *testing.T) {
	const config = `{"seed": 7, "rules": [{"percent": 50, "match": [{"path": ["/api"]}], ` + closing + `}]}`
	alone := mustLoad(t, config)
	unload(t, alone) // otherwise they would share their draws
	mixed := mustLoad(t, config)
	for i := range 100 {
		name(t, mixed, request("/other"))
		if got, want := name(t, mixed, request("/api")), name(t, alone, request("/api")); got != want {
			t.Fatalf("request %d: got %q with other requests between, %q without", i, got, want)
		}
	}
}

func TestSticky(t *testing.T) {
	const (
		rule    = `"rules": [{"percent": 50, ` + closing + `}]`
		sticky  = `"sticky": "{http.request.header.X-User}"`
		config  = `{"point": "a", ` + sticky + `, ` + rule + `}`
		other   = `{"point": "b", ` + sticky + `, ` + rule + `}`
		seeded  = `{"point": "a", "seed": 3, ` + sticky + `, ` + rule + `}`
		seeded2 = `{"point": "b", "seed": 3, ` + sticky + `, ` + rule + `}`
	)
	// agreement returns for how many of 1000 users two points decide alike.
	agreement := func(first, second string) (agreed int) {
		a, b := mustLoad(t, first), mustLoad(t, second)
		for i := range 1000 {
			user := strconv.Itoa(i)
			if name(t, a, request("/", "X-User", user)) == name(t, b, request("/", "X-User", user)) {
				agreed++
			}
		}
		return agreed
	}
	if got := agreement(config, config); got != 1000 {
		t.Errorf("the same point twice: %d of 1000 users get the same answer, want all", got)
	}
	if got := agreement(config, other); got < 400 || got > 600 {
		t.Errorf("two points: %d of 1000 users get the same answer, want about half", got)
	}
	if got := agreement(seeded, seeded2); got != 1000 {
		t.Errorf("two points with one seed: %d of 1000 users get the same answer, want all", got)
	}
}

// An empty key draws at random, so that requests without a key do not all get the same
// answer.
func TestStickyWithoutKey(t *testing.T) {
	p := mustLoad(t, `{"sticky": "{http.request.header.X-User}", "rules": [{"percent": 50, `+closing+`}]}`)
	hits := 0
	for range 200 {
		if name(t, p, request("/")) != "" {
			hits++
		}
	}
	if hits == 0 || hits == 200 { // by chance once in 10^60
		t.Errorf("got %d hits of 200 requests without a key", hits)
	}
}

// Known answers pin the hash. A release that changed it would give each sticky user
// another answer.
func TestStickyDrawIsStable(t *testing.T) {
	for _, tt := range []struct {
		seed, key string
		want      float64
	}{
		{"fault1", "anna", 0.7976321656914386},
		{"", "", 0.4304816492364817},
	} {
		if got := stickyDraw(tt.seed, tt.key); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("stickyDraw(%q, %q) = %v, want %v", tt.seed, tt.key, got, tt.want)
		}
	}
}

// Draws are uniform, whatever their source: chi-squared over 100 cells, and no
// correlation of neighbors.
func TestDrawsAreUniform(t *testing.T) {
	const n, cells = 100_000, 100
	for _, tt := range []struct {
		name string
		draw func(i int) float64
	}{
		{"seeded", func(i int) float64 { return seededDraw(42, uint64(i)) }},
		{"seeds", func(i int) float64 { return seededDraw(int64(i), 1) }},
		{"sticky", func(i int) float64 { return stickyDraw("fault1", strconv.Itoa(i)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var counts [cells]float64
			product := 0.0
			previous := tt.draw(0)
			for i := 1; i <= n; i++ {
				u := tt.draw(i)
				if u < 0 || u >= 1 {
					t.Fatalf("draw %d: %v is not in [0,1)", i, u)
				}
				counts[int(u*cells)]++
				product += (u - 0.5) * (previous - 0.5)
				previous = u
			}
			chi := 0.0
			for _, count := range counts {
				chi += (count - n/cells) * (count - n/cells) / (n / cells)
			}
			if chi > 160 { // 99 degrees of freedom: exceeded once in 10^4; the draws are fixed
				t.Errorf("chi-squared %v, want below 160", chi)
			}
			if correlation := product / n * 12; math.Abs(correlation) > 0.02 {
				t.Errorf("neighbors correlate by %v", correlation)
			}
		})
	}
}
