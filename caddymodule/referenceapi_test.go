package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
)

const apiIntro = `# API

The API is on Caddy's [admin endpoint](https://caddyserver.com/docs/api), by default at ` + "`localhost:2019`" + `, under ` + "`/fault/`" + `.
A [console](console.md) has the same API under its own path.
` + "`GET /fault/openapi.json`" + ` returns the description of the API for tools.
What the API changes is not part of the configuration of Caddy.

Requests and replies are JSON.
A reply that refuses a request has an [Error](#error).
The examples use the points and rules of ` + "[Caddyfile.example](../../../Caddyfile.example)" + `.
`

// apiRoot is where the examples send their requests.
const apiRoot = "localhost:2019/fault"

// examplePath fills in the parameters of a path for its example.
var examplePath = strings.NewReplacer(
	"/sets/{name}", "/sets/outage", "/schema/{name}", "/schema/experiment", "/presets/{name}", "/presets/openai-rate-limit",
	"{name}", "slow", "{point}", "api", "{rule}", "busy", "{code}", "551",
)

// exampleOf is what an example needs besides its path: a query, or a body.
var exampleOf = map[string]string{
	"PUT /experiments/{name}":   `{"match": [{"path": ["/api/*"]}], "ttl": "5m", "percent": 10, "faults": [{"fault": "delay", "duration": "2s"}]}`,
	"PUT /experiments":          `{"slow": {"points": ["api"], "faults": [{"fault": "delay", "duration": "2s"}]}, "gone": {"match": [{"path": ["/old/*"]}], "faults": [{"fault": "respond", "status_code": 410}]}}`,
	"PATCH /halt":               `{"note": "real errors"}`,
	"POST /sets/{name}":         `{"ttl": "5m", "note": "game day"}`,
	"PATCH /experiments/{name}": `{"percent": 50}`,
	"POST /explain":             `{"url": "http://127.0.0.1:8080/api/users", "header": {"X-User": "7"}}`,
	"POST /draft":               `{"rule": "match path /api/*; percent 10; delay 2s"}`,
	"POST /reset":               "?point=api&rule=busy",
	"GET /clients":              "?fail_on=warning&min_calls=20&wait=30s",
	"GET /journal":              "?rule=busy&since=10m&limit=20",
	"GET /verify":               "?rule=busy&at_least=3&wait=10s",
}

// openAPI is what the page needs of the description of the API.
type openAPI struct {
	Info struct{ Description string }
	Tags []struct{ Name, Description string }

	Paths      ordered[ordered[*operation]]
	Components struct {
		Responses map[string]*reply
		Schemas   ordered[*schema]
	}
}

type operation struct {
	Summary, Description string

	Tags        []string
	Parameters  []parameter
	RequestBody *reply
	Responses   map[string]*reply
}

type parameter struct {
	Name, In, Description string

	Required bool
	Schema   *schema
}

// reply is a body with its description, or the name of one.
type reply struct {
	Ref         string `json:"$ref"`
	Description string
	Content     map[string]struct{ Schema *schema }
	Headers     map[string]struct{ Description string }
}

type schema struct {
	Ref                 string `json:"$ref"`
	Description, Format string

	Type                 any // a name or several
	Items                *schema
	Properties           ordered[*schema]
	Required             []string
	Enum                 []string
	OneOf, AnyOf         []*schema
	AdditionalProperties any
	Minimum, Maximum     *json.Number
	Default              any
}

// ordered is the members of an object in the order in which they are written.
type ordered[V any] struct {
	names  []string
	values map[string]V
}

// UnmarshalJSON reads the members one by one.
func (o *ordered[V]) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &o.values); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var skipped json.RawMessage
		if err := decoder.Decode(&skipped); err != nil {
			return err
		}
		o.names = append(o.names, name.(string))
	}
	return nil
}

// readOpenAPI reads the description of the API.
func readOpenAPI(t *testing.T) *openAPI {
	t.Helper()
	content, err := os.ReadFile("api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	doc := new(openAPI)
	if err := json.Unmarshal(content, doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// apiPage is the reference of the API, from its description.
func apiPage(t *testing.T) string {
	doc := readOpenAPI(t)
	var m referencePage
	m.WriteString(generated + apiIntro)
	m.Printf("\n%s\n", manual.Prose(doc.Info.Description))
	m.Printf("## Requests\n")
	var rows [][]string
	doc.each(func(heading string, o *operation) {
		rows = append(rows, []string{"[" + manual.Code(heading) + "](" + anchorOf(heading) + ")", manual.Prose(manual.Sentence(o.Summary))})
	})
	m.Table([]string{"Request", "What it does"}, rows)
	doc.each(func(heading string, o *operation) {
		m.Printf("## `%s`\n", heading)
		m.operation(heading, o)
	})
	m.refusals(doc)
	m.Printf("## Objects\n")
	m.Printf("A required field of a reply is always there.\n")
	for _, name := range slices.Sorted(slices.Values(doc.Components.Schemas.names)) {
		m.schema(doc, name)
	}
	return m.Text()
}

// each visits the operations by their tags, those without one last.
func (doc *openAPI) each(visit func(heading string, o *operation)) {
	for i := range len(doc.Tags) + 1 {
		for _, path := range doc.Paths.names {
			methods := doc.Paths.values[path]
			for _, method := range methods.names {
				o := methods.values[method]
				tagged := len(doc.Tags)
				if len(o.Tags) > 0 {
					tagged = slices.IndexFunc(doc.Tags, func(tag struct{ Name, Description string }) bool { return tag.Name == o.Tags[0] })
				}
				if tagged == i {
					visit(strings.ToUpper(method)+" /fault"+path, o)
				}
			}
		}
	}
}

// operation writes the section of a method of a path.
func (m *referencePage) operation(heading string, o *operation) {
	m.Printf("%s\n", manual.Prose(manual.Sentence(o.Summary)))
	if o.Description != "" {
		m.Printf("%s\n", manual.Prose(manual.Sentence(o.Description)))
	}
	m.Block("sh", exampleLine(heading))
	var rows [][]string
	for _, p := range o.Parameters {
		in := p.In
		if p.Required {
			in += ", required"
		}
		rows = append(rows, []string{manual.Code(p.Name), in, p.Schema.typeText(), manual.Prose(manual.Sentence(p.Description)) + p.Schema.bounds()})
	}
	m.Table([]string{"Parameter", "In", "Type", "Meaning"}, rows)
	if o.RequestBody != nil {
		m.Printf("Body: %s. %s\n", o.RequestBody.bodyText(), manual.Prose(manual.Sentence(o.RequestBody.Description)))
	}
	rows = nil
	var common []string
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		r := o.Responses[status]
		if r.Ref != "" {
			common = append(common, status)
			continue
		}
		rows = append(rows, []string{statusText(status), manual.Prose(manual.Sentence(r.Description)) + r.headerText(), r.bodyText()})
	}
	m.Table([]string{"Status", "Meaning", "Body"}, rows)
	if len(common) > 0 {
		m.Printf("It may also [refuse](%s): %s.\n", anchorOf(refusalsTitle), strings.Join(common, ", "))
	}
}

const refusalsTitle = "Status codes of refusals"

// refusals writes the replies that several requests share.
func (m *referencePage) refusals(doc *openAPI) {
	meanings := make(map[string]string)
	doc.each(func(_ string, o *operation) {
		for status, r := range o.Responses {
			if r.Ref != "" {
				meanings[status] = doc.Components.Responses[refName(r.Ref)].Description
			}
		}
	})
	var rows [][]string
	for _, status := range slices.Sorted(maps.Keys(meanings)) {
		rows = append(rows, []string{statusText(status), manual.Prose(manual.Sentence(meanings[status]))})
	}
	m.Printf("## %s\n", refusalsTitle)
	m.Printf("Each has an [Error](#error) as its body.\n")
	m.Table([]string{"Status", "Meaning"}, rows)
}

// refName is the name of what a reference refers to.
func refName(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] }

// statusText is a status with its name.
func statusText(status string) string {
	number, err := strconv.Atoi(status)
	if err != nil {
		return status
	}
	return fmt.Sprintf("%s %s", status, http.StatusText(number))
}

// exampleLine is a command that sends the request.
func exampleLine(heading string) string {
	method, path, _ := strings.Cut(heading, " ")
	path = strings.TrimPrefix(path, "/fault")
	more := exampleOf[method+" "+path]
	query, body := "", more
	if strings.HasPrefix(more, "?") {
		query, body = more, ""
	}
	line := "curl"
	if method != http.MethodGet && (method != http.MethodPost || body == "") {
		line += " -X " + method
	}
	target := apiRoot + examplePath.Replace(path) + query
	if query != "" {
		target = "'" + target + "'"
	}
	line += " " + target
	if body != "" {
		line += " \\\n\t-d '" + body + "'"
	}
	return line
}

// bodyText says what a body is.
func (r *reply) bodyText() string {
	var texts []string
	for _, mediaType := range slices.Sorted(maps.Keys(r.Content)) {
		text := r.Content[mediaType].Schema.typeText()
		if mediaType != "application/json" {
			text += " (" + manual.Code(mediaType) + ")"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", or ")
}

// headerText says what header fields a reply has.
func (r *reply) headerText() string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		fmt.Fprintf(&text, " `%s`: %s", name, manual.Prose(manual.Sentence(r.Headers[name].Description)))
	}
	return text.String()
}

// typeText is the type of a value, with a link to the object that it is.
func (s *schema) typeText() string {
	switch {
	case s == nil:
		return "anything"
	case s.Ref != "":
		name := refName(s.Ref)
		return fmt.Sprintf("[%s](%s)", name, anchorOf(name))
	case len(s.OneOf)+len(s.AnyOf) > 0:
		var texts []string
		for _, one := range append(s.OneOf, s.AnyOf...) {
			texts = append(texts, one.typeText())
		}
		return strings.Join(texts, " or ")
	case s.Items != nil:
		return "list of " + s.Items.typeText()
	}
	if of, ok := s.AdditionalProperties.(map[string]any); ok {
		return "object of " + schemaOf(of).typeText()
	}
	var names []string
	switch types := s.Type.(type) {
	case string:
		names = []string{types}
	case []any:
		for _, name := range types {
			names = append(names, fmt.Sprint(name))
		}
	}
	text := strings.Join(names, " or ")
	if s.Format == "date-time" {
		text = "time (RFC 3339)"
	}
	return text
}

func schemaOf(value map[string]any) *schema {
	s := new(schema)
	if data, err := json.Marshal(value); err != nil || json.Unmarshal(data, s) != nil {
		return nil
	}
	return s
}

// bounds says what values there may be.
func (s *schema) bounds() string {
	var text strings.Builder
	if len(s.Enum) > 0 {
		fmt.Fprintf(&text, " One of %s.", "`"+strings.Join(s.Enum, "`, `")+"`")
	}
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		fmt.Fprintf(&text, " %s to %s.", *s.Minimum, *s.Maximum)
	case s.Minimum != nil:
		fmt.Fprintf(&text, " %s or more.", *s.Minimum)
	}
	if s.Default != nil {
		fmt.Fprintf(&text, " Default: %v.", s.Default)
	}
	return text.String()
}

// baseObject is the object whose fields others share.
const baseObject = "ConfiguredRule"

// schema writes the section of an object.
func (m *referencePage) schema(doc *openAPI, name string) {
	s, base := doc.Components.Schemas.values[name], doc.Components.Schemas.values[baseObject]
	m.Printf("### %s\n", name)
	m.Printf("%s\n", manual.Prose(manual.Sentence(s.Description)))
	names := s.Properties.names
	if name != baseObject && base != nil && !slices.ContainsFunc(base.Properties.names, func(field string) bool { return s.Properties.values[field] == nil }) {
		m.Printf("It has the fields of [%s](%s), and these:\n", baseObject, anchorOf(baseObject))
		names = slices.DeleteFunc(slices.Clone(names), func(field string) bool {
			return reflect.DeepEqual(s.Properties.values[field], base.Properties.values[field])
		})
	}
	var rows [][]string
	for _, field := range names {
		of := s.Properties.values[field]
		required := ""
		if slices.Contains(s.Required, field) {
			required = "yes"
		}
		meaning := of.Description
		if meaning == "" && of.Ref != "" {
			if refers := doc.Components.Schemas.values[refName(of.Ref)]; refers != nil {
				meaning = refers.Description
			}
		}
		rows = append(rows, []string{manual.Code(field), of.typeText(), required, manual.Prose(manual.Sentence(meaning)) + of.bounds()})
	}
	m.Table([]string{"Field", "Type", "Required", "Meaning"}, rows)
	if len(rows) == 0 && s.Type != nil {
		m.Printf("Type: %s.\n", s.typeText())
	}
}

// TestExamplesOfAPI checks that the examples of the page name what exists.
func TestExamplesOfAPI(t *testing.T) {
	doc := readOpenAPI(t)
	doc.each(func(heading string, o *operation) {
		first, _, _ := strings.Cut(exampleLine(heading), " \\\n")
		last := path.Base(first)
		for _, p := range o.Parameters {
			if p.In == "path" && len(p.Schema.Enum) > 0 && !slices.Contains(p.Schema.Enum, last) {
				t.Errorf("%s: the example has '%s', want one of %v", heading, last, p.Schema.Enum)
			}
		}
		if strings.HasSuffix(heading, "/presets/{name}") && new(presets.Set).Find(last) == nil {
			t.Errorf("%s: no preset has the name '%s'", heading, last)
		}
	})
}
