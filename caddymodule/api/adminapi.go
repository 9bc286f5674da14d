package api

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

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

func init() {
	caddy.RegisterModule(AdminAPI{})
}

// AdminAPI serves the state of all faults on Caddy's admin endpoint, under /fault/: the
// switch, the experiments, the counters and the journal. GET /fault/openapi.json
// describes the API.
type AdminAPI struct{ api http.Handler }

// CaddyModule returns the Caddy module information.
func (AdminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.fault",
		New: func() caddy.Module { return new(AdminAPI) },
	}
}

// Provision prepares the routes. Caddy calls it before it provisions the apps, and does
// not undo it if the configuration fails to load. Provision must therefore keep nothing
// of the configuration.
func (a *AdminAPI) Provision(ctx caddy.Context) error {
	ctl := control.Of(ctx)
	ctl.Restore(ctx) // the switch is available even if the configuration has no faults
	a.api = New(ctl, ctx.Storage())
	return nil
}

// Routes returns one route for all paths of the API. The API writes its own errors, as
// JSON.
func (a *AdminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{
		Pattern: Prefix + "/",
		Handler: caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			a.api.ServeHTTP(w, r)
			return nil
		}),
	}}
}

// Prefix is the path of the API, on the admin endpoint and below the path of a console.
const Prefix = "/fault"

// route is one operation of the API.
type route struct {
	method  string
	pattern string // relative to Prefix, in the syntax of http.ServeMux
	serve   func(*service, http.ResponseWriter, *http.Request) error
	params  []string // allowed query parameters
}

var routes = []route{
	{"GET", "/{$}", (*service).getState, []string{"after", "limit", "q"}},
	{"GET", "/points", (*service).listPoints, nil},
	{"POST", "/halt", (*service).halt, nil},
	{"PATCH", "/halt", (*service).annotate, nil},
	{"POST", "/resume", (*service).resume, nil},
	{"GET", "/experiments", (*service).listExperiments, []string{endedParam}},
	{"PUT", "/experiments", (*service).putExperiments, nil},
	{"GET", "/experiments/{name}", (*service).getExperiment, nil},
	{"PUT", "/experiments/{name}", (*service).putExperiment, nil},
	{"PATCH", "/experiments/{name}", (*service).patchExperiment, nil},
	{"DELETE", "/experiments/{name}", (*service).deleteExperiment, nil},
	{"GET", "/sets", (*service).listSets, nil},
	{"POST", "/sets/{name}", (*service).startSet, nil},
	{"DELETE", "/sets/{name}", (*service).endSet, nil},
	{"POST", "/rules/{point}/{rule}/off", (*service).switchRuleOff, nil},
	{"POST", "/rules/{point}/{rule}/on", (*service).switchRuleOn, nil},
	{"POST", "/reset", (*service).reset, []string{"point", "rule"}},
	{"GET", "/journal", (*service).getJournal, []string{"point", "rule", "id", "refused", "status", "path", "since", "limit", "rate"}},
	{"DELETE", "/journal", (*service).emptyJournal, nil},
	{"GET", "/verify", (*service).verify, []string{"point", "rule", "id", "refused", "exactly", "at_least", "at_most", "since", "wait"}},
	{"GET", "/clients", (*service).getClients, []string{"client", "point", "rule", "since", "calls", "fail_on", "allow", "require", "min_calls", "wait"}},
	{"DELETE", "/clients", (*service).forgetClients, nil},
	{"GET", "/activity", (*service).getActivity, []string{"since", "limit"}},
	{"GET", "/seen", (*service).getSeen, []string{"point", "over", "window", "by"}},
	{"POST", "/explain", (*service).explain, nil},
	{"GET", "/kinds", (*service).listKinds, nil},
	{"GET", "/presets", (*service).listPresets, nil},
	{"GET", "/presets/{name}", (*service).getPreset, nil},
	{"POST", "/draft", (*service).readDraft, nil},
	{"GET", "/codes", (*service).listCodes, nil},
	{"GET", "/codes/{code}", (*service).getCode, nil},
	{"GET", "/schema/{name}", (*service).getSchema, nil},
	{"GET", "/openapi.json", (*service).getOpenAPI, nil},
}

// service serves the operations. It is stateless.
type service struct {
	ctl     *control.Control
	storage certmagic.Storage // used if the configuration has no faults
}

// New returns the handler of all routes. It uses storage if the configuration has no
// faults.
func New(ctl *control.Control, storage certmagic.Storage) http.Handler {
	a := &service{ctl: ctl, storage: storage}
	mux := http.NewServeMux()
	methods := make(map[string][]string)
	for i := range routes {
		rt := &routes[i]
		mux.Handle(rt.method+" "+Prefix+rt.pattern, a.handler(rt.strict))
		methods[rt.pattern] = append(methods[rt.pattern], rt.method)
	}
	for pattern, allowed := range methods {
		mux.Handle(Prefix+pattern, a.handler(wrongMethod(allowed)))
	}
	mux.Handle("/", a.handler(func(_ *service, _ http.ResponseWriter, r *http.Request) error {
		return Refuse(http.StatusNotFound, "no such path '%s'", r.URL.Path)
	}))
	return mux
}

// strict serves the operation if each parameter is known and has exactly one value.
// Otherwise a reset with a misspelled or empty parameter would reset everything.
func (rt *route) strict(a *service, w http.ResponseWriter, r *http.Request) error {
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return Refuse(http.StatusBadRequest, "reading the query: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		switch values := params[name]; {
		case !slices.Contains(rt.params, name):
			return Refuse(http.StatusBadRequest, "unknown parameter '%s'%s", name, oneOf(rt.params))
		case len(values) > 1:
			return Refuse(http.StatusBadRequest, "%s: given %d times; give it once", name, len(values))
		case values[0] == "" && name != endedParam:
			return Refuse(http.StatusBadRequest, "%s: empty; give it a value or leave it out", name)
		}
	}
	return rt.serve(a, w, r)
}

func oneOf(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; the parameters are: " + strings.Join(names, ", ")
}

func wrongMethod(allowed []string) func(*service, http.ResponseWriter, *http.Request) error {
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	return func(_ *service, w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return Refuse(http.StatusMethodNotAllowed, "method %s is not allowed; use %s", r.Method, strings.Join(allowed, " or "))
	}
}

// Error is an error of the API, which is sent as JSON.
type Error struct {
	Status  int    `json:"-"`
	Message string `json:"error"`
	Count   *int   `json:"count,omitempty"` // the hits or refusals that verify counted

	// Refusals are the last of the refusals that verify counted.
	Refusals []experiments.Entry `json:"refusals,omitempty"`

	// Errors are the reasons by name, if experiments of a batch cannot start.
	Errors map[string]string `json:"errors,omitempty"`

	// Counts are the hits by point, if verify finds the rule at several points.
	Counts map[string]int `json:"counts,omitempty"`

	// Passed counts the matching requests that were not hit, by reason, if an assertion
	// of verify does not hold.
	Passed map[string]uint64 `json:"passed,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// Refuse returns an API error with the given status.
func Refuse(status int, format string, args ...any) *Error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}

func (a *service) handler(serve func(*service, http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		err := serve(a, w, r)
		if err == nil {
			return
		}
		no, ok := errors.AsType[*Error](err)
		if !ok {
			no = Refuse(http.StatusInternalServerError, "%v", err)
		}
		_ = Answer(w, no.Status, no) // an Error can always be written as JSON
	})
}

// Answer writes value as JSON. It returns an error, and writes nothing, if value cannot
// be encoded.
func Answer(w http.ResponseWriter, status int, value any) error {
	var text bytes.Buffer
	if err := Encode(&text, value); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = text.WriteTo(w) // the client may have left
	return nil
}

// Encode writes value as JSON with indentation, for people to read.
func Encode(w io.Writer, value any) error {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return err
	}
	_, err := escaper.WriteString(w, text.String())
	return err
}

// escaper escapes, in JSON, the control characters that a terminal may obey and that
// package json leaves as they are.
var escaper = func() *strings.Replacer {
	var pairs []string
	for char := rune(0x7f); char < 0xa0; char++ {
		pairs = append(pairs, string(char), fmt.Sprintf(`\u%04x`, char))
	}
	return strings.NewReplacer(pairs...)
}()

// MaxBody is the size in bytes of the largest request body that the API reads.
const MaxBody = 1 << 20

// readBody reads the body of a request, up to MaxBody bytes.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, Refuse(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", MaxBody)
	}
	if err != nil {
		return nil, Refuse(http.StatusBadRequest, "reading the body: %v", err)
	}
	return body, nil
}

// Interface guards
var (
	_ caddy.AdminRouter = (*AdminAPI)(nil)
	_ caddy.Provisioner = (*AdminAPI)(nil)
)
