package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
)

// TurnView is the answer to a halt or a resume.
type TurnView struct {
	experiments.State

	// Answer is what has been done, in words.
	Answer string `json:"answer"`

	// Already means that the switch was turned that way before.
	Already bool `json:"already,omitempty"`

	// Ended lists the names of the experiments that the halt ended.
	Ended []string `json:"ended,omitempty"`

	// Released is how many requests were hit at the moment of the halt. Faults that
	// held such a request have released it.
	Released int64 `json:"released,omitempty"`

	// Rules and Triggers are how many rules and triggers the resume armed, without
	// those that are off.
	Rules    int `json:"rules,omitempty"`
	Triggers int `json:"triggers,omitempty"`

	// Warning means that this node has turned its switch, but that other nodes or the
	// next process do not know about it yet, or that the note was left out.
	Warning string `json:"warning,omitempty"`
}

// halt stops all faults. Once it has answered, this node injects no faults. If faults
// are halted already, it adds the note.
func (a *service) halt(w http.ResponseWriter, r *http.Request) error {
	why := cause(r)
	note, problem := readNote(w, r)
	why.Note = note
	before := a.ctl.Switch.State()
	err := experiments.ErrNotHalted
	if note != "" && before.Halted && before.Why == control.WhyAPI {
		err = a.ctl.Annotate(why.Actor(), note, a.storageNow())
	}
	if errors.Is(err, experiments.ErrNotHalted) {
		err = a.ctl.Halt(why, a.storageNow())
	}
	view := a.newTurnView(err)
	view.Warning = strings.Trim(view.Warning+"; "+problem, "; ")
	if view.Already = before.Halted; !view.Already {
		turn := a.ctl.Switch.Last()
		view.Ended, view.Released = turn.Ended, turn.Released
	}
	view.Answer = view.haltText(before)
	return Answer(w, http.StatusOK, view)
}

// annotate sets the note of the current halt. It never halts.
func (a *service) annotate(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	var asked struct {
		Note *string `json:"note"`
	}
	if err := strictjson.Decode(body, &asked); err != nil {
		return Refuse(http.StatusBadRequest, "%v", err)
	}
	switch {
	case asked.Note == nil:
		return Refuse(http.StatusBadRequest, "note: required")
	case len(*asked.Note) > maxNote:
		return Refuse(http.StatusBadRequest, "note: it has %d bytes, more than %d", len(*asked.Note), maxNote)
	case a.ctl.Switch.State().Why == control.WhyConfigured:
		return Refuse(http.StatusConflict, "the configuration says halted; its halt takes no note")
	}
	err = a.ctl.Annotate(actor(r), *asked.Note, a.storageNow())
	if errors.Is(err, experiments.ErrNotHalted) {
		return Refuse(http.StatusConflict, "%v, so there is no halt for the note", err)
	}
	view := a.newTurnView(err)
	view.Answer = "Saved the note."
	return Answer(w, http.StatusOK, view)
}

// resume arms the rules and triggers again.
func (a *service) resume(w http.ResponseWriter, r *http.Request) error {
	if app := a.ctl.Current(); app != nil && app.Halted {
		return Refuse(http.StatusConflict, "%v", control.ErrConfigured)
	}
	before := a.ctl.Switch.State()
	err := a.ctl.Resume(cause(r), a.storageNow())
	if err != nil && a.ctl.Switch.Halted() {
		return refuseChange(err)
	}
	view := a.newTurnView(err)
	if view.Already = !before.Halted; !view.Already {
		view.Rules, view.Triggers = a.armed(), len(a.ctl.FindTriggers("", ""))
	}
	view.Answer = view.resumeText(before)
	return Answer(w, http.StatusOK, view)
}

func (a *service) newTurnView(err error) TurnView {
	view := TurnView{State: a.ctl.Switch.State()}
	if err != nil {
		view.Warning = "done on this node, but not stored: " + err.Error()
	}
	return view
}

// armed returns the number of configured rules that are not off.
func (a *service) armed() (n int) {
	for _, rule := range a.ctl.FindRules("", "") {
		if !rule.Stats().Off {
			n++
		}
	}
	return n
}

func (v *TurnView) haltText(before experiments.State) string {
	if v.Already {
		return "Already halted" + sinceText(before)
	}
	text := []string{"Halted."}
	if n := len(v.Ended); n > 0 {
		text = append(text, fmt.Sprintf("Ended %s: %s.", counted(n, "experiment"), experiments.Names(v.Ended)))
	}
	if v.Released > 0 {
		text = append(text, fmt.Sprintf("Released %s.", counted(int(v.Released), "request")))
	}
	return strings.Join(text, " ")
}

func (v *TurnView) resumeText(before experiments.State) string {
	if v.Already {
		return "Already on" + sinceText(before)
	}
	var armed []string
	if v.Rules > 0 {
		armed = append(armed, counted(v.Rules, "rule"))
	}
	if v.Triggers > 0 {
		armed = append(armed, counted(v.Triggers, "trigger"))
	}
	if len(armed) == 0 {
		return "Resumed. No rule or trigger is on."
	}
	return "Resumed. Armed again: " + strings.Join(armed, ", ") + "."
}

// sinceText returns since when and why the switch is as it is, and ends the sentence.
func sinceText(s experiments.State) (text string) {
	if s.Since != nil {
		text = " since " + s.Since.Local().Format(time.RFC3339)
	}
	if by := s.Actor(); by != "" {
		text += " (" + by + ")"
	}
	return text + "."
}

// counted returns a number of things, in words.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
