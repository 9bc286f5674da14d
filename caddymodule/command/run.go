package command

import (
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

// commandTTL ends the experiment of a command if `caddy fault run` was killed and could
// not end the experiment.
const commandTTL = 24 * time.Hour

func runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [--name <name>] [--ttl <duration>] [--point <name>]... [--match <matcher>]... [--note <text>] <rule> [-- <command> [<args>...]] | --set <set>",
		Short: "Start an experiment, for a time or while a command runs",
		Long: `
An experiment is a rule that you add while Caddy runs. Write the rule as its lines
in a Caddyfile, with semicolons between them. The lines are settings such as
'percent 10' and 'times 3', and faults such as 'delay 2s' and 'respond 503'. A
status alone, such as 551, means 'respond 551'. Blocks are not allowed. Quote a
text that has a semicolon in it.

Give --match, --point or both. --match takes a request matcher of Caddy. If you
repeat --match, one match is enough. --point takes the name of an injection point,
or '*' for every point that is not a transport. With --match alone, --point is
'*'. To reach a transport, give its name.

If an experiment of the same name is on, the command fails and changes nothing.

--set starts the experiments of a set of the configuration, together.

If a command follows --, the experiment lasts as long as the command, however the
command ends. If 'caddy fault run' is killed, the experiment ends after its --ttl.

The command gets SIGINT, SIGTERM, SIGHUP and SIGQUIT that 'caddy fault run'
receives. Ctrl-C at a terminal reaches both and is not passed on. An ignored
signal, such as SIGHUP under nohup, stays ignored.

The exit code is the exit code of the command. If a signal ends the command, it
is 128 plus the number of the signal. If the command does not exist it is 127,
and if the command cannot be run it is 126.`,
		Example: `  caddy fault run --name slow --match 'path /api/*' 'percent 10; delay 2s'
  caddy fault run --name gone --ttl 5m --point checkout 551
  caddy fault run --name down --point '*' 'respond 503' -- go test ./...
  caddy fault run --set outage --ttl 5m`,
		Args:              runArguments,
		RunE:              inSession(cmdRun),
		ValidArgsFunction: completeRun,
	}
	cmd.Flags().String("name", "", "Name of the experiment, for headers, logs and metrics (default a made-up name)")
	cmd.Flags().String("ttl", "", "How long the experiment lasts; 0 means no end (default 10m, with a command 24h)")
	cmd.Flags().StringArray("point", nil, "Injection point to apply to; '*' means every point that is not a transport")
	cmd.Flags().StringArray("match", nil, "Requests to apply to, as after match in a Caddyfile")
	cmd.Flags().String("note", "", "Reason for the experiment, shown in lists")
	setFlag(cmd, "Start the experiments of this set of the configuration", canStart)
	return cmd
}

func cmdRun(s *session) error {
	if set := flagText(s.Command, "set"); set != "" {
		return s.runSet(set)
	}
	command := s.cutCommand()
	e, err := s.experiment()
	if err != nil {
		return err
	}
	if len(command) > 0 {
		return s.runWith(e, command)
	}
	view, err := s.begin(s.Context(), e)
	if unanswered(err) {
		s.warn(mayBegin, e.Name, s.again("list"))
	}
	if err != nil {
		return err
	}
	if _, err = io.WriteString(s.OutOrStdout(), begunText(view)); err != nil {
		return fmt.Errorf("experiment '%s' is on, but printing the result failed: %w", view.Name, err)
	}
	return nil
}

// begunText says where a new experiment is on, and which requests it can match at each
// point.
func begunText(view *api.ExperimentView) string {
	reached, lines := placesOf(view)
	places := cmp.Or(strings.Join(reached, ", "), "no point")
	if len(reached) == 0 && len(view.Places) > 0 {
		places = "no point where it can match"
	}
	lines = append([]string{fmt.Sprintf("experiment '%s' is on at %s; time left: %s", view.Name, places, timeLeft(view))}, lines...)
	return strings.Join(lines, "\n") + "\n"
}

// placesOf returns the names of the points where the experiment can match. It also
// returns a line for each point where the experiment does not apply to all requests.
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

// warnOfExcluded warns if the experiment cannot match any request.
func (s *session) warnOfExcluded(view *api.ExperimentView) {
	if reached, lines := placesOf(view); len(reached) == 0 && len(lines) > 0 {
		s.warn("experiment '%s' cannot match at any of its points:\n%s", view.Name, strings.Join(lines, "\n"))
	}
}

// maxPlaces is the maximum number of points that have a line each.
const maxPlaces = 10

// fewOf shortens lines to a number that fits a terminal, and says how many are left
// out.
func fewOf(lines []string) []string {
	if more := len(lines) - maxPlaces; more > 0 {
		lines = append(lines[:maxPlaces:maxPlaces], fmt.Sprintf("  and %d more", more))
	}
	for i, line := range lines {
		lines[i] = grammar.Printable(line)
	}
	return lines
}

// cutCommand splits the arguments after -- from the rule, and returns them.
func (s *session) cutCommand() (command []string) {
	if dash := s.ArgsLenAtDash(); dash >= 0 {
		s.args, command = s.args[:dash], s.args[dash:]
	}
	return command
}

// experiment returns the experiment of the rule and the flags.
func (s *session) experiment() (*experiments.Experiment, error) {
	matchers, _ := s.Flags().GetStringArray("match")
	rule, err := s.parseRule(s.args[0], matchers)
	if err != nil {
		return nil, err
	}
	if text := grammar.FractionHint(s.args[0]); text != "" {
		s.warn("%s", text)
	}
	e := &experiments.Experiment{Rule: *rule}
	e.Name, e.Note = flagText(s.Command, "name"), flagText(s.Command, "note")
	e.Points, _ = s.Flags().GetStringArray("point")
	for _, point := range e.Points {
		if name, _, is := strings.Cut(point, "/"); is {
			return nil, fmt.Errorf("bad point '%s': an experiment has its own rule; write --point %s", point, shellWord(name))
		}
	}
	if len(e.MatcherSetsRaw) == 0 && len(e.Points) == 0 {
		return nil, errors.New("--match or --point is required: --match 'path /api/*' for some requests, --point <name> for an injection point, --point '*' for every point that is not a transport")
	}
	if e.Name == "" {
		e.Name = madeUp(rule)
	}
	if text := flagText(s.Command, "ttl"); text != "" {
		ttl, err := caddy.ParseDuration(text)
		if err != nil || ttl < 0 {
			return nil, badTTL(text)
		}
		e.TTL = new(caddy.Duration(ttl))
	}
	return e, nil
}

// madeUp makes up a name for an experiment, such as delay-3f9a: a kind of fault and a
// random number.
func madeUp(rule *rules.Rule) string {
	text, _ := json.Marshal(rule) // it was parsed from a line
	kind, _, _ := strings.Cut(kindsOf(text), "+")
	return fmt.Sprintf("%s-%04x", kind, rand.IntN(1<<16)) //nolint:gosec // chance, not secrecy
}

// begin starts the experiment, unless an experiment of that name exists.
func (s *session) begin(ctx context.Context, e *experiments.Experiment) (*api.ExperimentView, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	data, err := s.do(ctx, http.MethodPut, experimentPath(e.Name), e, http.Header{"If-None-Match": {"*"}})
	if no, ok := errors.AsType[*api.Error](err); ok && no.Status == http.StatusPreconditionFailed {
		return nil, fmt.Errorf("experiment '%s' already exists: end it with %s, or choose another name", e.Name, s.again("rm "+e.Name))
	}
	if err != nil {
		return nil, err
	}
	view := new(api.ExperimentView)
	if err := readAnswer(data, view); err != nil {
		return nil, err
	}
	if len(view.AppliesTo) == 0 {
		s.warn("experiment '%s' applies to no point of the running configuration: nothing is injected", e.Name)
	}
	return view, nil
}

// end removes the experiment, unless another experiment has replaced it.
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
		s.warn("experiment '%s' ended before the command did", view.Name)
	case refused && no.Status == http.StatusPreconditionFailed:
		s.warn("experiment '%s' has been replaced; the new one is still on", view.Name)
	default:
		s.warn("experiment '%s' could not be removed: %v", view.Name, err)
	}
}

// mayBegin is the warning if Caddy has not answered whether an experiment has begun.
const mayBegin = "Caddy has not answered, so experiment '%s' may still start: check with %s"

// start begins the experiment of a command. If that fails, start removes what may have
// begun. It also returns a signal that arrives in the meantime, when no command runs
// yet that could receive it.
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

// answerAfterSignal is how long Caddy may take to reply after a signal. The reply is
// the best way to know what to remove.
const answerAfterSignal = 2 * time.Second

// mark adds a random duration to the ttl, too short to matter. It distinguishes the
// experiment from another one with the same name and rule.
func mark(e *experiments.Experiment) {
	if *e.TTL > 0 {
		*e.TTL += caddy.Duration(1 + rand.Int64N(int64(time.Millisecond))) //nolint:gosec // chance, not secrecy
	}
}

// takeBack ends an experiment that Caddy may have begun, or may still begin, without a
// reply. An experiment without an end has no mark, so takeBack leaves it alone.
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
		s.warn(mayBegin, e.Name, s.again("list"))
	case view != nil:
		s.end(view)
	}
}

// own gets an experiment that has a mark. It returns nil if another experiment has the
// name.
func (s *session) own(ctx context.Context, e *experiments.Experiment) (*api.ExperimentView, error) {
	data, err := s.do(ctx, http.MethodGet, experimentPath(e.Name), nil, nil)
	if no, refused := errors.AsType[*api.Error](err); refused && no.Status == http.StatusNotFound {
		return nil, errNotYet // Caddy may still be starting it
	}
	if err != nil {
		return nil, err
	}
	view := new(api.ExperimentView)
	if err := readAnswer(data, view); err != nil {
		return nil, err
	}
	sent, err := json.Marshal(e)
	if err != nil || !grammar.SameJSON(view.Experiment, sent) {
		return nil, err
	}
	return view, nil
}
