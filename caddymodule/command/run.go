package command

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// commandTTL ends an experiment whose command is gone, and `caddy fault run`
// with it, so that nobody has removed it.
const commandTTL = 24 * time.Hour

func runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [--name <name>] [--ttl <duration>] [--point <name>]... [--match <matcher>]... [--note <text>] <rule> [-- <command> [<args>...]]",
		Short: "Starts an experiment, for a time or for as long as a command runs",
		Long: `
Starts an experiment: a rule that is added while Caddy runs. The rule is written
as its lines in a Caddyfile, with semicolons between them: settings such as
'percent 10' and 'times 3', faults such as 'delay 2s' and 'respond 503', or a
status alone. There are no blocks; a text with a semicolon in it is quoted.

--match, --point or both are required. --match takes Caddy's request matchers;
several of them are alternatives. --point takes the name of an injection point, or
'*' for all points but transports. With --match alone, --point is '*'. Name each
transport. Without --name the command makes a name up and prints it.

With a command behind -- the experiment lasts as long as the command. It is
removed however the command ends. SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed
on to the command, but not what the keys of a terminal send, which reaches it
anyway, nor what is ignored, as SIGHUP is under nohup. The exit code is the
command's, 128 and the number of the signal if one has ended it, 127 if there is
no such command, 126 if it cannot be run.
Should this process be killed, the experiment ends by its --ttl.`,
		Example: `  caddy fault run --name slow --match 'path /api/*' 'percent 10; delay 2s'
  caddy fault run --name gone --ttl 5m --point checkout 551
  caddy fault run --name down --point '*' 'respond 503' -- go test ./...`,
		RunE: inSession(cmdRun),
	}
	cmd.Flags().String("name", "", "The name of the experiment, in headers, logs and metrics (default: a made-up name)")
	cmd.Flags().String("ttl", "", "How long it lives; 0 is without an end (default 10m, with a command 24h)")
	cmd.Flags().StringArray("point", nil, "An injection point that it is for; '*' is all but transports")
	cmd.Flags().StringArray("match", nil, "Which requests it is for, as behind match in a Caddyfile")
	cmd.Flags().String("note", "", "Why it is there, for whoever finds it")
	return cmd
}

func cmdRun(s *session) error {
	command, err := s.cutCommand()
	if err != nil {
		return err
	}
	e, err := s.experiment()
	if err != nil {
		return err
	}
	if len(command) > 0 {
		return s.runWith(e, command)
	}
	view, err := s.begin(s.Context(), e)
	if unanswered(err) {
		s.warn(mayBegin, e.Name)
	}
	if err != nil {
		return err
	}
	if _, err = io.WriteString(s.OutOrStdout(), begunText(view)); err != nil {
		return fmt.Errorf("experiment '%s' is on, which could not be told: %w", view.Name, err)
	}
	return nil
}

// begunText says of an experiment that has begun where it is, and which requests come
// to it there.
func begunText(view *api.ExperimentView) string {
	reached, lines := placesOf(view)
	places := cmp.Or(strings.Join(reached, ", "), "no point")
	if len(reached) == 0 && len(view.Places) > 0 {
		places = "no point where it can match"
	}
	lines = append([]string{fmt.Sprintf("experiment '%s' is on at %s; time left: %s", view.Name, places, timeLeft(view))}, lines...)
	return strings.Join(lines, "\n") + "\n"
}

// placesOf are the names of the points where the experiment can match, and a line for
// each that is not for all requests.
func placesOf(view *api.ExperimentView) (reached, lines []string) {
	for _, p := range view.Places {
		title := rules.Title(p.Site, p.Point)
		switch {
		case p.Excluded != "":
			lines = append(lines, "  cannot match at "+title+": "+p.Excluded)
			continue
		case p.Line != "":
			lines = append(lines, "  "+title+": "+p.Line)
		}
		if !slices.Contains(reached, p.Point) {
			reached = append(reached, p.Point)
		}
	}
	return reached, fewOf(lines)
}

// warnOfExcluded tells of an experiment that can match nothing.
func (s *session) warnOfExcluded(view *api.ExperimentView) {
	if reached, lines := placesOf(view); len(reached) == 0 && len(lines) > 0 {
		s.warn("experiment '%s' is on at no point where it can match:\n%s", view.Name, strings.Join(lines, "\n"))
	}
}

// maxPlaces is how many points of an experiment have a line each.
const maxPlaces = 10

// fewOf are the first of the lines, which a terminal can show, and how many more there
// are.
func fewOf(lines []string) []string {
	if more := len(lines) - maxPlaces; more > 0 {
		lines = append(lines[:maxPlaces:maxPlaces], fmt.Sprintf("  and %d more", more))
	}
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return lines
}

// cutCommand takes what stands behind -- off the arguments, which leaves the
// rule.
func (s *session) cutCommand() (command []string, err error) {
	if dash := s.ArgsLenAtDash(); dash >= 0 {
		if s.args, command = s.args[:dash], s.args[dash:]; len(command) == 0 {
			return nil, errors.New("-- without a command behind it")
		}
	}
	switch len(s.args) {
	case 0:
		return nil, errors.New("say what goes wrong, such as 'percent 10; delay 2s'")
	case 1:
		return command, nil
	default:
		return nil, fmt.Errorf("unexpected argument '%s': the rule is one argument in quotes, and a command stands behind --", s.args[1])
	}
}

// experiment is what the rule and the flags say.
func (s *session) experiment() (*experiments.Experiment, error) {
	matchers, _ := s.Flags().GetStringArray("match")
	rule, err := grammar.ParseLine(s.args[0], matchers...)
	if err != nil {
		return nil, err
	}
	if text := grammar.FractionHint(s.args[0]); text != "" {
		s.warn("%s", text)
	}
	e := &experiments.Experiment{Rule: *rule}
	e.Name, e.Note = flagText(s.Command, "name"), flagText(s.Command, "note")
	e.Points, _ = s.Flags().GetStringArray("point")
	if len(e.MatcherSetsRaw) == 0 && len(e.Points) == 0 {
		return nil, errors.New("say where: --match 'path /api/*' for some requests, --point <name> for an injection point, --point '*' for all but transports")
	}
	if e.Name == "" {
		e.Name = madeUp(rule)
	}
	if text := flagText(s.Command, "ttl"); text != "" {
		ttl, err := caddy.ParseDuration(text)
		if err != nil || ttl < 0 {
			return nil, fmt.Errorf("bad ttl '%s': want a duration such as 5m, or 0", text)
		}
		e.TTL = new(caddy.Duration(ttl))
	}
	return e, nil
}

// madeUp is a name for an experiment that has none, such as delay-3f9a: a kind of fault,
// and what tells it from others.
func madeUp(rule *rules.Rule) string {
	text, _ := json.Marshal(rule) // it has been read from a line
	kind, _, _ := strings.Cut(kindsOf(text), "+")
	return fmt.Sprintf("%s-%04x", kind, rand.IntN(1<<16)) //nolint:gosec // chance, not secrecy
}

// begin starts the experiment, unless there is one of its name.
func (s *session) begin(ctx context.Context, e *experiments.Experiment) (*api.ExperimentView, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	data, err := s.do(ctx, http.MethodPut, experimentPath(e.Name), e, http.Header{"If-None-Match": {"*"}})
	if no, ok := errors.AsType[*api.Error](err); ok && no.Status == http.StatusPreconditionFailed {
		return nil, fmt.Errorf("there is an experiment '%s' already: end it by caddy fault rm %[1]s, or choose another name", e.Name)
	}
	if err != nil {
		return nil, err
	}
	view := new(api.ExperimentView)
	if err := readAnswer(data, view); err != nil {
		return nil, err
	}
	if len(view.AppliesTo) == 0 {
		s.warn("experiment '%s' is at no point of the running configuration: nothing is injected", e.Name)
	}
	return view, nil
}

// end removes the experiment, but not one that has taken its place.
func (s *session) end(view *api.ExperimentView) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), s.patience)
	defer cancel()
	err := persist(ctx, func() error {
		_, err := s.do(ctx, http.MethodDelete, experimentPath(view.Name), nil, http.Header{"If-Match": {view.ETag()}})
		return err
	})
	no, refused := errors.AsType[*api.Error](err)
	switch {
	case err == nil:
	case refused && no.Status == http.StatusNotFound:
		s.warn("experiment '%s' was over before the command", view.Name)
	case refused && no.Status == http.StatusPreconditionFailed:
		s.warn("experiment '%s' has been replaced meanwhile, and stays", view.Name)
	default:
		s.warn("experiment '%s' could not be removed: %v", view.Name, err)
	}
}

// mayBegin is the warning when Caddy has not said whether it begins an experiment.
const mayBegin = "experiment '%s' may begin all the same, for Caddy has not said no: look with caddy fault list"

// start begins the experiment of a command, and leaves nothing behind if that
// fails. A signal meanwhile is for nobody else: the command is not there yet.
func (s *session) start(e *experiments.Experiment, signals <-chan os.Signal) (view *api.ExperimentView, sig os.Signal, err error) {
	mark(e)
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		view, err = s.begin(ctx, e)
	}()
	select {
	case sig = <-signals:
		giveUp := time.AfterFunc(answerAfterSignal, cancel)
		<-answered
		giveUp.Stop()
	case <-answered:
		select {
		case sig = <-signals:
		default:
		}
	}
	if unanswered(err) {
		s.takeBack(e)
	}
	return view, sig, err
}

// answerAfterSignal is how long Caddy may take to answer once a signal has come:
// its answer is the best way to know what has to be removed.
const answerAfterSignal = 2 * time.Second

// mark makes the ttl of an experiment an odd one, too little to matter: it tells
// the experiment from one of the same name and rule that somebody else has begun.
func mark(e *experiments.Experiment) {
	if *e.TTL > 0 {
		*e.TTL += caddy.Duration(1 + rand.Int64N(int64(time.Millisecond))) //nolint:gosec // chance, not secrecy
	}
}

// takeBack ends an experiment that may begin, or have begun, although Caddy has
// given no answer. Without an end it has no mark, and is left.
func (s *session) takeBack(e *experiments.Experiment) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), comeBack)
	defer cancel()
	var view *api.ExperimentView
	err := errNotYet
	if *e.TTL > 0 {
		err = persist(ctx, func() (err error) {
			view, err = s.own(ctx, e)
			return err
		})
	}
	switch {
	case err != nil:
		s.warn(mayBegin, e.Name)
	case view != nil:
		s.end(view)
	}
}

// own asks for an experiment that has been marked; nil: another one has its name.
func (s *session) own(ctx context.Context, e *experiments.Experiment) (*api.ExperimentView, error) {
	data, err := s.do(ctx, http.MethodGet, experimentPath(e.Name), nil, nil)
	if no, refused := errors.AsType[*api.Error](err); refused && no.Status == http.StatusNotFound {
		return nil, errNotYet // the one who begins it may still be at it
	}
	if err != nil {
		return nil, err
	}
	view := new(api.ExperimentView)
	if err := readAnswer(data, view); err != nil {
		return nil, err
	}
	var found bytes.Buffer
	sent, err := json.Marshal(e)
	if err != nil || json.Compact(&found, view.Experiment) != nil || !bytes.Equal(found.Bytes(), sent) {
		return nil, err
	}
	return view, nil
}
