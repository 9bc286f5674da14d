package clients

import "testing"

// Once nobody can come again, an open call has been given up or refused. Other calls and
// the evidence itself stay as they are.
func TestClosed(t *testing.T) {
	call := func(outcome Outcome, attempt Outcome, status int) Call {
		return Call{Outcome: outcome, Attempts: []Attempt{{Outcome: Reply, Status: 503}, {Outcome: attempt, Status: status}}}
	}
	for _, tt := range []struct {
		call Call
		want Outcome
	}{
		{call(Open, Reply, 503), GaveUp},
		{call(Open, Reply, 429), GaveUp},
		{call(Open, Reply, 404), Refused},
		{call(Open, NoReply, 0), GaveUp},
		{call(Open, Waiting, 0), GaveUp},
		{call(Recovered, Reply, 200), Recovered},
		{call(Lost, Reply, 503), Lost},
		{Call{Outcome: Open}, GaveUp},
	} {
		ev := Evidence{Calls: []Call{tt.call}}
		closed := ev.Closed()
		if got := closed.Calls[0].Outcome; got != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.call, got, tt.want)
		}
		if ev.Calls[0].Outcome != tt.call.Outcome {
			t.Errorf("%+v: the evidence has changed", tt.call)
		}
	}
}
