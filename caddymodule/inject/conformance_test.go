package inject

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// The golden files of kinds, in the folder of the kinds, and all other golden files.
const (
	kindsFolder  = "../kinds"
	goldenFolder = "testdata"
	otherGoldens = "../testdata/adapt"
)

// TestEveryKind checks the contract of package faults for all kinds, with the same
// assertions in both phases. The samples come from the kinds' golden files.
func TestEveryKind(t *testing.T) {
	t.Chdir(kindsFolder) // a sample refers to a file
	kinds := caddy.GetModules(faults.Namespace)
	if len(kinds) == 0 {
		t.Fatal("no kinds of fault")
	}
	for _, info := range kinds {
		kind := info.ID.Name()
		t.Run(kind, func(t *testing.T) {
			if _, ok := info.New().(faults.Fault); !ok {
				t.Fatalf("%T is not a fault", info.New())
			}
			t.Run("documented", func(t *testing.T) { checkDocumented(t, info) })
			samples := samplesOf(t, kind)
			if len(samples) == 0 {
				t.Fatalf("no sample: write kinds/testdata/kind_%s.caddyfiletest", kind)
			}
			if len(testkit.Goldens(t, goldenFolder, "kind_"+kind+"_bad_*")) == 0 {
				t.Fatalf("nothing is refused: write kind_%[1]s_bad_* into kinds/testdata/kind_%[1]s.refusals.txtar", kind)
			}
			t.Run("strict", func(t *testing.T) { checkStrict(t, info, samples[0]) })
			t.Run("line", func(t *testing.T) { checkLine(t, info, samples) })
			for i, sample := range samples {
				t.Run(fmt.Sprint("sample", i+1), func(t *testing.T) {
					checkSameValue(t, info, sample)
					fault := loadFault(t, kind, sample)
					for _, phase := range []string{rules.PhaseRequest, rules.PhaseResponse} {
						t.Run(phase, func(t *testing.T) { checkBehaviour(t, fault, phase) })
						if faults.InTransport.Check(fault) == nil {
							t.Run("transport "+phase, func(t *testing.T) { checkAttempts(t, fault, phase) })
						}
					}
				})
			}
		})
	}
}

// samplesOf returns the settings of a kind in its golden file, as JSON.
func samplesOf(t testing.TB, kind string) []json.RawMessage {
	t.Helper()
	var samples []json.RawMessage
	for _, g := range testkit.Goldens(t, goldenFolder, "kind_"+kind) {
		var config any
		if err := json.Unmarshal([]byte(g.Want), &config); err != nil {
			t.Fatal(err)
		}
		testkit.Collect(config, func(fault map[string]any) {
			if fault["fault"] == kind {
				delete(fault, "fault")
				sample, err := json.Marshal(fault)
				if err != nil {
					t.Fatal(err)
				}
				samples = append(samples, sample)
			}
		})
	}
	return samples
}

// checkDocumented checks that the kind, each of its settings and its grammar have a
// comment, because these comments are the manual.
func checkDocumented(t *testing.T, info caddy.ModuleInfo) {
	t.Helper()
	typ := reflect.TypeOf(info.New()).Elem()
	notTest := func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }
	packages, err := parser.ParseDir(token.NewFileSet(), ".", notTest, parser.ParseComments) //nolint:staticcheck // one folder, no build tags
	if err != nil {
		t.Fatal(err)
	}
	documented, grammar := false, false
	ast.Inspect(packages["kinds"], func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			for _, spec := range n.Specs {
				if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.Name == typ.Name() {
					documented = strings.Contains(n.Doc.Text(), "hat the client sees")
					checkFieldsDocumented(t, ts)
				}
			}
		case *ast.FuncDecl:
			if n.Name.Name == "UnmarshalCaddyfile" && receiver(n) == typ.Name() {
				grammar = strings.Contains(n.Doc.Text(), "Syntax:\n\n\t"+info.ID.Name())
			}
		}
		return true
	})
	if !documented {
		t.Errorf("the comment on type %s does not say what the client sees", typ.Name())
	}
	if !grammar {
		t.Errorf("the comment on %s.UnmarshalCaddyfile does not show the grammar", typ.Name())
	}
}

func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return ""
	}
	expr := fn.Recv.List[0].Type
	if star, ok := expr.(*ast.StarExpr); ok {
		expr = star.X
	}
	return expr.(*ast.Ident).Name
}

func checkFieldsDocumented(t *testing.T, ts *ast.TypeSpec) {
	t.Helper()
	for _, field := range ts.Type.(*ast.StructType).Fields.List {
		for _, name := range field.Names {
			if name.IsExported() && field.Doc.Text() == "" {
				t.Errorf("field %s.%s has no comment", ts.Name.Name, name.Name)
			}
		}
	}
}

// checkStrict checks that unknown settings are refused, in JSON and in a Caddyfile.
func checkStrict(t *testing.T, info caddy.ModuleInfo, sample json.RawMessage) {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(sample, &fields); err != nil {
		t.Fatal(err)
	}
	fields["no_such_setting"] = true
	unknown, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.StrictUnmarshalJSON(unknown, info.New()); err == nil {
		t.Errorf("%s is not refused", unknown)
	}
	unm, ok := info.New().(caddyfile.Unmarshaler)
	if !ok {
		t.Fatal("cannot be written in a Caddyfile")
	}
	if err := unm.UnmarshalCaddyfile(caddyfile.NewTestDispenser(info.ID.Name() + " {\n no_such_setting\n}")); err == nil {
		t.Error("an unknown option in a Caddyfile is not refused")
	}
}

// checkSameValue checks that the Caddyfile line and the JSON made from it mean the
// same.
func checkSameValue(t *testing.T, info caddy.ModuleInfo, sample json.RawMessage) {
	t.Helper()
	value := info.New()
	if err := caddy.StrictUnmarshalJSON(sample, value); err != nil {
		t.Fatalf("%s: %v", sample, err)
	}
	again, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if json.Unmarshal(again, &got) != nil || json.Unmarshal(sample, &want) != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %s, want %s", again, sample)
	}
}

// checkLine checks that the parser of a kind reads the lines that the kind writes
// without loss. It uses the settings of each sample, and each sample with one more
// setting from another sample.
func checkLine(t *testing.T, info caddy.ModuleInfo, samples []json.RawMessage) {
	t.Helper()
	if _, ok := info.New().(faults.Liner); !ok {
		return // settings that need a block
	}
	written := 0
	for _, settings := range mixed(t, samples) {
		fault := info.New()
		if err := caddy.StrictUnmarshalJSON(settings, fault); err != nil {
			t.Fatalf("%s: %v", settings, err)
		}
		if v, ok := fault.(caddy.Validator); ok && v.Validate() != nil {
			continue // settings that cannot be combined
		}
		line, ok := fault.(faults.Liner).Line()
		if !ok {
			continue
		}
		written++
		statements, err := grammar.Split(info.ID.Name() + " " + line)
		if err != nil || len(statements) != 1 {
			t.Fatalf("%s: %q: got %d statements, %v", settings, line, len(statements), err)
		}
		again, d := info.New(), caddyfile.NewDispenser(statements[0].Tokens)
		err = again.(caddyfile.Unmarshaler).UnmarshalCaddyfile(d)
		if got, want := caddyconfig.JSON(again, nil), caddyconfig.JSON(fault, nil); err != nil || d.Next() || !bytes.Equal(got, want) {
			t.Errorf("%s was written as %q, which reads as %s, error %v", want, line, got, err)
		}
	}
	if written == 0 {
		t.Error("no sample was written as a line")
	}
}

// mixed returns the samples, and each of them with a setting of another one.
func mixed(t *testing.T, samples []json.RawMessage) []json.RawMessage {
	t.Helper()
	all := slices.Clone(samples)
	for _, sample := range samples {
		for _, other := range samples {
			var more map[string]json.RawMessage
			if err := json.Unmarshal(other, &more); err != nil {
				t.Fatal(err)
			}
			for name, value := range more {
				var settings map[string]json.RawMessage
				if err := json.Unmarshal(sample, &settings); err != nil {
					t.Fatal(err)
				}
				settings[name] = value
				all = append(all, caddyconfig.JSON(settings, nil))
			}
		}
	}
	return all
}

func loadFault(t testing.TB, kind string, sample json.RawMessage) faults.Fault {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	mod, err := ctx.LoadModuleByID(faults.Namespace+"."+kind, sample)
	if err != nil {
		t.Fatalf("%s: %v", sample, err)
	}
	return mod.(faults.Fault)
}

// checkBehaviour runs a fault in one of the phases.
func checkBehaviour(t *testing.T, fault faults.Fault, phase string) {
	t.Run("left alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			got := newTrial(t, fault, phase).run(t.Context())
			got.checkReply(t, fault)
		})
	})
	t.Run("client leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, leave := context.WithTimeout(t.Context(), time.Millisecond)
			defer leave()
			trial := newTrial(t, fault, phase)
			trial.left = ctx
			got := trial.run(ctx)
			if got.took > time.Millisecond {
				t.Errorf("the fault went on for %v after the client had left", got.took-time.Millisecond)
			}
			if got.late > 0 {
				t.Errorf("%d writes after the client had left", got.late)
			}
		})
	})
	t.Run("ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			trial := newTrial(t, fault, phase)
			ended := make(chan struct{})
			trial.hit.Ended = ended
			time.AfterFunc(time.Millisecond, func() { close(ended) })
			got := trial.run(t.Context())
			if got.took > time.Millisecond {
				t.Errorf("the fault went on for %v after it had ended", got.took-time.Millisecond)
			}
			got.checkReply(t, fault)
		})
	})
	t.Run("concurrent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() { newTrial(t, fault, phase).run(t.Context()).checkReply(t, fault) })
			}
			wg.Wait()
		})
	})
}

// trial is a request that is hit by one fault.
type trial struct {
	fault faults.Fault
	phase string
	hit   *faults.Hit
	w     *httptest.ResponseRecorder
	left  context.Context // done when the client has left

	nexts    int
	late     int // writes after the client left
	took     time.Duration
	err      error
	panicked any
}

func newHit() *faults.Hit {
	removed := make(chan struct{}) // ends faults that do not end by time
	time.AfterFunc(1000*time.Hour, func() { close(removed) })
	return &faults.Hit{N: 1, U: 0.5, Removed: removed}
}

func newTrial(t *testing.T, fault faults.Fault, phase string) *trial {
	return &trial{
		fault: fault,
		phase: phase,
		hit:   newHit(),
		w:     httptest.NewRecorder(),
		left:  t.Context(),
	}
}

func (tr *trial) run(ctx context.Context) *trial {
	start := time.Now()
	defer func() { tr.took = time.Since(start) }()
	tr.serve(ctx)
	return tr
}

func (tr *trial) serve(ctx context.Context) {
	defer func() { tr.panicked = recover() }()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.ProtoMajor, r.ProtoMinor = 2, 0 // over HTTP/1 a fault may need the connection
	w := &lateWriter{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: tr.w}, trial: tr}
	r = caddyhttp.PrepareRequest(r.WithContext(ctx), caddy.NewReplacer(), w, nil)
	next := func(h caddyhttp.Handler) caddyhttp.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) error {
			tr.nexts++
			return h.ServeHTTP(w, r)
		}
	}
	if tr.phase == rules.PhaseRequest {
		tr.err = tr.fault.Inject(tr.hit, w, r, next(caddyhttp.HandlerFunc(testkit.Upstream)))
		return
	}
	rp := newResponsePhase(w, func(w http.ResponseWriter, reply caddyhttp.HandlerFunc) error {
		return tr.fault.Inject(tr.hit, w, r, next(reply))
	})
	tr.err = rp.serve(caddyhttp.HandlerFunc(testkit.Upstream), r)
}

// checkReply checks what a client gets from a fault that had enough time.
func (tr *trial) checkReply(t *testing.T, fault faults.Fault) {
	t.Helper()
	if tr.nexts > 1 {
		t.Errorf("next was called %d times", tr.nexts)
	}
	if tr.nexts > 0 && faults.Ends(fault) {
		t.Error("a terminal fault has called next")
	}
	if tr.panicked != nil && tr.panicked != http.ErrAbortHandler {
		t.Errorf("panicked with %v", tr.panicked)
	}
	tr.checkEnding(t, faults.Chain{fault}.EndsWith(faults.InHandler))
	if tr.panicked != nil || tr.err != nil {
		return // the reply is cut, or left to the error routes
	}
	resp, body := tr.w.Result(), tr.w.Body.Bytes()
	if declared := resp.Header.Get("Content-Length"); declared != "" && declared != strconv.Itoa(len(body)) {
		t.Errorf("Content-Length is %s, the body has %d bytes", declared, len(body))
	}
	if tr.nexts == 0 && resp.Header.Get("Content-Type") == "" && len(body) > 0 {
		t.Errorf("a body of %d bytes has no type", len(body))
	}
	if tr.nexts == 1 && bytes.Equal(body, []byte(testkit.UpstreamBody)) && resp.Header.Get("X-Upstream") != "1" {
		t.Error("the upstream's header is lost")
	}
}

// checkEnding checks what a fault announced about its end.
func (tr *trial) checkEnding(t *testing.T, said faults.Ending) {
	t.Helper()
	is := faults.Ending{Aborts: tr.panicked != nil}
	switch {
	case said == faults.Ending{}:
		return
	case tr.err != nil:
		is.Status, is.Error = statusOf(tr.err), true
	case tr.panicked == nil:
		is.Status = tr.w.Code
	}
	if is != said {
		t.Errorf("it ends with %+v, and has said %+v", is, said)
	}
}

// lateWriter counts writes after the client left.
type lateWriter struct {
	caddyhttp.ResponseWriterWrapper
	trial *trial
}

func (lw *lateWriter) note() {
	if lw.trial.left.Err() != nil {
		lw.trial.late++
	}
}

func (lw *lateWriter) WriteHeader(code int) {
	lw.note()
	if !wire.Interim(code) { // the recorder would take it for the reply
		lw.ResponseWriter.WriteHeader(code)
	}
}

func (lw *lateWriter) Write(p []byte) (int, error) {
	lw.note()
	return lw.ResponseWriter.Write(p)
}

// The golden files of kinds belong to existing kinds and are in the folder of the
// kinds.
func TestKindGoldensHaveAKind(t *testing.T) {
	known := faults.Kinds()
	for _, g := range testkit.Goldens(t, kindsFolder+"/"+goldenFolder, "*") {
		name, isKind := strings.CutPrefix(g.Name, "kind_")
		kind, _, _ := strings.Cut(name, "_")
		switch {
		case !isKind || !slices.Contains(known, kind):
			t.Errorf("%s: %s names no kind of fault", g.Path, g.Name)
		case !strings.HasPrefix(filepath.Base(g.Path), "kind_"+kind):
			t.Errorf("%s: %s is in the file of another kind", g.Path, g.Name)
		}
	}
	for _, g := range testkit.Goldens(t, otherGoldens, "kind_*") {
		t.Errorf("%s: %s is not in kinds/testdata", g.Path, g.Name)
	}
}
