package kinds

import (
	"errors"
	"net/http"
	"reflect"
	"runtime"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// templatesID is the module that executes replies as templates.
const templatesID = "http.handlers.templates"

// A shield keeps the text of a fault from the templates directive. The text may
// be a stranger's, and no delimiter or escape is safe, for a site chooses its own.
//
// The directive executes what its recorder has buffered. The recorder buffers by
// the header, which it reads from the writer inside of it. The shield puts a
// writer there that shows the recorder, and nobody else, a header without fields.
// So nothing is buffered, and all other writers see the header as it is.
//
// A nil shield is valid: no templates directive sees the reply.
type shield []*unexecuted

var errUnshielded = errors.New("the templates directive would execute the text of a fault, and cannot be kept from it")

// newShield finds the recorders of templates on the way to the client. It
// returns an error if it cannot keep templates from executing the reply.
func newShield(w http.ResponseWriter) (shield, error) {
	s, _, err := lookOut(w, http.StatusOK)
	return s, err
}

// lookOut is newShield and holdsReply on one way, for a reply with this status.
func lookOut(w http.ResponseWriter, code int) (s shield, holds bool, err error) {
	last := w
	for ; w != nil; w = wire.Unwrap(w) {
		last = w
		switch on := w.(type) {
		case wire.Holder:
			holds = holds || on.HoldsReply()
		case caddyhttp.ResponseRecorder:
			if on.Buffer() == nil || !recorderOfTemplates().is(on) {
				continue
			}
			u := insertUnexecuted(on)
			if u == nil || !u.works(on) {
				return nil, false, caddyhttp.Error(http.StatusInternalServerError, errUnshielded)
			}
			s = append(s, u)
		}
	}
	if code < http.StatusBadRequest && recorderOfTemplates().includes(last) {
		return nil, false, caddyhttp.Error(http.StatusInternalServerError, errUnshielded)
	}
	return s, holds, nil
}

// raise keeps the reply from being executed. The head must be still to come.
func (s shield) raise() {
	for _, u := range s {
		u.raised = true
	}
}

// unexecuted is the writer inside of a recorder of templates.
type unexecuted struct {
	caddyhttp.ResponseWriterWrapper // towards the client

	raised bool
	trying bool // only a trial: no head passes
	asked  bool // the recorder has seen the empty header
}

// insertUnexecuted puts one inside of the recorder, unless there is one. It
// returns nil if the recorder has no place for it.
func insertUnexecuted(recorder http.ResponseWriter) *unexecuted {
	inside := writerInside(recorder)
	if inside == nil {
		return nil
	}
	u, ok := inside.ResponseWriter.(*unexecuted)
	if !ok {
		u = &unexecuted{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: inside.ResponseWriter}}
		inside.ResponseWriter = u
	}
	return u
}

// writerInside is the exported wrapper that Caddy's recorder embeds.
func writerInside(recorder http.ResponseWriter) *caddyhttp.ResponseWriterWrapper {
	v := reflect.Indirect(reflect.ValueOf(recorder))
	if v.Kind() != reflect.Struct {
		return nil
	}
	field := v.FieldByName("ResponseWriterWrapper")
	if !field.IsValid() || !field.CanInterface() {
		return nil
	}
	inside, _ := reflect.TypeAssert[*caddyhttp.ResponseWriterWrapper](field)
	return inside
}

// works tries the writer. An interim status makes the recorder decide whether it
// would buffer, and binds it to nothing.
func (u *unexecuted) works(recorder caddyhttp.ResponseRecorder) bool {
	was := u.raised
	u.raised, u.trying, u.asked = true, true, false
	recorder.WriteHeader(http.StatusEarlyHints)
	u.raised, u.trying = was, false
	return u.asked && !recorder.Buffered()
}

// Header is the reply's header. It is empty for a recorder that decides by it.
func (u *unexecuted) Header() http.Header {
	if u.raised && callerName() == recorderOfTemplates().decides {
		u.asked = true
		return http.Header{}
	}
	return u.ResponseWriter.Header()
}

// callerName is the function that has called the caller of callerName. The
// runtime leaves out the methods that are only promoted by embedding.
func callerName() string {
	var pcs [1]uintptr
	if runtime.Callers(3, pcs[:]) == 0 {
		return ""
	}
	frame, _ := runtime.CallersFrames(pcs[:]).Next()
	return frame.Function
}

// WriteHeader sends the head, but in a trial.
func (u *unexecuted) WriteHeader(code int) {
	if !u.trying {
		u.ResponseWriter.WriteHeader(code)
	}
}

// recorderKind tells a recorder of templates from those of others. If none is
// known, each that buffers may be one.
type recorderKind struct {
	known   bool
	pkg     string // of the directive
	typ     reflect.Type
	decides string  // the function that reads the header to decide
	buffers uintptr // the code that decides
}

// recorderOfTemplates is found out by a trial, for nothing of it has a public
// name. A Caddy without templates has none.
var recorderOfTemplates = sync.OnceValue(func() recorderKind {
	info, err := caddy.GetModule(templatesID)
	if err != nil {
		return recorderKind{known: true}
	}
	directive := info.New()
	kind := tryRecorder(directive)
	kind.pkg = packageOf(directive)
	return kind
})

func packageOf(v any) string {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath()
}

// tryRecorder lets the directive make a recorder, looks at it, and fails before
// there is something to execute.
func tryRecorder(directive caddy.Module) (kind recorderKind) {
	handler, ok := directive.(caddyhttp.MiddlewareHandler)
	if !ok {
		return recorderKind{}
	}
	looked := errors.New("looked")
	look := func(w http.ResponseWriter, _ *http.Request) error {
		kind = learnRecorder(w)
		return looked
	}
	if err := handler.ServeHTTP(wire.Hijackable{}, new(http.Request), caddyhttp.HandlerFunc(look)); !errors.Is(err, looked) {
		return recorderKind{}
	}
	return kind
}

// learnRecorder notes what a recorder is known by.
func learnRecorder(w http.ResponseWriter) recorderKind {
	recorder := reflect.Indirect(reflect.ValueOf(w))
	inside := writerInside(w)
	if inside == nil {
		return recorderKind{}
	}
	buffers := recorder.FieldByName("shouldBuffer")
	if buffers.Kind() != reflect.Func || buffers.IsNil() {
		return recorderKind{}
	}
	var asks askers
	inside.ResponseWriter = &asks
	w.WriteHeader(http.StatusEarlyHints)
	decides := asks.last
	_ = w.Header()
	if decides == "" || decides == asks.last {
		return recorderKind{} // it cannot be told from others who read the header
	}
	return recorderKind{known: true, typ: reflect.TypeOf(w), decides: decides, buffers: buffers.Pointer()}
}

// is reports whether templates may execute what the recorder has.
func (k recorderKind) is(recorder caddyhttp.ResponseRecorder) bool {
	if !k.known {
		return true
	}
	return reflect.TypeOf(recorder) == k.typ && reflect.ValueOf(recorder).Elem().FieldByName("shouldBuffer").Pointer() == k.buffers
}

// includes reports whether the reply goes to a writer of the directive itself, by
// which httpInclude takes a reply into a page. It executes that whatever its type,
// unless the status is one of an error. So there the fault fails.
func (k recorderKind) includes(last http.ResponseWriter) bool {
	return k.pkg != "" && packageOf(last) == k.pkg
}

// askers is a writer that notes who reads its header.
type askers struct {
	wire.Hijackable
	last string
}

func (a *askers) Header() http.Header {
	a.last = callerName()
	return http.Header{}
}

// Interface guards
var _ http.ResponseWriter = (*unexecuted)(nil)
