package experiments

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// maxObject is the largest size of the document in bytes. A larger document counts as
// corrupt, because loading it repeatedly costs too much.
const maxObject = 8 << 20

// document is the object that a group shares. Writers lock it, load it, change it and
// store it, so that no change is lost.
type document struct {
	// Version counts the changes. It is never 0.
	Version     uint64
	Switch      State
	Experiments map[string]record

	// members are the members of the object as read. Members of a newer version are
	// preserved.
	members map[string]json.RawMessage
}

// The members that every document has.
const (
	memberVersion     = "version"
	memberSwitch      = "switch"
	memberExperiments = "experiments"
)

func newDocument() *document {
	return &document{Experiments: make(map[string]record), members: make(map[string]json.RawMessage)}
}

// parse reads a document. On an error it still returns the switch, if that can be read,
// because a halt counts even in a corrupt document.
func parse(data []byte) (*document, error) {
	doc := newDocument()
	err := doc.readMembers(data)
	if raw, there := doc.members[memberSwitch]; there {
		var problem error
		if doc.Switch, problem = ParseState(raw); problem != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", memberSwitch, problem))
		}
	}
	if err != nil {
		return doc, err
	}
	raw := doc.members[memberVersion]
	if json.Unmarshal(raw, &doc.Version) != nil || doc.Version == 0 { // null or {} would otherwise resume and end everything
		return doc, fmt.Errorf("%s: want a whole number of 1 or more, not '%.40s'", memberVersion, raw)
	}
	if raw, there := doc.members[memberExperiments]; there {
		if json.Unmarshal(raw, &doc.Experiments) != nil {
			return doc, fmt.Errorf("%s: want an object, not '%.40s'", memberExperiments, raw)
		}
	}
	if doc.Experiments == nil { // the member is null
		doc.Experiments = make(map[string]record)
	}
	return doc, nil
}

// readMembers reads members until one cannot be read. Of an object that is too large it
// reads only up to the switch.
func (doc *document) readMembers(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		name, _ := token.(string)
		doc.members[name] = value
		if name == memberSwitch && len(data) > maxObject {
			break
		}
	}
	if len(data) > maxObject {
		return fmt.Errorf("the object has %d bytes, more than %d", len(data), maxObject)
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("unexpected data after the object")
	}
	return nil
}

// encode returns the document as JSON, including members that were read and not
// changed.
func (doc *document) encode() ([]byte, error) {
	known := struct {
		Version     uint64            `json:"version"`
		Switch      any               `json:"switch"`
		Experiments map[string]record `json:"experiments"`
	}{doc.Version, doc.Switch, doc.Experiments}
	if raw, there := doc.members[memberSwitch]; there {
		known.Switch = raw
	}
	data, err := marshal(known)
	others := maps.Clone(doc.members)
	maps.DeleteFunc(others, func(name string, _ json.RawMessage) bool {
		return name == memberVersion || name == memberSwitch || name == memberExperiments
	})
	if err == nil && len(others) > 0 {
		var more []byte
		more, err = marshal(others)
		data = append(append(bytes.TrimSuffix(data, []byte("}")), ','), bytes.TrimPrefix(more, []byte("{"))...)
	}
	if err != nil {
		return nil, err
	}
	var indented bytes.Buffer
	err = json.Indent(&indented, data, "", "  ")
	return indented.Bytes(), err
}

// marshal returns v as JSON without escaping HTML characters.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

// next counts a change. After the largest number it continues with 1.
func (doc *document) next() {
	if doc.Version++; doc.Version == 0 {
		doc.Version = 1
	}
}

// newer reports whether version comes after than. Versions wrap around.
func newer(version, than uint64) bool {
	return int64(version-than) > 0 // the distance may be negative
}

// turn sets the switch.
func (doc *document) turn(state State) {
	doc.Switch = state
	delete(doc.members, memberSwitch)
}

// halt stops all faults of the group and ends its experiments.
func (doc *document) halt(state State) {
	doc.turn(state)
	doc.Experiments = make(map[string]record)
}

// record is an experiment in the document. Its times are by the clock of the node that
// wrote it.
type record struct {
	Experiment json.RawMessage `json:"experiment"`
	Revision   uint64          `json:"revision"`
	Started    time.Time       `json:"started"`
	Ends       *time.Time      `json:"ends,omitempty"`
	By         string          `json:"by,omitempty"` // who made the last change

	// Set is the configured set that has started the experiment.
	Set string `json:"set,omitempty"`

	// Together is the revision of the change that started it with others, see teams.
	Together uint64 `json:"together,omitempty"`

	raw json.RawMessage // as read; nil if the record was not read
	err error           // why the record cannot be understood
}

// UnmarshalJSON preserves a record that cannot be understood, because a newer version
// may have written it.
func (rec *record) UnmarshalJSON(data []byte) error {
	type plain record
	var read plain
	err := json.Unmarshal(data, &read)
	if err != nil {
		read = plain{}
	}
	*rec = record(read)
	rec.raw, rec.err = bytes.Clone(data), err
	return nil
}

// MarshalJSON returns the record as read.
func (rec record) MarshalJSON() ([]byte, error) {
	if rec.raw != nil {
		return rec.raw, nil
	}
	type plain record
	return marshal(plain(rec))
}

func newRecord(l *Live) record {
	rec := record{Experiment: l.JSON, Revision: l.Revision, Started: l.stamp(), By: l.By, Set: l.Set, Together: l.together}
	if !l.Ends.IsZero() {
		rec.Ends = &l.Ends
	}
	return rec
}

// extended returns the record with the new end of l. It preserves fields of a newer
// version.
func (rec record) extended(l *Live) record {
	next := newRecord(l)
	var fields map[string]json.RawMessage
	if json.Unmarshal(rec.raw, &fields) != nil || fields == nil {
		return next
	}
	delete(fields, "ends")
	delete(fields, "by")
	data, err := marshal(next)
	if err == nil {
		err = json.Unmarshal(data, &fields)
	}
	if err == nil {
		data, err = marshal(fields)
	}
	if err == nil {
		next.raw = data
	}
	return next
}

// is reports whether the record describes this experiment. The revision of an
// experiment from before the group is only unique within its process.
func (rec *record) is(l *Live) bool {
	return l.Revision == rec.Revision && l.stamp().Equal(rec.Started)
}

// byGroup stands for a change of another node whose author is not known.
const byGroup = "group"

// parse reads the experiment of another node.
func (rec *record) parse(name string) (*Experiment, error) {
	e, err := Parse(name, rec.Experiment)
	if err == nil {
		e.By = cmp.Or(rec.By, byGroup)
	}
	return e, err
}

// same reports whether the other record is from the same change.
func (rec *record) same(other record) bool {
	sameEnd := rec.Ends == other.Ends || rec.Ends != nil && other.Ends != nil && rec.Ends.Equal(*other.Ends)
	return rec.Revision == other.Revision && rec.Started.Equal(other.Started) && sameEnd
}

// life returns the lifetime of the experiment when it was written. It is the ttl,
// unless a newer version writes the ttl in another form.
func (rec *record) life() time.Duration {
	var e struct {
		TTL *caddy.Duration `json:"ttl"`
	}
	switch err := json.Unmarshal(rec.Experiment, &e); {
	case err != nil || e.TTL != nil && *e.TTL <= 0:
		return rec.Ends.Sub(rec.Started)
	case e.TTL == nil:
		return DefaultTTL
	default:
		return time.Duration(*e.TTL)
	}
}
