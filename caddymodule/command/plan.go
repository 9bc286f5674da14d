package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/plan"
)

func planCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan <file> [--let <name>=<value>]... [--check|--dry-run|--adapt]",
		Short: "Run a plan: stages of faults, with checks and expectations",
		Long: `
A plan is a file with stages of faults. It says what must hold during a stage, when
to stop at once, and what must be true at the end. See the manual for its lines.

Before it injects anything, the command reports all mistakes in the file. It also
reports commands that do not exist, reports that cannot be written, and points and
rules that Caddy does not have.
--check does so without Caddy. --dry-run also asks Caddy, and warns if faults are
halted. Both inject nothing.

While a stage lasts, the command extends its faults. If the command is killed or
its machine is lost, the faults end after the ttl of the plan. Whatever else ends
the plan, the command ends its faults, then runs the commands of 'after', then
writes the reports.

On a terminal, the last line shows how much time the stage has left, the hits of its
faults, the checks, and the worst finding on clients. Commands of the plan print
above it. Without a terminal, or if TERM is dumb, there is no such line. NO_COLOR
turns off its colors.

--adapt prints the plan as JSON, which the command also reads. --address replaces the
addresses in the file.`,
		Example: `  caddy fault plan smoke.plan
  caddy fault plan storm.plan --let rate=30
  caddy fault plan smoke.plan --check`,
		Args: oneArgument("a file", "smoke.plan"),
		RunE: cmdPlan,
	}
	flags := cmd.Flags()
	flags.StringArray("address", nil, "Address of the admin API of a node, instead of those in the file")
	flags.StringArray("let", nil, "Value of a let of the file, as <name>=<value>")
	flags.Bool("check", false, "Check the file and its commands, without Caddy")
	flags.Bool("dry-run", false, "Check the file, and whether Caddy has its points and rules")
	flags.Bool("adapt", false, "Print the plan as JSON")
	exclusive(cmd, "check", "dry-run", "adapt")
	return cmd
}

// planSession is one run of the command.
type planSession struct {
	*session
	plan *plan.Plan
}

func cmdPlan(cmd *cobra.Command, args []string) error {
	if err := refuseEmpty(cmd); err != nil {
		return err
	}
	s := &planSession{session: &session{cmd, nil, args}}
	if err := s.read(args[0]); err != nil {
		return s.fail(plan.CodeError, err)
	}
	runner, err := s.runner()
	if err != nil {
		return err
	}
	switch {
	case flagText(cmd, "adapt") == "true":
		return api.Encode(s.OutOrStdout(), s.plan)
	case flagText(cmd, "check") == "true":
		runner.Nodes = nil
		return s.ready(runner)
	case flagText(cmd, "dry-run") == "true":
		return s.ready(runner)
	}
	return s.run(runner)
}

// read reads the file with the values of --let.
func (s *planSession) read(file string) error {
	text, err := os.ReadFile(file) //nolint:gosec // the user names the file
	if err != nil {
		return err
	}
	lets := make(map[string]string)
	values, _ := s.Flags().GetStringArray("let")
	for _, let := range values {
		name, value, ok := strings.Cut(let, "=")
		if !ok {
			return fmt.Errorf("bad --let '%s': want a name and a value, such as --let rate=30", let)
		}
		lets[name] = value
	}
	s.plan, err = plan.Parse(file, text, lets, parseFault)
	return err
}

// parseFault reads the block of a fault.
func parseFault(d *caddyfile.Dispenser, name string) (json.RawMessage, error) {
	d.Reset()
	d.Next()
	segment := d.NextSegment()
	httpcaddyfile.NewShorthandReplacer().ApplyToSegment(&segment)
	d = caddyfile.NewDispenser(segment)
	if err := grammar.CheckTokens(d); err != nil {
		return nil, err
	}
	d.Next()
	d.NextArg() // to the name
	e, err := grammar.ParseExperiment(d, name, nil)
	if err != nil {
		return nil, err
	}
	return caddyconfig.JSON(e, nil), nil
}

// runner returns the runner of the plan, with its nodes.
func (s *planSession) runner() (*plan.Runner, error) {
	addresses, _ := s.Flags().GetStringArray("address")
	if len(addresses) == 0 {
		addresses = s.plan.Addresses
	}
	if len(addresses) == 0 {
		addresses = []string{""}
	}
	r := &plan.Runner{
		Plan: s.plan, ID: fmt.Sprintf("%08x", rand.Uint32()), //nolint:gosec // tells runs apart
		Programs: plan.System{Out: s.OutOrStdout(), Err: s.ErrOrStderr()},
		HTTP:     new(http.Client),
	}
	known := make(map[string]bool)
	for _, address := range addresses {
		node, err := connect(s.Command, address)
		if err != nil {
			return nil, err
		}
		if known[node.address] {
			return nil, fmt.Errorf("the address '%s' is given twice, and its hits would count twice: leave out one", node.address)
		}
		known[node.address] = true
		r.Nodes = append(r.Nodes, planNode{node})
	}
	s.adminClient = r.Nodes[0].(planNode).adminClient
	return r, nil
}

// ready reports whether the plan can run.
func (s *planSession) ready(r *plan.Runner) error {
	halted, err := r.Ready(s.Context())
	if err != nil {
		return s.fail(plan.CodeError, err)
	}
	for _, each := range halted {
		s.warn("the plan would not begin: %v", each)
	}
	faults := 0
	for _, stage := range s.plan.Stages {
		faults += len(stage.Faults)
	}
	_, err = fmt.Fprintf(s.OutOrStdout(), "plan '%s' is ready: %s, %s, %s\n", s.plan.Name,
		counted(len(s.plan.Stages), "stage"), counted(faults, "fault"), counted(len(s.plan.Checks), "check"))
	return err
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// run runs the plan, writes its reports, and exits with its code.
func (s *planSession) run(r *plan.Runner) error {
	ctx, stop := s.signaled()
	defer stop()
	began := time.Now()
	out, done := s.output(r)
	r.Log = func(line string) {
		took := time.Since(began)
		out.say(fmt.Sprintf("%02d:%02d %s", int(took.Minutes()), int(took.Seconds())%60, line))
	}
	result := r.Run(ctx)
	done()
	s.summarize(out, result)
	code := result.ExitCode
	for _, report := range s.plan.Reports {
		if err := writePlanReport(report, result); err != nil {
			s.printError(err)
			code = max(code, plan.CodeError)
		}
	}
	return s.exit(code)
}

// output returns where the runner and its commands print. A terminal shows the progress
// until done is called.
func (s *planSession) output(r *plan.Runner) (out *planOutput, done func()) {
	out = newPlanOutput(s.OutOrStdout())
	programs := plan.System{Out: out, Err: s.ErrOrStderr()}
	r.Programs = programs
	if !out.live {
		return out, func() {}
	}
	if isTerminal(programs.Err) {
		programs.Err = out // else its text would be in the line
		r.Programs = programs
	}
	r.Show = out.show
	end := make(chan struct{})
	var ticks sync.WaitGroup
	ticks.Go(func() { out.tick(end) })
	return out, func() {
		close(end)
		ticks.Wait()
	}
}

// signaled returns a context that the first signal ends. The second one ends the command
// after the plan.
func (s *planSession) signaled() (ctx context.Context, stop func()) {
	signals := notified()
	second := make(chan struct{})
	ctx, cancel := context.WithCancelCause(plan.WithAgain(s.Context(), second))
	go func() {
		select {
		case sig := <-signals:
			cancel(&plan.InterruptedError{Code: codeOf(sig), Name: sig.String()})
		case <-ctx.Done():
			return
		}
		<-signals
		close(second)
	}()
	return ctx, func() { cancel(errors.New("the plan has ended")) }
}

// summarize prints what came out of the plan.
func (s *planSession) summarize(out *planOutput, result *plan.Result) {
	text := "plan " + result.Plan.Name + ": " + result.Result
	for i := range result.CleanUp {
		if c := &result.CleanUp[i]; c.Left() {
			s.warn("experiment '%s' at %s could not be ended; it %s: %s", c.Experiment, c.Node, c.How, c.Why)
		}
	}
	out.say(text)
	if result.Why != "" {
		s.printError(errors.New(result.Why))
	}
}

// writePlanReport writes a report to its file.
func writePlanReport(report *plan.Report, result *plan.Result) error {
	var text strings.Builder
	if err := planForms[report.Form](&text, result); err != nil {
		return err
	}
	if err := os.WriteFile(report.File, []byte(text.String()), 0o644); err != nil { //nolint:gosec // a report for others
		return fmt.Errorf("the report could not be written: %w", err)
	}
	return nil
}

// planForms writes a report in each form.
var planForms = map[string]func(io.Writer, *plan.Result) error{
	"json":     func(out io.Writer, r *plan.Result) error { return api.Encode(out, r) },
	"junit":    func(out io.Writer, r *plan.Result) error { return planJUnit(r).write(out) },
	"markdown": printPlanMarkdown,
	"html":     printPlanHTML,
}

// outcomesOf counts the outcomes of calls in the findings of a stage.
func outcomesOf(s *plan.StageResult) map[string]int {
	counts := make(map[string]int)
	if s.Findings == nil {
		return counts
	}
	for i := range s.Findings.Clients {
		o := &s.Findings.Clients[i].Outcomes
		counts["recovered"] += o.Recovered
		counts["gave up"] += o.GaveUp
		counts["refused"] += o.Refused
		counts["open"] += o.Open
	}
	maps.DeleteFunc(counts, func(_ string, n int) bool { return n == 0 })
	return counts
}

// outcomesText lists counts of outcomes.
func outcomesText(counts map[string]int) string {
	all := make([]string, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(all, ", ")
}
