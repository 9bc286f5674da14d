package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// listKinds lists the kinds of fault in this build of Caddy.
func (a *service) listKinds(w http.ResponseWriter, _ *http.Request) error {
	return Answer(w, http.StatusOK, kindList{faults.Kinds()})
}

type kindList struct {
	Kinds []string `json:"kinds"`
}

// lineRequest is a line to parse.
type lineRequest struct {
	Line string `json:"line"`
}

// lineView is the result of a valid line.
type lineView struct {
	// Experiment is the body of an experiment, without points, ttl and note.
	Experiment *rules.Rule `json:"experiment"`
}

// lineRefusal reports which part of a line is wrong. Start and End are in bytes.
type lineRefusal struct {
	Error string `json:"error"`
	Start int    `json:"start"`
	End   int    `json:"end"`
}

// readLine parses a rule in the one-line grammar. It changes nothing.
func (a *service) readLine(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	var asked lineRequest
	if err := strictjson.Decode(body, &asked); err != nil {
		return Refuse(http.StatusBadRequest, "%v", err)
	}
	rule, err := grammar.ParseLine(asked.Line)
	if at, ok := errors.AsType[*grammar.LineError](err); ok {
		return Answer(w, http.StatusBadRequest, newLineRefusal(at, asked.Line))
	}
	if err == nil {
		err = a.ctl.CheckMatchers(rule.MatcherSetsRaw)
	}
	if err != nil {
		return Refuse(http.StatusBadRequest, "%v", err)
	}
	return Answer(w, http.StatusOK, lineView{rule})
}

// newLineRefusal locates the word that the error quotes, or otherwise the statement.
func newLineRefusal(e *grammar.LineError, line string) lineRefusal {
	no := lineRefusal{Error: e.Error(), Start: e.Start, End: e.End}
	text := line[e.Start:e.End]
	for quoted := range strings.SplitSeq(no.Error, "'") {
		if at := strings.Index(text, quoted); quoted != "" && at >= 0 && strings.Contains(no.Error, "'"+quoted+"'") {
			no.Start, no.End = e.Start+at, e.Start+at+len(quoted)
			return no
		}
	}
	no.Start += len(text) - len(strings.TrimLeft(text, " \t"))
	return no
}
