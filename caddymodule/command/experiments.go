package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

func listCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "list [--ended] [--json]",
		Short: "List experiments",
		Long: `
The list has the experiments that are on. With --ended it has the experiments that
ended in the last hour, and says why they ended.`,
		Example: `  caddy fault list
  caddy fault list --ended`,
		Args: noArguments,
		RunE: inSession(func(s *session) error {
			if flagText(s.Command, "ended") == "true" {
				return show(s, http.MethodGet, "/experiments?ended", nil, s.printEnded)
			}
			return show(s, http.MethodGet, "/experiments", nil, func(out io.Writer, v *api.ExperimentList) error {
				return printList(s, out, v.Experiments)
			})
		}),
	})
	cmd.Flags().Bool("ended", false, "List the experiments that ended in the last hour")
	return cmd
}

func printList(s *session, out io.Writer, views []api.ExperimentView) error {
	if len(views) == 0 {
		s.hint(noExperiments + " Start one: " + s.again("run --match 'path /api/*' 'percent 10; delay 2s'"))
		return nil
	}
	return printExperiments(newScreen(out), views)
}

const noExperiments = "No experiment is on."

func printExperiments(scr *screen, views []api.ExperimentView) error {
	g := &grid{columns: []column{
		{title: "EXPERIMENT"},
		{title: "AT"},
		{title: "RULE", flexible: true},
		{title: "HITS", right: true},
		{title: "HELD", right: true, optional: true},
		{title: "LEFT"},
		{title: "NOTE"},
	}}
	for _, v := range views {
		g.add(v.Name, dash(strings.Join(v.AppliesTo, ",")), grammar.Brief(v.Line), v.Hits, heldCell(v.Active), timeLeft(&v), dash(note(&v)))
	}
	if err := g.print(scr); err != nil {
		return err
	}
	for _, v := range views {
		if v.Came > 0 && v.Matched == 0 {
			fmt.Fprintln(scr, scr.paint(amber, fmt.Sprintf("experiment '%s': 0 of %d requests at its points matched", v.Name, v.Came)))
		}
	}
	return nil
}

// timeLeft returns how long an experiment is still on, as text.
func timeLeft(v *api.ExperimentView) string {
	if v.Ends == nil {
		return "no end"
	}
	return time.Duration(v.TimeLeft * float64(time.Second)).Round(time.Second).String()
}

// note returns the note of an experiment.
func note(v *api.ExperimentView) string {
	var e struct {
		Note string `json:"note"`
	}
	_ = json.Unmarshal(v.Experiment, &e) // no note if the JSON is invalid
	return e.Note
}

func (s *session) printEnded(out io.Writer, v *api.EndedList) error {
	if len(v.Ended) == 0 {
		s.hint("No experiment has ended in the last hour. List those that are on: " + s.again("list"))
		return nil
	}
	g := &grid{columns: []column{
		{title: "EXPERIMENT"},
		{title: "RULE", flexible: true},
		{title: "STARTED"},
		{title: "ENDED"},
		{title: "WHY"},
		{title: "HITS", right: true},
	}}
	for _, past := range v.Ended {
		g.add(past.Name, grammar.Brief(past.Line), timeText(past.Started), timeText(past.Ended), past.Why, past.Hits)
	}
	return g.print(newScreen(out))
}

func removeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rm <name>...|--all|--set <set>",
		Short: "End experiments",
		Long: `
An experiment ends at once, before its --ttl. Its hits stay in 'caddy fault list
--ended' for an hour, and 'caddy fault verify' still counts them.

Rules of the configuration are not experiments. Use 'caddy fault off' for them.`,
		Example: `  caddy fault rm slow
  caddy fault rm --all
  caddy fault rm --set outage`,
		RunE:              inSession(cmdRemove),
		ValidArgsFunction: completes(experimentNames),
	}
	cmd.Flags().Bool("all", false, "End all experiments")
	setFlag(cmd, "End the experiments that this set has started", runs)
	return cmd
}

func cmdRemove(s *session) error {
	all, set := flagText(s.Command, "all") == "true", flagText(s.Command, "set")
	switch {
	case all && set != "":
		return errors.New("--all and --set exclude each other: give one of them")
	case set != "":
		return s.removeSet(set)
	case all && len(s.args) > 0:
		return fmt.Errorf("'%s' and --all exclude each other: give either names or --all", s.args[0])
	case all:
		return s.removeAll()
	case len(s.args) == 0:
		return fmt.Errorf("a name is required: %s, or %s", s.again("rm <name>"), s.again("rm --all"))
	}
	if slices.Contains(s.args, "") {
		return fmt.Errorf("a name is empty: %s", s.again("rm <name>"))
	}
	code := 0
	for _, name := range s.args {
		err := s.remove(name)
		switch {
		case isUnknown(err) && name == "all":
			err = fmt.Errorf("%w; %s ends all of them", err, s.again("rm --all"))
		case isUnknown(err):
			err = s.orRule(name, err)
		}
		if err != nil {
			code = 1
			s.printError(err)
		}
	}
	return s.exit(code)
}

// removeAll ends all experiments that are currently on.
func (s *session) removeAll() error {
	data, err := s.ask(http.MethodGet, "/experiments", nil)
	if err != nil {
		return err
	}
	var list api.ExperimentList
	if err := readAnswer(data, &list); err != nil {
		return err
	}
	if len(list.Experiments) == 0 {
		s.hint(noExperiments)
		return nil
	}
	code := 0
	for _, e := range list.Experiments {
		if err := s.remove(e.Name); err != nil && !isUnknown(err) { // it has ended in the meantime
			code = 1
			s.printError(err)
		}
	}
	return s.exit(code)
}

// remove ends an experiment and prints its name.
func (s *session) remove(name string) error {
	_, err := s.ask(http.MethodDelete, experimentPath(name), nil)
	if err == nil {
		_, err = fmt.Fprintf(s.OutOrStdout(), "experiment '%s' has ended\n", name)
	}
	return err
}

// orRule adds to an error how to switch off the rule of the configuration that has the
// name.
func (s *session) orRule(name string, err error) error {
	if found := s.rulesNamed(name, "off"); len(found) > 0 {
		return fmt.Errorf("%w; a rule of the configuration has this name: switch it off with %s", err, found[0])
	}
	return err
}

// isExperiment reports whether an experiment of the name is on.
func (s *session) isExperiment(name string) bool {
	_, err := s.ask(http.MethodGet, experimentPath(name), nil)
	return err == nil
}

// isUnknown reports whether Caddy has replied 404.
func isUnknown(err error) bool {
	no, refused := errors.AsType[*api.Error](err)
	return refused && no.Status == http.StatusNotFound
}

func experimentPath(name string) string { return "/experiments/" + url.PathEscape(name) }
