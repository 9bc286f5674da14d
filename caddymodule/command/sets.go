package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
)

// setFlag adds --set to a command, to work with a set of the configuration. A shell
// offers the sets that offers reports.
func setFlag(cmd *cobra.Command, usage string, offers func(*api.SetView) bool) {
	cmd.Flags().String("set", "", usage)
	_ = cmd.RegisterFlagCompletionFunc("set", completeSets(offers)) // the flag exists
}

// completeSets offers sets of experiments.
func completeSets(offers func(*api.SetView) bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
		var list api.SetList
		_ = readForCompletion(cmd, "/sets", &list) // without an answer there are no names
		for _, set := range list.Sets {
			if offers(&set) {
				names = append(names, offer(set.Name, setText(&set)))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// setText says what a set has.
func setText(set *api.SetView) string {
	if n := len(set.Running); n > 0 {
		return fmt.Sprintf("%d running", n)
	}
	if len(set.Experiments) == 1 {
		return "1 experiment"
	}
	return fmt.Sprintf("%d experiments", len(set.Experiments))
}

// canStart reports whether the configuration has a set that does not run.
func canStart(set *api.SetView) bool { return len(set.Experiments) > 0 && len(set.Running) == 0 }

// runs reports whether experiments of a set run.
func runs(set *api.SetView) bool { return len(set.Running) > 0 }

// runSet starts a set, unless one of its experiments exists.
func (s *session) runSet(set string) error {
	for _, other := range []string{"name", "point", "match"} {
		if s.Flag(other).Changed {
			return fmt.Errorf("--set and --%s exclude each other: the configuration has the experiments of the set", other)
		}
	}
	if len(s.args) > 0 {
		return fmt.Errorf("'%s' and --set exclude each other: start the set, and end it with %s", s.args[0], s.again("rm --set "+set))
	}
	var how api.SetStart
	if text := flagText(s.Command, "ttl"); text != "" {
		ttl, err := caddy.ParseDuration(text)
		if err != nil || ttl < 0 {
			return badTTL(text)
		}
		how.TTL = new(caddy.Duration(ttl))
	}
	how.Note = flagText(s.Command, "note")
	ctx, cancel := context.WithTimeout(s.Context(), s.patience)
	defer cancel()
	data, err := s.do(ctx, http.MethodPost, setPath(set), how, http.Header{"If-None-Match": {"*"}})
	if no, ok := errors.AsType[*api.Error](err); ok && no.Status == http.StatusPreconditionFailed {
		return fmt.Errorf("an experiment of set '%s' already exists: end it with %s, or %s", set, s.again("rm <name>"), s.again("rm --set "+set))
	}
	if unanswered(err) {
		s.warn("Caddy has not answered, so set '%s' may still start: check with %s", set, s.again("list"))
	}
	if err != nil {
		return err
	}
	var list api.ExperimentList
	if err := readAnswer(data, &list); err != nil {
		return err
	}
	var text strings.Builder
	for _, view := range list.Experiments {
		text.WriteString(begunText(&view))
	}
	if _, err = fmt.Fprint(s.OutOrStdout(), text.String()); err != nil {
		return fmt.Errorf("set '%s' is on, but printing the result failed: %w", set, err)
	}
	return nil
}

func badTTL(text string) error {
	return fmt.Errorf("bad ttl '%s': want a duration such as 5m, or 0 for no end", text)
}

// removeSet ends the experiments that a set has started, and prints their names.
func (s *session) removeSet(set string) error {
	if len(s.args) > 0 {
		return fmt.Errorf("'%s' and --set exclude each other: give either names or --set", s.args[0])
	}
	data, err := s.ask(http.MethodDelete, setPath(set), nil)
	if err != nil {
		return err
	}
	var view api.SetEnded
	if err := readAnswer(data, &view); err != nil {
		return err
	}
	for _, name := range view.Ended {
		if _, err := fmt.Fprintf(s.OutOrStdout(), "experiment '%s' has ended\n", name); err != nil {
			return err
		}
	}
	return nil
}

func setPath(set string) string { return "/sets/" + url.PathEscape(set) }
