package command

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/plan"
	"github.com/caddyfault/caddyfault/caddymodule/seen"
)

// planNode is a node of a plan, through its API.
type planNode struct{ *adminClient }

var _ plan.Node = planNode{}

func (n planNode) Address() string { return n.address }

// call calls the API, and reads the answer into view unless it is nil.
func (n planNode) call(ctx context.Context, method, path string, body any, header http.Header, view any) error {
	data, err := n.do(ctx, method, path, body, header)
	if no, ok := errors.AsType[*api.Error](err); ok {
		return &plan.RefusalError{Status: no.Status, Message: no.Message}
	}
	if err != nil || view == nil {
		return err
	}
	return readAnswer(data, view)
}

func (n planNode) State(ctx context.Context) (*plan.State, error) {
	s := new(plan.State)
	for page := "?limit=1000"; page != ""; {
		var view api.StateView
		if err := n.call(ctx, http.MethodGet, "/"+page, nil, nil, &view); err != nil {
			return nil, err
		}
		s.Halted, s.Version = view.Halted, view.Server.Version
		if began := view.Server.Started; !began.IsZero() {
			s.Process = view.Server.Node + " " + began.Format(time.RFC3339Nano)
		}
		if view.Share != nil {
			s.Group = view.Share.Group
		}
		for i := range view.Points {
			s.Points = append(s.Points, view.Points[i].Point)
		}
		page = view.Next
	}
	return s, nil
}

func (n planNode) Begin(ctx context.Context, experiments map[string]json.RawMessage) (string, error) {
	var view api.ExperimentList
	err := n.call(ctx, http.MethodPut, "/experiments", experiments, http.Header{"If-None-Match": {"*"}}, &view)
	if err != nil {
		return "", err
	}
	if len(view.Experiments) == 0 {
		return "", errors.New("the answer has no experiment")
	}
	return view.Experiments[0].Revision, nil
}

func (n planNode) Extend(ctx context.Context, name, revision string, ttl time.Duration) (string, error) {
	var view api.ExperimentView
	err := n.call(ctx, http.MethodPatch, experimentPath(name), map[string]string{"ttl": ttl.String()}, ifMatch(revision), &view)
	return view.Revision, err
}

func ifMatch(revision string) http.Header { return http.Header{"If-Match": {`"` + revision + `"`}} }

func (n planNode) Find(ctx context.Context, name string) (revision, note string, err error) {
	var view api.ExperimentView
	if err := n.call(ctx, http.MethodGet, experimentPath(name), nil, nil, &view); err != nil {
		return "", "", err
	}
	var e struct {
		Note string `json:"note"`
	}
	err = readAnswer(view.Experiment, &e)
	return view.Revision, e.Note, err
}

func (n planNode) End(ctx context.Context, name, revision string) error {
	return n.call(ctx, http.MethodDelete, experimentPath(name), nil, ifMatch(revision), nil)
}

// Count asks for an assertion that always holds, which has the count. A rule may be
// written with its point.
func (n planNode) Count(ctx context.Context, rule string) (int, error) {
	var view api.VerifyView
	params := url.Values{"at_least": {"0"}, "rule": {rule}}
	if point, name, both := strings.Cut(rule, "/"); both {
		params.Set("point", point)
		params.Set("rule", name)
	}
	err := n.call(ctx, http.MethodGet, "/verify?"+params.Encode(), nil, nil, &view)
	return view.Count, err
}

func (n planNode) Seen(ctx context.Context, point string, over time.Duration) (*seen.Summary, error) {
	view := new(seen.Summary)
	params := url.Values{"point": {point}, "over": {over.String()}}
	return view, n.call(ctx, http.MethodGet, "/seen?"+params.Encode(), nil, nil, view)
}

func (n planNode) Calls(ctx context.Context, within time.Duration) (*clients.Evidence, clients.Settings, error) {
	var view api.ClientsView
	params := url.Values{"calls": {"true"}, "since": {within.String()}}
	err := n.call(ctx, http.MethodGet, "/clients?"+params.Encode(), nil, nil, &view)
	if err == nil && (view.Recorded == nil || view.Settings == nil) {
		err = errors.New("the answer has no evidence")
	}
	if err != nil {
		return nil, clients.Settings{}, err
	}
	return view.Recorded, view.Settings.Settings(), nil
}
