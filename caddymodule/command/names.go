package command

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

// completionPatience is how long Caddy may take to tell the names for the completion of
// a shell. A person waits for it.
const completionPatience = time.Second

// completes offers names of the running Caddy to a shell. If Caddy does not answer, the
// shell gets no names and no error.
func completes(names func(v *api.StateView, args []string) []cobra.Completion) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var view api.StateView
		if readForCompletion(cmd, "/", &view) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.Compact(slices.Sorted(slices.Values(names(&view, args)))), cobra.ShellCompDirectiveNoFileComp
	}
}

func readForCompletion(cmd *cobra.Command, path string, view any) error {
	address := flagText(cmd, "address")
	if list, err := cmd.Flags().GetStringArray("address"); err == nil { // of clients
		address = strings.Join(list[:min(len(list), 1)], "")
	}
	client, err := connect(cmd, address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
	defer cancel()
	data, err := client.do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, view)
}

// offer returns a name with a description, which some shells show.
func offer(name, description string) cobra.Completion {
	if name == "" {
		return ""
	}
	return cobra.CompletionWithDesc(name, grammar.Printable(description))
}

// nameOf returns an offered name without its description.
func nameOf(offered cobra.Completion) string {
	name, _, _ := strings.Cut(offered, "\t")
	return name
}

// pointNames offers the injection points.
func pointNames(v *api.StateView, _ []string) (names []cobra.Completion) {
	for _, p := range v.Points {
		names = append(names, offer(p.Point, join(p.Site, grammar.Brief(p.Line))))
	}
	return names
}

// places offers the places of a new experiment.
func places(v *api.StateView, args []string) []cobra.Completion {
	return append(pointNames(v, args), offer(experiments.Everywhere, "every point that is not a transport"))
}

// experimentNames offers the running experiments that are not among the arguments.
func experimentNames(v *api.StateView, args []string) (names []cobra.Completion) {
	for _, e := range v.Experiments {
		if !slices.Contains(args, e.Name) {
			names = append(names, offer(e.Name, grammar.Brief(e.Line)))
		}
	}
	return names
}

// ruleNames offers one name of a rule, an experiment, or the triggers. A name that
// several points have is offered with each point.
func ruleNames(v *api.StateView, args []string) []cobra.Completion {
	if len(args) > 0 {
		return nil
	}
	names := experimentNames(v, nil)
	count := make(map[string]int)
	for _, p := range v.Points {
		for _, rule := range p.Rules {
			count[rule.Name]++
		}
	}
	for _, p := range v.Points {
		if len(p.Triggers) > 0 {
			names = append(names, offer(trigger.RuleName, "faults that requests ask for"))
		}
		for _, rule := range p.Rules {
			name := rule.Name
			if count[name] > 1 {
				name = p.Point + "/" + name
			}
			names = append(names, offer(name, grammar.Brief(rule.Line)))
		}
	}
	return names
}

// switchable offers the rules that a command for the switch of a rule can name: a point
// and a rule, or a point after which a rule follows.
func switchable(v *api.StateView, args []string) (names []cobra.Completion) {
	for _, p := range v.Points {
		for _, rule := range p.Rules {
			switch {
			case len(args) == 0:
				names = append(names, offer(p.Point+"/"+rule.Name, grammar.Brief(rule.Line)))
			case len(args) == 1 && args[0] == p.Point:
				names = append(names, offer(rule.Name, grammar.Brief(rule.Line)))
			}
		}
	}
	return names
}

// completeRun offers the kinds of fault for a rule. After the rule only a command can
// follow, which the shell completes itself.
func completeRun(_ *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return kindsAfter(word), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeTry offers the kinds of fault for the rule after the upstream.
func completeTry(_ *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return kindsAfter(word), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// kindsAfter offers the kinds of this binary as the last statement of a line.
func kindsAfter(line string) (lines []cobra.Completion) {
	before := line[:strings.LastIndex(line, ";")+1]
	if before != "" {
		before += " "
	}
	for _, kind := range faults.Kinds() {
		lines = append(lines, before+kind)
	}
	return lines
}

// addCompletion sets what a shell offers for the arguments and the flags of a command.
// A shell offers files for everything else, which only a few flags take.
func addCompletion(cmd *cobra.Command) {
	set := func(name string, f cobra.CompletionFunc) {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, f) // the flag exists, and has no other function
		}
	}
	if cmd.Name() == "run" {
		set("point", completes(places))
	} else {
		set("point", completes(pointNames))
	}
	set("rule", completes(func(v *api.StateView, _ []string) []cobra.Completion { return ruleNames(v, nil) }))
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if _, known := cmd.GetFlagCompletionFunc(flag.Name); !known && flag.Name != "output" {
			set(flag.Name, cobra.NoFileCompletions)
		}
	})
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
}
