package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
)

// putExperiments starts several experiments, or none of them.
func (a *service) putExperiments(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	if err := strictjson.Unique(body); err != nil {
		return Refuse(http.StatusBadRequest, "reading JSON: %v", err)
	}
	var bodies map[string]json.RawMessage
	if json.Unmarshal(body, &bodies) != nil || len(bodies) == 0 {
		return Refuse(http.StatusBadRequest, `want an object with an experiment for each name, such as {"slow": {"points": ["*"], "faults": [{"fault": "delay", "duration": "2s"}]}}`)
	}
	return a.beginAll(w, r, bodies, "")
}

// beginAll starts experiments together, for a set or for none. It checks all of them
// before it changes anything.
func (a *service) beginAll(w http.ResponseWriter, r *http.Request, bodies map[string]json.RawMessage, set string) error {
	if n := len(bodies); n > experiments.MaxExperiments {
		return Refuse(http.StatusConflict, "the body has %d experiments; at most %d can run at a time", n, experiments.MaxExperiments)
	}
	batch, err := a.newBatch(r, bodies)
	if err != nil {
		return err
	}
	batch.Set, batch.When = set, condition(r)
	started, status, err := a.start(batch)
	if failed, ok := errors.AsType[experiments.BatchError](err); ok {
		return refuseAll(failed, len(bodies))
	}
	if err != nil {
		return refuseChange(err)
	}
	views := make([]ExperimentView, len(started))
	for i, live := range started {
		views[i] = a.newExperimentView(live)
		views[i].Places = a.placesOf(live)
	}
	w.Header().Set("ETag", views[0].ETag()) // all have the same revision
	return Answer(w, status, ExperimentList{views})
}

// newBatch reads the experiments. The error names all that are refused.
func (a *service) newBatch(r *http.Request, bodies map[string]json.RawMessage) (experiments.Batch, error) {
	var batch experiments.Batch
	failed := make(experiments.BatchError)
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		draft, err := a.newDraft(r, name, bodies[name])
		if err != nil {
			failed[name] = err
			continue
		}
		batch.Drafts = append(batch.Drafts, draft)
	}
	if len(failed) > 0 {
		return batch, refuseAll(failed, len(bodies))
	}
	return batch, nil
}

// refuseAll returns the API error for a batch of n experiments. It has the status that
// all errors have, or 400.
func refuseAll(failed experiments.BatchError, n int) error {
	no := &Error{Errors: make(map[string]string)}
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		one, isRefusal := errors.AsType[*Error](failed[name])
		if !isRefusal {
			one, _ = errors.AsType[*Error](refuseChange(failed[name]))
		}
		if no.Status == 0 {
			no.Status = one.Status
		}
		if no.Status != one.Status {
			no.Status = http.StatusBadRequest
		}
		name = fmt.Sprintf("%.100s", name)
		no.Errors[name] = one.Message
		if len(texts) < maxEach {
			texts = append(texts, fmt.Sprintf("experiment '%s': %s", name, one.Message))
		}
	}
	if more := len(failed) - len(texts); more > 0 {
		texts = append(texts, "and "+strconv.Itoa(more)+" more")
	}
	no.Message = fmt.Sprintf("no experiment has started, because %d of %d cannot: %s", len(failed), n, strings.Join(texts, "; "))
	return no
}
