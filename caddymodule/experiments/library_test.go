package experiments

import (
	"slices"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
)

// Caddy's matchers may panic while they are loaded, as for a null. See
// caddymodule/docs/undocumented.md.
func TestNullPatternPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("there is no panic any more")
		}
	}()
	_, _ = loadMatcher(t, "header_regexp", `{"X": null}`)
}

// steadyFunctions are the functions of CEL whose cost and result do not exceed the
// length of their arguments. Three of them cost the product of two texts, one of which
// must be a literal; see celWalk.search.
const steadyFunctions = `bool bytes charAt contains double duration dyn endsWith getDate getDayOfMonth getDayOfWeek
	getDayOfYear getFullYear getHours getMilliseconds getMinutes getMonth getSeconds greatest has in indexOf int
	lastIndexOf least lowerAscii matches math.abs math.bitAnd math.bitNot math.bitOr math.bitShiftLeft
	math.bitShiftRight math.bitXor math.ceil math.floor math.isFinite math.isInf math.isNaN math.round math.sign
	math.sqrt math.trunc reverse size slice sort split startsWith string substring timestamp trim type uint upperAscii`

// Each function of CEL has been weighed. A new one must be looked at first. See
// caddymodule/docs/undocumented.md.
func TestFunctionsAreWeighed(t *testing.T) {
	env, err := cel.NewEnv(ext.Strings(), ext.Bindings(), ext.Lists(), ext.Math())
	if err != nil {
		t.Fatal(err)
	}
	weighed := map[string]bool{"bind": growers["cel.bind"]}
	for name := range strings.FieldsSeq(steadyFunctions) {
		weighed[name] = true
	}
	var found []string
	for name := range env.Functions() {
		found = append(found, name)
	}
	for _, macro := range env.Macros() {
		found = append(found, macro.Function())
	}
	isOperator := func(name string) bool {
		return strings.ContainsAny(name, "@!_-") && !strings.HasPrefix(name, "exists_")
	}
	for _, name := range slices.DeleteFunc(found, isOperator) {
		if _, refused := unbounded[name]; !weighed[name] && !loops[name] && !growers[name] && !refused {
			t.Errorf("nobody has looked at what %s() costs", name)
		}
	}
}
