package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
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
	a.api = newAPI(ctx.Storage())
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
}

var routes = []route{
	{"GET", "/{$}", (*api).getState},
	{"POST", "/halt", (*api).halt},
	{"POST", "/resume", (*api).resume},
	{"GET", "/experiments", (*api).listExperiments},
	{"GET", "/experiments/{name}", (*api).getExperiment},
	{"PUT", "/experiments/{name}", (*api).putExperiment},
	{"PATCH", "/experiments/{name}", (*api).patchExperiment},
	{"DELETE", "/experiments/{name}", (*api).deleteExperiment},
	{"POST", "/rules/{point}/{rule}/off", (*api).switchRuleOff},
	{"POST", "/rules/{point}/{rule}/on", (*api).switchRuleOn},
	{"POST", "/reset", (*api).reset},
	{"GET", "/journal", (*api).getJournal},
	{"DELETE", "/journal", (*api).emptyJournal},
	{"GET", "/verify", (*api).verify},
	{"POST", "/explain", (*api).explain},
	{"GET", "/kinds", (*api).listKinds},
	{"POST", "/line", (*api).readLine},
	{"GET", "/codes", (*api).listCodes},
	{"GET", "/codes/{code}", (*api).getCode},
	{"GET", "/openapi.json", (*api).getOpenAPI},
}

// api is the operations. It has no state but the storage: that of the process
// is asked each time.
type api struct{ storage certmagic.Storage }

// newAPI is the handler of all routes.
func newAPI(storage certmagic.Storage) http.Handler {
	a := &api{storage: storage}
	mux := http.NewServeMux()
	methods := make(map[string][]string)
	for _, rt := range routes {
		mux.Handle(rt.method+" "+apiPrefix+rt.pattern, a.handler(rt.serve))
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
	status  int
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
		_ = answer(w, no.status, no)
	})
}

// answer writes JSON, for people too.
func answer(w http.ResponseWriter, status int, value any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
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
