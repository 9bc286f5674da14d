package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
)

func init() {
	caddy.RegisterModule(AdminAPI{})
}

// AdminAPI serves the state of all faults on Caddy's admin endpoint, under
// /fault/: the switch, experiments, counters, the journal. GET
// /fault/openapi.json describes it.
type AdminAPI struct{ api http.Handler }

// CaddyModule returns the Caddy module information.
func (AdminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.fault",
		New: func() caddy.Module { return new(AdminAPI) },
	}
}

// Provision prepares the routes. It comes before the apps, and is not undone
// when the configuration fails to load: nothing of it may be kept.
func (a *AdminAPI) Provision(ctx caddy.Context) error {
	ctl := controlOf(ctx)
	ctl.restore(ctx) // the switch can be asked also where no configuration has faults
	a.api = newAPI(ctl, ctx.Storage())
	return nil
}

// Routes are all below one path; the API answers for itself, in JSON.
func (a *AdminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{
		Pattern: apiPrefix + "/",
		Handler: caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			a.api.ServeHTTP(w, r)
			return nil
		}),
	}}
}

// apiPrefix is where the API is, on the admin endpoint and behind a console.
const apiPrefix = "/fault"

// route is one operation of the API.
type route struct {
	method  string
	pattern string // below apiPrefix, as http.ServeMux has it
	serve   func(*api, http.ResponseWriter, *http.Request) error
	params  []string // of the query; others are refused
}

var routes = []route{
	{"GET", "/{$}", (*api).getState, nil},
	{"POST", "/halt", (*api).halt, nil},
	{"POST", "/resume", (*api).resume, nil},
	{"GET", "/experiments", (*api).listExperiments, []string{endedParam}},
	{"GET", "/experiments/{name}", (*api).getExperiment, nil},
	{"PUT", "/experiments/{name}", (*api).putExperiment, nil},
	{"PATCH", "/experiments/{name}", (*api).patchExperiment, nil},
	{"DELETE", "/experiments/{name}", (*api).deleteExperiment, nil},
	{"POST", "/rules/{point}/{rule}/off", (*api).switchRuleOff, nil},
	{"POST", "/rules/{point}/{rule}/on", (*api).switchRuleOn, nil},
	{"POST", "/reset", (*api).reset, []string{"point", "rule"}},
	{"GET", "/journal", (*api).getJournal, []string{"point", "rule", "since", "limit", "rate"}},
	{"DELETE", "/journal", (*api).emptyJournal, nil},
	{"GET", "/verify", (*api).verify, []string{"point", "rule", "exactly", "at_least", "at_most", "since", "wait"}},
	{"POST", "/explain", (*api).explain, nil},
	{"GET", "/kinds", (*api).listKinds, nil},
	{"POST", "/line", (*api).readLine, nil},
	{"GET", "/codes", (*api).listCodes, nil},
	{"GET", "/codes/{code}", (*api).getCode, nil},
	{"GET", "/openapi.json", (*api).getOpenAPI, nil},
}

// api is the operations. It has no state of its own.
type api struct {
	ctl     *control
	storage certmagic.Storage // where no configuration has faults
}

// newAPI is the handler of all routes.
func newAPI(ctl *control, storage certmagic.Storage) http.Handler {
	a := &api{ctl: ctl, storage: storage}
	mux := http.NewServeMux()
	methods := make(map[string][]string)
	for i := range routes {
		rt := &routes[i]
		mux.Handle(rt.method+" "+apiPrefix+rt.pattern, a.handler(rt.strict))
		methods[rt.pattern] = append(methods[rt.pattern], rt.method)
	}
	for pattern, allowed := range methods {
		mux.Handle(apiPrefix+pattern, a.handler(wrongMethod(allowed)))
	}
	mux.Handle("/", a.handler(func(_ *api, _ http.ResponseWriter, r *http.Request) error {
		return refuse(http.StatusNotFound, "no such path '%s'", r.URL.Path)
	}))
	return mux
}

// strict serves the operation if it knows every parameter, and each has one value:
// a reset with a misspelt one, or an empty one, would be a reset of everything.
func (rt *route) strict(a *api, w http.ResponseWriter, r *http.Request) error {
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refuse(http.StatusBadRequest, "reading the query: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		switch values := params[name]; {
		case !slices.Contains(rt.params, name):
			return refuse(http.StatusBadRequest, "no parameter '%s' here%s", name, oneOf(rt.params))
		case len(values) > 1:
			return refuse(http.StatusBadRequest, "%s: it is given %d times", name, len(values))
		case values[0] == "" && name != endedParam:
			return refuse(http.StatusBadRequest, "%s: it is empty: give it a value, or leave it out", name)
		}
	}
	return rt.serve(a, w, r)
}

func oneOf(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; there are: " + strings.Join(names, ", ")
}

func wrongMethod(allowed []string) func(*api, http.ResponseWriter, *http.Request) error {
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	return func(_ *api, w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return refuse(http.StatusMethodNotAllowed, "method %s is not allowed here: want %s", r.Method, strings.Join(allowed, " or "))
	}
}

// apiError is an answer that says no.
type apiError struct {
	status  int    `json:"-"`
	Message string `json:"error"`
	Count   *int   `json:"count,omitempty"` // of verify
}

func (e *apiError) Error() string { return e.Message }

// refuse makes an answer that says no.
func refuse(status int, format string, args ...any) *apiError {
	return &apiError{status: status, Message: fmt.Sprintf(format, args...)}
}

func (a *api) handler(serve func(*api, http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		err := serve(a, w, r)
		if err == nil {
			return
		}
		no, ok := errors.AsType[*apiError](err)
		if !ok {
			no = refuse(http.StatusInternalServerError, "%v", err)
		}
		_ = answer(w, no.status, no) // it can be written as JSON
	})
}

// answer answers by JSON. The error is that there is none of value; nothing has
// been written then.
func answer(w http.ResponseWriter, status int, value any) error {
	var text bytes.Buffer
	if err := encode(&text, value); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = text.WriteTo(w) // the client may have left
	return nil
}

// encode writes JSON for people to read.
func encode(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(value)
}

// maxBody is the most that the API reads of a request.
const maxBody = 1 << 20

// readBody reads a request's body.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", maxBody)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "reading the body: %v", err)
	}
	return body, nil
}

// Interface guards
var (
	_ caddy.AdminRouter = (*AdminAPI)(nil)
	_ caddy.Provisioner = (*AdminAPI)(nil)
)
