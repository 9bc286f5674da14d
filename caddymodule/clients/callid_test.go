package clients

import "testing"

// TestCallID holds that an ID is read as it is written.
func TestCallID(t *testing.T) {
	for id, want := range map[CallID]string{
		hashed | 0x9f2ab31c: "9f2ab31c", hashed | 7: "00000007", 7: "7", 123456789: "123456789",
	} {
		check(t, "text", id.String(), want)
		var again CallID
		if err := again.UnmarshalText([]byte(want)); err != nil || again != id {
			t.Errorf("%s: got %s, %v", want, again, err)
		}
	}
	for _, bad := range []string{"", "x", "9f2ab31x", "-1"} {
		if err := new(CallID).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// TestEnding holds how endings are shown.
func TestEnding(t *testing.T) {
	for _, tt := range []struct {
		result Result
		want   string
	}{
		{Result{Outcome: Reply, Status: 503}, "reply 503"},
		{Result{Outcome: Cut, Status: 200}, "cut"},
		{Result{Outcome: NoReply}, "no_reply"},
		{Result{Outcome: Left}, "left"},
	} {
		check(t, "ending", tt.result.Ending().String(), tt.want)
	}
	check(t, "unknown", Ending(0).String(), "")
}
