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

// A shield prevents the templates directive from executing the text of a fault. The
// text may come from a client. No delimiter can be escaped safely, because a site
// chooses its own delimiters.
//
// The directive executes what its recorder has buffered. The recorder decides by the
// header, which it reads from its inner writer. The shield inserts an inner writer that
// shows an empty header to the recorder only. Nothing is buffered then, and all other
// writers see the real header.
//
// A nil shield is valid. It means that no templates directive sees the reply.
type shield []*unexecuted

var errUnshielded = errors.New("the templates directive would execute the text of a fault, and this cannot be prevented")

// newShield finds the recorders of templates between w and the client. It returns an
// error if it cannot prevent templates from executing the reply.
func newShield(w http.ResponseWriter) (shield, error) {
	s, _, err := lookOut(w, http.StatusOK)
	return s, err
}

// lookOut returns a shield for a reply with this status, and reports whether a writer
// between w and the client holds the reply.
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

// raise prevents the reply from being executed. The head must not have been sent.
func (s shield) raise() {
	for _, u := range s {
		u.raised = true
	}
}

// unexecuted is the inner writer of a recorder of templates.
type unexecuted struct {
	caddyhttp.ResponseWriterWrapper // the client's side

	raised bool
	trying bool // during a trial no head is sent
	asked  bool // the recorder has read the empty header
}

// insertUnexecuted returns the recorder's unexecuted, and inserts one if it has none.
// It returns nil if none can be inserted.
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

// writerInside returns the exported wrapper that Caddy's recorder embeds.
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

// works tries the writer. An interim status makes the recorder decide whether it would
// buffer, without consequences.
func (u *unexecuted) works(recorder caddyhttp.ResponseRecorder) bool {
	was := u.raised
	u.raised, u.trying, u.asked = true, true, false
	recorder.WriteHeader(http.StatusEarlyHints)
	u.raised, u.trying = was, false
	return u.asked && !recorder.Buffered()
}

// Header returns the reply's header, or an empty one to a recorder that decides by it.
func (u *unexecuted) Header() http.Header {
	if u.raised && callerName() == recorderOfTemplates().decides {
		u.asked = true
		return http.Header{}
	}
	return u.ResponseWriter.Header()
}

// callerName returns the name of the function that called the caller of callerName. The
// runtime skips methods promoted by embedding.
func callerName() string {
	var pcs [1]uintptr
	if runtime.Callers(3, pcs[:]) == 0 {
		return ""
	}
	frame, _ := runtime.CallersFrames(pcs[:]).Next()
	return frame.Function
}

// WriteHeader sends the head, except during a trial.
func (u *unexecuted) WriteHeader(code int) {
	if !u.trying {
		u.ResponseWriter.WriteHeader(code)
	}
}

// recorderKind distinguishes the recorders of templates from others. If known is false,
// every recorder that buffers may be one of templates.
type recorderKind struct {
	known   bool
	pkg     string // the directive's package
	typ     reflect.Type
	decides string  // the function that reads the header to decide
	buffers uintptr // the code that decides
}

// recorderOfTemplates is found by a trial, because none of it is exported. In a Caddy
// without templates it matches nothing.
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

// tryRecorder runs the directive, looks at its recorder, and fails before the directive
// executes anything.
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

// learnRecorder finds the properties of a recorder.
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
		return recorderKind{} // not distinguishable from other functions that read the header
	}
	return recorderKind{known: true, typ: reflect.TypeOf(w), decides: decides, buffers: buffers.Pointer()}
}

// is reports whether templates may execute what the recorder buffers.
func (k recorderKind) is(recorder caddyhttp.ResponseRecorder) bool {
	if !k.known {
		return true
	}
	return reflect.TypeOf(recorder) == k.typ && reflect.ValueOf(recorder).Elem().FieldByName("shouldBuffer").Pointer() == k.buffers
}

// includes reports whether last is the writer with which httpInclude inserts a reply
// into a page. httpInclude executes a reply of any type, unless its status is an error.
// A fault with another status therefore fails there.
func (k recorderKind) includes(last http.ResponseWriter) bool {
	return k.pkg != "" && packageOf(last) == k.pkg
}

// askers is a writer that records which function reads its header.
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
