package main

import (
	"testing"
	"time"
)

// made is a call whose attempts end at once, with the waits between them.
func made(c *client, column, method string, waits ...time.Duration) call {
	at := time.Unix(1_800_000_000, 0)
	found := call{Path: "/" + c.request(column, method), Count: 1, Attempts: []attempt{{N: 1, Start: at, End: at}}}
	for _, wait := range waits {
		at = at.Add(wait)
		found.Count++
		found.Attempts = append(found.Attempts, attempt{N: found.Count, Start: at, End: at})
	}
	return found
}

// TestCell holds how the table shows what a client did.
func TestCell(t *testing.T) {
	const second = time.Second
	both, post := client{name: "got", methods: []string{"GET", "POST"}}, client{name: "got", methods: []string{"POST"}}
	busy := func(method string, waits ...time.Duration) call { return made(&both, "busy", method, waits...) }
	forgotten := busy("GET", second, second)
	forgotten.Attempts[2].N, forgotten.Count = 9, 9
	for name, tt := range map[string]struct {
		client client
		calls  []call
		going  bool // the requests have not ended
		want   string
	}{
		"nothing":    {both, nil, false, "–"},
		"once":       {both, []call{busy("GET"), busy("POST")}, false, "1"},
		"waits":      {both, []call{busy("GET"), busy("POST")}, true, "waits"},
		"GET only":   {both, []call{busy("GET", second, 2100*time.Millisecond), busy("POST")}, false, "3: 1.0 2.1"},
		"both":       {both, []call{busy("GET", second), busy("POST", second)}, false, "2: 1.0 P"},
		"POST only":  {both, []call{busy("GET"), busy("POST", second)}, false, "1, P 2: 1.0"},
		"only POST":  {post, []call{busy("POST", second)}, false, "2: 1.0"},
		"continues":  {post, []call{busy("POST", second)}, true, "2: 1.0 …"},
		"not kept":   {both, []call{forgotten, busy("POST")}, false, "9: 1.0 …"},
		"other call": {both, []call{made(&both, "reset", "GET", second)}, false, "–"},
	} {
		t.Run(name, func(t *testing.T) {
			tab := &table{found: answer{}, ended: make(map[string]bool)}
			tab.found.Recorded.Calls = tt.calls
			for i := range tt.calls {
				if !tt.going {
					tab.ended["http://127.0.0.1:1"+tt.calls[i].Path] = true
				}
			}
			if got := tab.cell(&tt.client, "busy"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestLate holds that a wait after a timeout counts from the end of the timeout.
func TestLate(t *testing.T) {
	c := client{name: "got", methods: []string{"POST"}}
	late := made(&c, "late", "POST", 3*time.Second)
	late.Attempts[0].End = late.Attempts[1].Start
	tab := &table{ended: map[string]bool{late.Path: true}}
	tab.found.Recorded.Calls = []call{late}
	if got, want := tab.cell(&c, "late"), "2: 1.0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
