package presets

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A Preset is a fragment of a rule under a name.
type Preset struct {
	// Name is what follows the word preset.
	Name string

	// What says in one sentence what the preset injects.
	What string

	// Sources are where the facts come from. A pattern has none.
	Sources []string

	// Modelled says which part is not from a source. It is empty if all of it is.
	Modelled string

	// Params are the parameters, in the order of the file.
	Params []Param

	// Text is the fragment, as lines of a rule in a Caddyfile.
	Text string

	// Own is set if the preset comes from a configuration and not from the binary.
	Own bool
}

// A Param is a parameter of a preset.
type Param struct {
	Name    string `json:"name"`
	Default string `json:"default"`

	// Choices are the allowed values. Without choices, the default shows the form.
	Choices []string `json:"choices,omitempty"`

	// What says what the value is.
	What string `json:"what,omitempty"`
}

// Param returns the parameter of that name, or nil.
func (p *Preset) Param(name string) *Param {
	i := slices.IndexFunc(p.Params, func(param Param) bool { return param.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Params[i]
}

// Line returns the line of a rule that uses the preset, with values for parameters.
func (p *Preset) Line(values ...string) string {
	return strings.Join(append([]string{"preset", p.Name}, values...), " ")
}

var (
	isName  = regexp.MustCompile(`^[a-z0-9-]{3,40}$`).MatchString
	isParam = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`).MatchString
)

//go:embed files/*.caddyfile
var files embed.FS

// embedded has the presets of the binary, in the order of their names.
var embedded = sync.OnceValue(func() []*Preset {
	names, err := fs.Glob(files, "files/*.caddyfile")
	if err != nil {
		panic(err) // the pattern is valid
	}
	all := make([]*Preset, len(names))
	for i, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			panic(err) // the file is embedded
		}
		all[i], err = Parse(strings.TrimSuffix(strings.TrimPrefix(name, "files/"), ".caddyfile"), string(text))
		if err != nil {
			panic(err) // a test reads all files
		}
	}
	slices.SortFunc(all, byName) // the names of the files have another order
	return all
})

func byName(a, b *Preset) int { return strings.Compare(a.Name, b.Name) }

// Parse reads the file of a preset. Its head are comments: a sentence, then lines that
// begin with `source:`, `modelled on:` and `param:`. The rest is the fragment.
func Parse(name, text string) (*Preset, error) {
	p := &Preset{Name: name}
	if !isName(name) {
		return nil, fmt.Errorf("bad name '%s' of a preset: want 3 to 40 small letters, digits and dashes", name)
	}
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		comment, isComment := strings.CutPrefix(line, "#")
		if !isComment {
			break
		}
		if err := p.parseHead(strings.TrimSpace(comment)); err != nil {
			return nil, fmt.Errorf("preset %s: %w", name, err)
		}
		text = rest
	}
	p.Text = strings.TrimSpace(text) + "\n"
	switch {
	case p.What == "":
		return nil, fmt.Errorf("preset %s: the first line is a comment that says what it injects", name)
	case p.Text == "\n":
		return nil, fmt.Errorf("preset %s has no fault", name)
	}
	return p, p.checkParams()
}

// parseHead reads a comment of the head.
func (p *Preset) parseHead(comment string) error {
	word, value, isField := strings.Cut(comment, ": ")
	switch {
	case p.What == "":
		p.What = comment
	case isField && word == "source":
		p.Sources = append(p.Sources, value)
	case isField && word == "modelled on":
		p.Modelled = value
	case isField && word == "param":
		return p.parseParam(value)
	default:
		return fmt.Errorf("unknown comment '%s': want source, modelled on or param", comment)
	}
	return nil
}

// parseParam reads `<name>=<default>[|<choice>...] <what>`.
func (p *Preset) parseParam(text string) error {
	setting, what, _ := strings.Cut(text, " ")
	name, value, _ := strings.Cut(setting, "=")
	param := Param{Name: name, Default: value, What: strings.TrimSpace(what)}
	if choices := strings.Split(value, "|"); len(choices) > 1 {
		param.Default, param.Choices = choices[0], choices
	}
	p.Params = append(p.Params, param)
	return nil
}

// checkParams checks the declared parameters, and that the fragment uses no other.
func (p *Preset) checkParams() error {
	seen := make(map[string]bool)
	for _, param := range p.Params {
		switch {
		case !isParam(param.Name):
			return fmt.Errorf("preset %s: bad name '%s' of a parameter: want small letters, digits and underscores", p.Name, param.Name)
		case seen[param.Name]:
			return fmt.Errorf("preset %s: parameter %s already specified", p.Name, param.Name)
		case param.Default == "":
			return fmt.Errorf("preset %s: parameter %s has no default: write one, such as %s=5s", p.Name, param.Name, param.Name)
		}
		if err := p.checkValue(&param, param.Default); err != nil {
			return err
		}
		seen[param.Name] = true
	}
	used := make(map[string]bool)
	for _, found := range placeholder.FindAllStringSubmatch(p.Text, -1) {
		if used[found[1]] = true; !seen[found[1]] {
			return fmt.Errorf("preset %s uses {preset.%s}, which is not a parameter%s", p.Name, found[1], p.listParams())
		}
	}
	for _, param := range p.Params {
		if !used[param.Name] {
			return fmt.Errorf("preset %s: parameter %s is not used: write {preset.%[2]s} where its value belongs, or remove it", p.Name, param.Name)
		}
	}
	return p.checkWhole()
}

// checkWhole checks that each placeholder is whole, and not made by the value of another.
func (p *Preset) checkWhole() error {
	defaults := make(Values, len(p.Params))
	for _, param := range p.Params {
		defaults[param.Name] = param.Default
	}
	if _, after, found := strings.Cut(defaults.Replace(p.Text), "{preset."); found {
		after, _, _ = strings.Cut(after, "\n")
		return fmt.Errorf("preset %s: '{preset.%.20s' is not a whole placeholder: write {preset.<name>}, without another one inside", p.Name, after)
	}
	return nil
}

// listParams returns the names of the parameters for an error.
func (p *Preset) listParams() string {
	if len(p.Params) == 0 {
		return "; it has no parameters"
	}
	names := make([]string, len(p.Params))
	for i, param := range p.Params {
		names[i] = param.Name
	}
	return "; its parameters are " + strings.Join(names, ", ")
}
