package presets

import (
	"encoding/json"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// Values are the values of all parameters of one use of a preset.
type Values map[string]string

// placeholder is where a fragment has the value of a parameter.
var placeholder = regexp.MustCompile(`\{preset\.([^{}]*)\}`)

// maxValue limits a value in bytes.
const maxValue = 256

// Bind reads the words after the name of a preset, each `<parameter>=<value>`. An error
// has a line to copy.
func (p *Preset) Bind(args []string) (Values, error) {
	values := make(Values, len(p.Params))
	for _, arg := range args {
		name, value, hasValue := strings.Cut(arg, "=")
		param := p.Param(name)
		switch _, again := values[name]; {
		case !hasValue:
			return nil, p.bare(arg)
		case param == nil:
			return nil, p.unknownParam(name, value)
		case again:
			return nil, p.refuse(param, "", "parameter %s of preset %s is given twice", name, p.Name)
		case value == "":
			return nil, p.refuse(param, "", "%s= of preset %s is empty", name, p.Name)
		}
		if err := p.checkValue(param, value); err != nil {
			return nil, err
		}
		values[name] = value
	}
	for _, param := range p.Params {
		if _, given := values[param.Name]; !given {
			values[param.Name] = param.Default
		}
	}
	return values, nil
}

// refuse returns an error with the line that has a valid value of the parameter.
func (p *Preset) refuse(param *Param, value, format string, args ...any) *Error {
	if value == "" {
		value = param.Default
	}
	return &Error{What: fmt.Sprintf(format, args...), Advice: "write " + p.Line(param.Name+"="+value)}
}

// bare returns the error for a word without an equals sign.
func (p *Preset) bare(arg string) *Error {
	no := &Error{What: fmt.Sprintf("'%s' is not a parameter of preset %s", words.Cut(arg, words.MaxWord), p.Name)}
	switch param := p.Param(arg); {
	case param != nil:
		no.Advice = "write " + p.Line(param.Name+"="+param.Default)
	case len(p.Params) == 0:
		no.Advice = "it has none; write " + p.Line()
	case p.checkValue(&p.Params[0], arg) == nil:
		no.Advice = "write " + p.Line(p.Params[0].Name+"="+arg)
	default:
		no.Advice = "write " + p.Line(p.Params[0].Name+"="+p.Params[0].Default)
	}
	return no
}

// unknownParam returns the error for a parameter that the preset does not have.
func (p *Preset) unknownParam(name, value string) *Error {
	no := &Error{What: fmt.Sprintf("preset %s has no parameter '%s'", p.Name, words.Cut(name, words.MaxWord))}
	if len(p.Params) == 0 {
		no.Advice = "it has none; write " + p.Line()
		return no
	}
	var names []string
	for _, param := range p.Params {
		names = append(names, param.Name)
	}
	near := words.Near(name, names)
	for _, known := range names {
		if len(near) == 0 && len(name) > 2 && (strings.Contains(known, name) || strings.Contains(name, known)) {
			near = []string{known}
		}
	}
	if len(near) == 0 {
		no.Advice = "its parameters are " + strings.Join(names, ", ") + ", such as " + p.Line(names[0]+"="+p.Params[0].Default)
		return no
	}
	param := p.Param(near[0])
	if value == "" || p.checkValue(param, value) != nil {
		value = param.Default
	}
	no.Advice = words.Suggest([]string{p.Line(param.Name + "=" + value)})
	return no
}

// checkValue checks a value by the choices of its parameter, or by the form of the
// default. The kind of fault checks a value with a placeholder.
func (p *Preset) checkValue(param *Param, value string) error {
	shown := words.Cut(value, words.MaxWord)
	wrong := func(want string) error {
		near := ""
		if found := words.Near(value, param.Choices); len(found) > 0 {
			near = found[0]
		}
		return p.refuse(param, near, "bad %s '%s' of preset %s: want %s", param.Name, shown, p.Name, want)
	}
	switch {
	case len(value) > maxValue:
		return wrong(fmt.Sprintf("at most %d bytes", maxValue))
	case strings.ContainsFunc(value, unicode.IsControl):
		return wrong("one line of text")
	case strings.Contains(value, "{preset."), strings.ContainsAny(placeholderIn.ReplaceAllString(value, ""), "{}"):
		return wrong("a text without braces, or a placeholder such as {http.request.host}")
	case len(param.Choices) > 0:
		if !slices.Contains(param.Choices, value) {
			return wrong(orList(param.Choices))
		}
		return nil
	case strings.Contains(value, "{"):
		return nil
	}
	if form := formOf(param.Default); !form.fits(value) {
		return wrong(form.want)
	}
	return nil
}

// orList joins words for an error.
func orList(all []string) string {
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " or " + all[last]
}

// placeholderIn matches a whole placeholder.
var placeholderIn = regexp.MustCompile(`\{[A-Za-z0-9_.*/-]+\}`)

// A form is what the values of a parameter look like.
type form struct {
	want string
	fits func(string) bool
	safe bool // a client may send such a value
}

// The forms, from narrow to wide. The first that fits the default is the form.
var formsOfValues = []form{
	{"a whole number", isWhole, true},
	{"a number", isNumber, true},
	{"a duration such as 250ms or 2s", isDuration, true},
	{"a text", func(string) bool { return true }, false},
}

func formOf(value string) form {
	return formsOfValues[slices.IndexFunc(formsOfValues, func(f form) bool { return f.fits(value) })]
}

var isWhole = regexp.MustCompile(`^-?[0-9]{1,10}$`).MatchString

func isNumber(value string) bool {
	_, err := strconv.ParseFloat(value, 64)
	return err == nil && !strings.ContainsAny(value, "xXpP_nNiI+") // no hexadecimal number, NaN or infinity
}

// isDuration reports whether a value is a duration, or a number of days, which Caddy
// knows.
func isDuration(value string) bool {
	if days, ok := strings.CutSuffix(value, "d"); ok && isWhole(days) {
		return true
	}
	d, err := time.ParseDuration(value)
	return err == nil && d >= 0
}

// CheckUntrusted returns an error if a client may not choose one of the values: it may
// choose numbers, durations and what a preset lists.
func (p *Preset) CheckUntrusted(values Values) error {
	for _, param := range p.Params {
		value := values[param.Name]
		switch {
		case value == param.Default, slices.Contains(param.Choices, value):
		case strings.Contains(value, "{"):
			return &Error{What: fmt.Sprintf("%s of preset %s has a placeholder, which is not allowed in a trigger", param.Name, p.Name), Advice: "write " + p.Line(param.Name+"="+param.Default)}
		case !formOf(param.Default).safe:
			return &Error{What: fmt.Sprintf("%s of preset %s is a text, which is not allowed in a trigger", param.Name, p.Name), Advice: "write " + p.Line()}
		}
	}
	return nil
}

// Replace returns a word of a fragment with the values in it. A value is escaped for the
// text that it is part of: JSON, or HTML and XML.
func (v Values) Replace(word string) string {
	escape := escapeOf(word)
	return placeholder.ReplaceAllStringFunc(word, func(found string) string {
		return escape(v[placeholder.FindStringSubmatch(found)[1]])
	})
}

// escapeOf returns how values in a word are escaped.
func escapeOf(word string) func(string) string {
	switch {
	case strings.Contains(word, `{"`), strings.Contains(word, `["`), strings.Contains(word, `[{`):
		return inJSON
	case strings.HasPrefix(word, "<"):
		return html.EscapeString
	default:
		return func(value string) string { return value }
	}
}

// inJSON escapes a value for a JSON string.
func inJSON(value string) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "" // a text can always be marshaled
	}
	return string(text[1 : len(text)-1])
}

// Show returns the fragment with the values in it, to read and to paste.
func (p *Preset) Show() string {
	var text strings.Builder
	text.WriteString("# " + p.What + "\n")
	for _, source := range p.Sources {
		text.WriteString("# source: " + source + "\n")
	}
	if p.Modelled != "" {
		text.WriteString("# modelled on: " + p.Modelled + "\n")
	}
	values := make(Values)
	for _, param := range p.Params {
		values[param.Name] = param.Default
		text.WriteString(strings.TrimRight("# param: "+param.declared()+" "+param.What, " ") + "\n")
	}
	for line := range strings.Lines(p.Text) {
		if line = values.Replace(line); !IsNoDelay(strings.Fields(line)) {
			text.WriteString(line)
		}
	}
	return text.String()
}

// IsNoDelay reports whether a line is a delay of zero, which a parameter has for no delay.
// It is left out.
func IsNoDelay(words []string) bool {
	if len(words) != 2 || words[0] != "delay" {
		return false
	}
	wait, err := time.ParseDuration(words[1])
	return err == nil && wait == 0
}

// declared returns the parameter as its file declares it.
func (p *Param) declared() string {
	if len(p.Choices) > 0 {
		return p.Name + "=" + strings.Join(p.Choices, "|")
	}
	return p.Name + "=" + p.Default
}
