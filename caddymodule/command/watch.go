package command

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

func watchCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "watch [<rule>] [--point <name>] [--id <text>] [--refused|--stat] [--json]",
		Short: "Print injected faults as they happen, or refused triggers",
		Long: `
The command prints the last ten injected faults, then a line for each new one. It
continues over reloads and short restarts of Caddy. If Caddy does not come back, the
exit code is 1. Stop the command with Ctrl-C.

A line appears when the request ends. It has the status, and how long the fault held
the request. If a fault holds a request for more than half a second, a line that
ends in 'held' appears first.

With --stat the command prints one line a second: the number of hits, by rule.

--rule <rule> is the same as <rule>.`,
		Example: `  caddy fault watch
  caddy fault watch slow
  caddy fault watch --stat
  caddy fault watch --refused`,
		Args:              ruleArgument,
		RunE:              inSession(cmdWatch),
		ValidArgsFunction: completes(ruleNames),
	})
	cmd.Flags().String("rule", "", "Print only hits of this rule or experiment")
	cmd.Flags().String("point", "", "Print only hits at this injection point")
	cmd.Flags().String("id", "", "Print only requests whose trigger has this id")
	cmd.Flags().Bool("refused", false, "Print refused triggers, and why they were refused")
	cmd.Flags().Bool("stat", false, "Print one line a second with the hits of each rule")
	exclusive(cmd, "stat", "id")
	exclusive(cmd, "stat", "refused")
	exclusive(cmd, "stat", "json")
	return cmd
}

func cmdWatch(s *session) error {
	s.warnOfUnknown(" (waiting for it)")
	if flagText(s.Command, "stat") == "true" {
		return s.watchRates()
	}
	f := follower{session: s, path: "/journal" + s.query("rule", "point", "id", "refused"), json: s.wantsJSON()}
	return f.follow()
}

// warnOfUnknown warns if nothing has the rule or the point of the flags. An experiment of
// that name may start later.
func (s *session) warnOfUnknown(then string) {
	if s.Flag("rule").Changed {
		_, err := s.ask(http.MethodGet, "/verify"+s.query("rule", "point")+"&at_least=0", nil)
		if isUnknown(err) {
			s.warn("%v%s", err, then)
		}
		return
	}
	if point := flagText(s.Command, "point"); point != "" {
		data, err := s.ask(http.MethodGet, "/?limit=10000", nil)
		var v api.StateView
		if err == nil && readAnswer(data, &v) == nil && !slices.ContainsFunc(pointNames(&v, nil), func(name string) bool { return nameOf(name) == point }) {
			s.warn("no injection point '%s'%s%s", point, nearPoint(&v, point), then)
		}
	}
}

// nearPoint suggests the point that may be meant.
func nearPoint(v *api.StateView, point string) string {
	known := make([]string, 0, len(v.Points))
	for _, p := range v.Points {
		known = append(known, p.Point)
	}
	if advice := words.Suggest(words.Near(point, known)); advice != "" {
		return "; " + advice
	}
	return ""
}

// follower reads the journal's feeds, one after another.
type follower struct {
	*session
	path string // of the journal, with its parameters
	json bool
	last string // the number of the last printed entry
}

// follow prints the entries of the journal until its context ends or Caddy stays away.
// When a feed ends, follow opens another one that continues after the last entry.
func (f *follower) follow() error {
	feed, err := f.open()
	for err == nil {
		if err = f.print(feed); err != nil {
			return err
		}
		select { // a server takes a moment to end
		case <-f.Context().Done():
		case <-time.After(comeBackEvery):
		}
		err = persist(f.Context(), func() (err error) {
			feed, err = f.open()
			return err
		})
	}
	return err
}

// beforeWatch is how many existing entries are printed first.
const beforeWatch = 10

func (f *follower) open() (io.ReadCloser, error) {
	header := http.Header{"Accept": {"text/event-stream"}}
	path := f.path
	if f.last == "" {
		path += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "limit=" + strconv.Itoa(beforeWatch)
	} else {
		header.Set("Last-Event-ID", f.last)
	}
	resp, err := f.send(f.Context(), http.MethodGet, path, nil, header)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// print prints the entries of a feed until the feed ends.
func (f *follower) print(feed io.ReadCloser) error {
	done := make(chan struct{})
	defer close(done)
	defer feed.Close()
	entries := make(chan []byte)
	go readFeed(feed, entries, done)
	t := tail{scr: newScreen(f.OutOrStdout()), json: f.json}
	for {
		select {
		case data, more := <-entries:
			if !more { // the next feed has the rest
				return t.flush()
			}
			seq, err := t.take(data, time.Now())
			if err != nil {
				return err
			}
			if seq > 0 {
				f.last = strconv.FormatUint(seq, 10)
			}
		case now := <-t.next(time.Now()):
			if err := t.overdue(now); err != nil {
				return err
			}
		}
	}
}

// readFeed sends the entries of a feed, until the feed ends or the reader is done.
func readFeed(feed io.Reader, entries chan<- []byte, done <-chan struct{}) {
	defer close(entries)
	lines := bufio.NewReader(feed)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		select {
		case entries <- data:
		case <-done:
			return
		}
	}
}

// heldAfter is how long a request may be held until it has a line.
const heldAfter = 500 * time.Millisecond

// tail prints the entries of one feed. An entry comes when its fault begins, and again
// when its request ends.
type tail struct {
	scr  *screen
	json bool   // prints each entry when it begins
	seen uint64 // the number of the last entry
	open []begun
	held map[uint64]bool // entries that have a line and have not ended
}

// begun is an entry that has no line yet.
type begun struct {
	entry experiments.Entry
	due   time.Time // when it gets one
}

// take prints an entry, or keeps it until its request ends. It returns the number of an
// entry that is new.
func (t *tail) take(data []byte, now time.Time) (fresh uint64, err error) {
	var e experiments.Entry
	if err := readAnswer(data, &e); err != nil {
		return 0, err
	}
	isNew := e.Seq > t.seen
	if isNew {
		t.seen, fresh = e.Seq, e.Seq
	}
	switch {
	case t.json && isNew:
		_, err = t.scr.Write(data)
	case t.json:
	case isNew && !e.Done && e.Refused == "":
		t.open = append(t.open, begun{e, now.Add(heldAfter)})
	case isNew || t.end(e.Seq):
		err = t.line(&e, false)
	}
	return fresh, err
}

// end removes an entry that has begun, and reports whether it was there.
func (t *tail) end(seq uint64) bool {
	for i := range t.open {
		if t.open[i].entry.Seq == seq {
			t.open = append(t.open[:i], t.open[i+1:]...)
			return true
		}
	}
	known := t.held[seq]
	delete(t.held, seq)
	return known
}

// next returns a channel that sends when an entry is overdue.
func (t *tail) next(now time.Time) <-chan time.Time {
	if len(t.open) == 0 {
		return nil
	}
	return time.After(t.open[0].due.Sub(now))
}

// overdue prints the entries whose requests have been held for long.
func (t *tail) overdue(now time.Time) error {
	for len(t.open) > 0 && !t.open[0].due.After(now) {
		e := &t.open[0].entry
		if t.held == nil {
			t.held = make(map[uint64]bool)
		}
		t.held[e.Seq] = true
		if err := t.line(e, true); err != nil {
			return err
		}
		t.open = t.open[1:]
	}
	return nil
}

// flush prints the entries that the feed has not ended.
func (t *tail) flush() error {
	for i := range t.open {
		if err := t.line(&t.open[i].entry, false); err != nil {
			return err
		}
	}
	t.open = nil
	return nil
}

func (t *tail) line(e *experiments.Entry, held bool) error {
	text, c := entryText(e), plain
	switch {
	case e.Refused != "":
		c = red
	case held:
		text, c = text+", held", amber
	}
	_, err := fmt.Fprintln(t.scr, t.scr.paint(c, text))
	return err
}

// changeText returns what has changed in the body of the reply.
func changeText(e *experiments.Entry) string {
	var text strings.Builder
	for _, c := range e.Change {
		fmt.Fprintf(&text, ", %s %s (%s to %s)", c.Op, cmp.Or(c.At, "the document"), c.Was, c.Is)
	}
	return text.String()
}

// entryText returns an entry as one line.
func entryText(e *experiments.Entry) string {
	what := e.Kind
	if e.Refused != "" {
		what = "refused"
	}
	text := fmt.Sprintf("%s %s/%s %s: %s %s%s", e.Time.Local().Format("15:04:05.000"), e.Point, e.Rule, what, e.Method, e.Host, e.Path)
	if e.TriggerID != "" {
		text += " id " + e.TriggerID
	}
	if e.Client != "" {
		text += " from " + e.Client
	}
	if e.UpstreamStatus != 0 {
		text += fmt.Sprintf(", upstream %d", e.UpstreamStatus)
	}
	text += changeText(e)
	switch {
	case e.Refused != "":
		text += ": " + e.Refused
	case e.Done:
		text += ", " + endText(e)
	}
	return grammar.Printable(text)
}

// endText says how a request ended, and how long after the hit.
func endText(e *experiments.Entry) string {
	took := time.Duration(e.Duration * float64(time.Second)).Round(time.Millisecond).Milliseconds()
	status, replied := strings.CutPrefix(e.Outcome, "reply ")
	switch {
	case replied:
		return fmt.Sprintf("%s in %d ms", status, took)
	case e.Outcome == "cut":
		return fmt.Sprintf("cut after %d ms", took)
	case e.Outcome == "no_reply":
		return fmt.Sprintf("no reply after %d ms", took)
	case e.Outcome == "left":
		return fmt.Sprintf("client left after %d ms", took)
	default:
		return fmt.Sprintf("%d ms", took)
	}
}
