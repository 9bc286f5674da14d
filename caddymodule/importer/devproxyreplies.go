package importer

import "slices"

// partOfDevProxy reports whether a document is a file that a configuration of Dev Proxy
// names. It adds a note.
func (in *input) partOfDevProxy(v value) bool {
	switch {
	case v.has("plugins") || v.has("urlsToWatch"):
		return false
	case v.has("errors"):
		v.note(LeftOut, "a file of errors does not say how often they happen: import the configuration that names it, such as devproxyrc.json")
	default:
		v.note(Skipped, "a file of Dev Proxy without plugins: import the configuration that names it, such as devproxyrc.json")
	}
	return true
}

// repliers are the plugins that reply to requests. A plugin after one of them does not
// get these requests.
var repliers = []string{
	"AuthPlugin", "CrudApiPlugin", "EntraMockResponsePlugin", "GraphMockResponsePlugin", "MockResponsePlugin", "OpenAIMockResponsePlugin",
}

// replies remembers to which requests a plugin replies.
func (d *devProxy) replies(name string, v, section value) {
	if !slices.Contains(repliers, name) {
		return
	}
	if name == "MockResponsePlugin" {
		if mocks, ok := d.mocks(section); ok {
			d.before = append(d.before, mocks...)
			return
		}
	}
	r := newRule(v)
	r.about = name
	v.cannot("what %s replies to is not known", name)
	r.problems = d.takeQuietly()
	d.before = append(d.before, r)
}

// mocks returns a rule for the requests of each mock, and whether the mocks are known.
func (d *devProxy) mocks(section value) ([]*rule, bool) {
	mocks := section.get("mocks")
	if !mocks.is() && section.is() {
		name := section.get("mocksFile").str()
		if name == "" {
			name = "mocks.json"
		}
		read, ok := d.readBeside(section, name)
		if !ok {
			d.takeQuietly()
			return nil, false
		}
		mocks = read.get("mocks")
	}
	if !mocks.is() || section.get("blockUnmockedRequests").truth(false) {
		return nil, false
	}
	var rules []*rule
	for _, mock := range mocks.each() {
		request := mock.get("request")
		r := newRule(mock)
		if cs := d.requestConditions(request); len(cs) > 0 {
			r.sets = []conds{cs}
		}
		if nth := request.get("nth"); nth.is() {
			nth.cannot("no matcher knows nth")
		}
		r.name, r.about = "mock", "the mock of "+quoted(request.get("url").str())
		r.problems = d.takeQuietly()
		rules = append(rules, r)
	}
	return rules, true
}

// repliedBefore returns rules that let the requests pass to which other plugins reply.
func (d *devProxy) repliedBefore() []*rule {
	rules := make([]*rule, 0, len(d.before))
	for _, r := range d.before {
		own := *r
		rules = append(rules, &own)
	}
	return rules
}

// takeQuietly takes the problems of the configuration and of the files beside it without
// notes.
func (d *devProxy) takeQuietly() []Note {
	problems := d.input.takeQuietly()
	for _, src := range d.others {
		problems = append(problems, src.problems...)
		src.problems = nil
	}
	return problems
}
