package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
)

func listCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "list [--ended] [--json]",
		Short: "Lists the experiments that are on",
		Args:  cobra.NoArgs,
		RunE: inSession(func(s *session) error {
			if flagText(s.Command, "ended") == "true" {
				return show(s, http.MethodGet, "/experiments?ended", nil, printEnded)
			}
			return show(s, http.MethodGet, "/experiments", nil, func(out io.Writer, v *api.ExperimentList) error {
				return printExperiments(out, v.Experiments)
			})
		}),
	})
	cmd.Flags().Bool("ended", false, "List those that have been over for less than an hour")
	return cmd
}

func printExperiments(out io.Writer, views []api.ExperimentView) error {
	t := newTable(out, "EXPERIMENT", "FAULTS", "POINTS", "HITS", "TIME LEFT", "NOTE")
	for _, v := range views {
		t.row(v.Name, kindsOf(v.Experiment), strings.Join(v.AppliesTo, ","), v.Hits, timeLeft(&v), note(&v))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, v := range views {
		if v.Came > 0 && v.Matched == 0 {
			fmt.Fprintf(out, "experiment '%s': 0 of %d requests at its points matched\n", v.Name, v.Came)
		}
	}
	return nil
}

// timeLeft is how long an experiment is on, in words.
func timeLeft(v *api.ExperimentView) string {
	if v.Ends == nil {
		return "no end"
	}
	return time.Duration(v.TimeLeft * float64(time.Second)).Round(time.Second).String()
}

// note is why the experiment is there.
func note(v *api.ExperimentView) string {
	var e struct {
		Note string `json:"note"`
	}
	_ = json.Unmarshal(v.Experiment, &e) // without a note if it cannot be read
	return e.Note
}

func printEnded(out io.Writer, v *api.EndedList) error {
	t := newTable(out, "EXPERIMENT", "FAULTS", "STARTED", "ENDED", "WHY", "HITS")
	for _, past := range v.Ended {
		t.row(past.Name, kindsOf(past.JSON), timeText(past.Started), timeText(past.Ended), past.Why, past.Hits)
	}
	return t.Flush()
}

func removeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rm <name>...|--all",
		Short: "Ends experiments",
		Example: `  caddy fault rm slow
  caddy fault rm --all`,
		RunE: inSession(cmdRemove),
	}
	cmd.Flags().Bool("all", false, "End all experiments")
	return cmd
}

func cmdRemove(s *session) error {
	all := flagText(s.Command, "all") == "true"
	switch {
	case all && len(s.args) > 0:
		return fmt.Errorf("'%s' and --all together: give names or --all", s.args[0])
	case all:
		return s.removeAll()
	case len(s.args) == 0:
		return errors.New("a name is required: caddy fault rm <name>, or caddy fault rm --all")
	}
	code := 0
	for _, name := range s.args {
		err := s.remove(name)
		if isUnknown(err) && name == "all" {
			err = fmt.Errorf("%w; caddy fault rm --all ends all of them", err)
		}
		if err != nil {
			code = 1
			s.PrintErrln(s.ErrPrefix(), err)
		}
	}
	return s.exit(code)
}

// removeAll ends the experiments that are on now.
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
		_, err := fmt.Fprintln(s.OutOrStdout(), "no experiment is on")
		return err
	}
	code := 0
	for _, e := range list.Experiments {
		if err := s.remove(e.Name); err != nil && !isUnknown(err) { // unknown: it has ended meanwhile
			code = 1
			s.PrintErrln(s.ErrPrefix(), err)
		}
	}
	return s.exit(code)
}

// remove ends an experiment and says so.
func (s *session) remove(name string) error {
	_, err := s.ask(http.MethodDelete, experimentPath(name), nil)
	if err == nil {
		_, err = fmt.Fprintf(s.OutOrStdout(), "experiment '%s' is over\n", name)
	}
	return err
}

// isUnknown reports whether Caddy has answered that there is no such thing.
func isUnknown(err error) bool {
	no, refused := errors.AsType[*api.Error](err)
	return refused && no.Status == http.StatusNotFound
}

func experimentPath(name string) string { return "/experiments/" + url.PathEscape(name) }
