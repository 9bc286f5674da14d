package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// DraftRequest is an experiment as people write it.
type DraftRequest struct {
	// Rule is the rule in the one-line grammar, or as lines of a Caddyfile. Required.
	Rule string `json:"rule"`

	// Name is the name of the experiment. Default: the draft has none yet.
	Name string `json:"name,omitempty"`

	// Points, TTL and Note are those of the experiment.
	Points []string        `json:"points,omitempty"`
	TTL    json.RawMessage `json:"ttl,omitempty"`
	Note   string          `json:"note,omitempty"`
}

// DraftView is a valid draft.
type DraftView struct {
	// Experiment is the body that starts the experiment.
	Experiment json.RawMessage `json:"experiment"`

	// Run is the command that starts the experiment. It is missing if one line cannot
	// express the rule.
	Run string `json:"run,omitempty"`

	// Caddyfile is the rule in a directive, or in a transport. It is missing if a Caddyfile
	// would read the rule as another one.
	Caddyfile string `json:"caddyfile,omitempty"`

	Preview DraftPreview `json:"preview"`
}

// DraftRefusal is the error of a draft.
type DraftRefusal struct {
	Error string `json:"error"`

	// Field is the field of the draft that is wrong, if that is known.
	Field string `json:"field,omitempty"`

	// Start and End are the part of the rule that is wrong, in bytes. Both are 0 if it is
	// not known.
	Start int `json:"start"`
	End   int `json:"end"`
}

// readDraft checks an experiment before it starts. It changes nothing.
func (a *service) readDraft(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	var asked DraftRequest
	if err := strictjson.Decode(body, &asked); err != nil {
		return Refuse(http.StatusBadRequest, "%v", err)
	}
	view, err := a.draft(&asked)
	if no, ok := errors.AsType[*draftError](err); ok {
		return Answer(w, no.status, no.view(asked.Rule))
	}
	if err != nil {
		return err
	}
	return Answer(w, http.StatusOK, view)
}

// A draftError is the error of a field of a draft.
type draftError struct {
	status int
	field  string
	err    error
}

func (e *draftError) Error() string { return e.err.Error() }
func (e *draftError) Unwrap() error { return e.err }

func refuseDraft(field string, err error) error {
	no := &draftError{http.StatusBadRequest, field, err}
	if known, ok := errors.AsType[*Error](err); ok {
		no.status = known.Status
	}
	return no
}

// view returns the refusal of a draft with this rule.
func (e *draftError) view(rule string) DraftRefusal {
	no := DraftRefusal{Error: e.Error(), Field: e.field}
	if at, ok := errors.AsType[*grammar.LineError](e.err); ok {
		no.locate(at, rule)
	}
	return no
}

// locate finds the word that the error quotes, or otherwise the statement.
func (no *DraftRefusal) locate(e *grammar.LineError, rule string) {
	no.Start, no.End = e.Start, e.End
	text := rule[e.Start:e.End]
	for quoted := range strings.SplitSeq(no.Error, "'") {
		if at := strings.Index(text, quoted); quoted != "" && at >= 0 && strings.Contains(no.Error, "'"+quoted+"'") {
			no.Start, no.End = e.Start+at, e.Start+at+len(quoted)
			return
		}
	}
	no.Start += len(text) - len(strings.TrimLeft(text, " \t\r\n"))
}

// draftName is the name of a draft without one while it is checked.
const draftName = "draft"

// draft checks a draft as its start does, and returns its view.
func (a *service) draft(asked *DraftRequest) (*DraftView, error) {
	place, err := a.ctl.PlaceOf(&experiments.Experiment{Points: asked.Points})
	if err != nil {
		return nil, refuseDraft("points", err)
	}
	rule, err := grammar.ParseText(asked.Rule, place, a.ctl.OwnPresets())
	if err != nil {
		return nil, refuseDraft("rule", err)
	}
	data, err := asked.body(rule)
	if err != nil {
		return nil, err
	}
	e, err := a.parseDraft(asked, data)
	if err != nil {
		return nil, err
	}
	view := &DraftView{Experiment: data, Run: asked.run(rule, e), Caddyfile: asked.caddyfile(rule)}
	err = a.ctl.Try(e, func() { view.Preview = a.preview(e) })
	switch {
	case errors.Is(err, control.ErrNoPoints):
		return nil, refuseDraft("points", refuseChange(err))
	case err != nil:
		return nil, refuseDraft("rule", err)
	}
	return view, nil
}

// body returns the JSON of the experiment.
func (asked *DraftRequest) body(rule *rules.Rule) (json.RawMessage, error) {
	e := experiments.Experiment{Rule: *rule, Points: asked.Points, Note: asked.Note}
	if asked.TTL != nil {
		e.TTL = new(caddy.Duration)
		if err := json.Unmarshal(asked.TTL, e.TTL); err != nil {
			return nil, refuseDraft("ttl", errors.New("ttl: want a duration such as 10m, or 0 for no end"))
		}
		if *e.TTL < 0 {
			return nil, refuseDraft("ttl", errors.New("ttl: negative; write a duration such as 10m, or 0 for no end"))
		}
	}
	return json.Marshal(e)
}

// parseDraft returns the experiment of a draft, after the checks that do not load it.
func (a *service) parseDraft(asked *DraftRequest, data []byte) (*experiments.Experiment, error) {
	if asked.Name != "" {
		if err := rules.ValidRuleName(asked.Name); err != nil {
			return nil, refuseDraft("name", err)
		}
	}
	for _, point := range asked.Points {
		if err := rules.ValidName(point); err != nil && point != experiments.Everywhere {
			return nil, refuseDraft("points", err)
		}
	}
	e, err := experiments.Parse(cmp.Or(asked.Name, draftName), data)
	switch {
	case err == nil:
	case len(asked.Points) == 0 && !bytes.Contains(data, []byte(`"match":`)):
		return nil, refuseDraft("points", err)
	default:
		return nil, refuseDraft("rule", err)
	}
	return e, asked.checkPlaces(a, e)
}

// checkPlaces checks the points of a draft. A draft without a name has no name that a
// rule could have.
func (asked *DraftRequest) checkPlaces(a *service, e *experiments.Experiment) error {
	err := a.checkPlaces(e)
	no, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return err
	case no.Status != http.StatusConflict:
		return refuseDraft("points", err)
	case asked.Name != "":
		return refuseDraft("name", err)
	default:
		return nil
	}
}
