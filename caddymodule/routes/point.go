package routes

import (
	"net/http"
	"slices"
)

// point follows a request through a module that the guide knows.
func (w *run) point(turns *Turns, next step, r *http.Request) error {
	turn, later := w.before(turns, turns.Passes)
	if turn != nil {
		return w.hit(turn)
	}
	if turns.Answer != 0 {
		w.end(End{Module: "fault", Status: turns.Answer})
		return w.onReply(later, nil)
	}
	return w.onReply(later, next(r))
}

// waiting are turns that wait for the reply.
type waiting struct {
	turns []Turn
	forks bool
}

// before decides on the turns that do not wait for the reply, and returns the turn that
// ends the request. At most one turn happens. If no turn can end the request, before
// reports all turns that may happen together.
func (w *run) before(turns *Turns, passes bool) (ending *Turn, later waiting) {
	later.forks = slices.ContainsFunc(turns.Turns, func(t Turn) bool { return t.Ends })
	var now []Turn
	for _, turn := range turns.Turns {
		if turn.OnReply {
			later.turns = append(later.turns, turn)
		} else {
			now = append(now, turn)
		}
	}
	ending, came := w.take(now, passes, later.forks)
	if came {
		later.turns = nil
	}
	return ending, later
}

// take chooses one of the turns, or none if the request may pass.
func (w *run) take(turns []Turn, passes, forks bool) (ending *Turn, came bool) {
	var options []func() *Turn
	for i := range turns {
		turn := &turns[i]
		goOn := func() *Turn {
			w.way.Hits = append(w.way.Hits, turn.Hit)
			return nil
		}
		switch {
		case !forks:
			goOn()
			continue
		case turn.Ends:
			options = append(options, func() *Turn { return turn })
		}
		if turn.Continues {
			options = append(options, goOn)
		}
	}
	of := len(options)
	if passes {
		of++
	}
	if i := w.choose(of); i < len(options) {
		return options[i](), true
	}
	return nil, false
}

// hit ends the request by a turn.
func (w *run) hit(turn *Turn) error {
	if turn.Aborts {
		return w.abort(End{Hit: turn.Hit})
	}
	if !turn.Error {
		w.end(End{Hit: turn.Hit, Status: turn.Status})
		return nil
	}
	return w.fail(End{Hit: turn.Hit}, turn.Status)
}

// onReply decides on the turns that have waited for the reply.
func (w *run) onReply(later waiting, err error) error {
	if len(later.turns) == 0 || err == errAborted { //nolint:errorlint // never wrapped
		return err
	}
	status := w.way.End.Status
	if err != nil {
		status = statusOf(err)
	}
	passes := true
	var come []Turn
	for _, turn := range later.turns {
		answer := matchesStatus(turn.Match, status)
		if answer != saysNo {
			come = append(come, turn)
		}
		if answer == saysYes && turn.Certain {
			passes = false
			break
		}
	}
	if turn, _ := w.take(come, passes, later.forks); turn != nil {
		return w.hit(turn)
	}
	return err
}
