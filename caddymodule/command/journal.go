package command

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

func watchCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "watch [--rule <name>] [--point <name>] [--refused] [--json]",
		Short: "Follows the journal of injected faults, or of refused triggers",
		Long: `
Prints one line for each injected fault, as it happens, after the last ten there
have been. It outlasts reloads and short restarts of Caddy; when Caddy stays away
it ends with the exit code 1.`,
		Args: cobra.NoArgs,
		RunE: inSession(cmdWatch),
	})
	cmd.Flags().String("rule", "", "Only the hits of this rule or experiment")
	cmd.Flags().String("point", "", "Only the hits at this injection point")
	cmd.Flags().Bool("refused", false, "Follow refused triggers, and why they are refused")
	return cmd
}

func cmdWatch(s *session) error {
	f := follower{session: s, path: "/journal" + s.query("rule", "point", "refused"), json: s.wantsJSON()}
	return f.follow()
}

// follower reads the journal's feeds, one after the other.
type follower struct {
	*session
	path string // of the journal, with the filters
	json bool
	last string // the number of the last entry printed
}

// follow prints the entries of the journal until its context ends or Caddy stays away.
// Whenever a feed breaks off, it opens another one, from the last entry on.
func (f *follower) follow() error {
	feed, err := f.open()
	for err == nil {
		if err = f.print(feed); err != nil {
			return err
		}
		select { // a server that ends takes a moment to do so
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

// beforeWatch is how many entries that are there already are shown.
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

// print prints the entries of a feed until it breaks off. Each entry comes once
// more when its request is over, which makes no second line.
func (f *follower) print(feed io.ReadCloser) error {
	defer feed.Close()
	lines := bufio.NewReader(feed)
	for seen := uint64(0); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return nil //nolint:nilerr // the next feed has the rest
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		var e experiments.Entry
		if err := readAnswer(data, &e); err != nil {
			return err
		}
		if e.Seq <= seen {
			continue
		}
		if !f.json {
			data = []byte(entryText(&e) + "\n")
		}
		if _, err := f.OutOrStdout().Write(data); err != nil {
			return err
		}
		seen, f.last = e.Seq, strconv.FormatUint(e.Seq, 10)
	}
}

// entryText is an entry in one line.
func entryText(e *experiments.Entry) string {
	what := e.Kind
	if e.Refused != "" {
		what = "refused"
	}
	text := fmt.Sprintf("%s %s/%s %s: %s %s%s", e.Time.Local().Format("15:04:05.000"), e.Point, e.Rule, what, e.Method, e.Host, e.Path)
	if e.Client != "" {
		text += " from " + e.Client
	}
	if e.UpstreamStatus != 0 {
		text += fmt.Sprintf(", upstream %d", e.UpstreamStatus)
	}
	if e.Refused != "" {
		text += ": " + e.Refused
	}
	return printable(text)
}

func verifyCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "verify <rule>|--refused [--point <name>] --exactly|--at-least|--at-most <n> [--since <time>] [--wait <duration>] [--json]",
		Short: "Asserts how often a rule or an experiment has hit, or a trigger was refused",
		Long: `
Asserts how often a rule or an experiment has hit, since it was loaded or since
the last reset. The exit code is 0 if that holds, 2 if it does not, and 1 for
any other error, such as a rule that is not known. A rule that stands at several
points needs --point, or <point>/<rule> as its name. --rule <rule> is the same as <rule>.

With --refused it asserts how often a trigger was refused, for whatever reason:
'--refused --exactly 0' tells whether each request got what it asked for. If that
does not hold, the last ten refusals are printed.

With --since the entries of the journal are counted from then on; it is an
instant (RFC 3339) or how long ago. A journal that does not reach back that far
is an error, unless what it has decides; it begins with the process, and does not
know what an earlier one has done. With --wait an assertion that does not
hold yet has this much time, which goes on over reloads.`,
		Example: `  caddy fault verify slow --at-least 3 --wait 10s
  caddy fault verify trigger --point checkout --exactly 1
  caddy fault verify --refused --exactly 0`,
		Args: ruleArgument,
		RunE: inSession(cmdVerify),
	})
	cmd.Flags().String("rule", "", "The name of the rule or experiment; of what requests asked for themselves: trigger")
	cmd.Flags().String("point", "", "Count only at this injection point (default all); not for an experiment at several, but with --since")
	cmd.Flags().Uint("exactly", 0, "How many hits there have to be")
	cmd.Flags().Uint("at-least", 0, "The lowest number of hits")
	cmd.Flags().Uint("at-most", 0, "The highest number of hits")
	cmd.Flags().String("since", "", "Count from this time on")
	cmd.Flags().String("wait", "", "How long to wait until it holds")
	cmd.Flags().Bool("refused", false, "Count the triggers that were refused")
	cmd.MarkFlagsOneRequired("rule", "refused")
	cmd.MarkFlagsMutuallyExclusive("rule", "refused")
	cmd.MarkFlagsOneRequired("exactly", "at-least", "at-most")
	cmd.MarkFlagsMutuallyExclusive("exactly", "at-least")
	cmd.MarkFlagsMutuallyExclusive("exactly", "at-most")
	return cmd
}

// ruleArgument takes an argument for the flag --rule.
func ruleArgument(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case len(args) > 1:
		return fmt.Errorf("unexpected argument '%s': verify one rule at a time", args[1])
	case cmd.Flag("rule").Changed:
		return fmt.Errorf("the rule is given twice, as '%s' and as '%s': leave out --rule", args[0], flagText(cmd, "rule"))
	default:
		return cmd.Flags().Set("rule", args[0])
	}
}

// cmdVerify asks again with what is left of the wait when the server that was
// asked ends before, as it does for a reload.
func cmdVerify(s *session) error {
	wait, _ := caddy.ParseDuration(flagText(s.Command, "wait")) // Caddy says what is wrong with it
	wait = max(0, wait)
	s.patience += wait
	asked := time.Now()
	until := asked.Add(wait)
	err := s.verify()
	for unavailable(err) && time.Now().Before(until) {
		err = persist(s.Context(), func() error {
			again := time.Now()
			s.passTime(again.Sub(asked))
			asked = again
			return s.verify()
		})
	}
	no, refused := errors.AsType[*api.Error](err)
	switch {
	case !refused || no.Count == nil:
		return err
	case s.wantsJSON():
		if err := api.Encode(s.OutOrStdout(), no); err != nil {
			return err
		}
		return s.exit(2)
	default:
		return s.fail(2, errors.New(refusalText(no)))
	}
}

// refusalText is a refusal of verify, with a line for each trigger that was
// refused.
func refusalText(no *api.Error) string {
	var text strings.Builder
	text.WriteString(no.Message)
	for i := range no.Refusals {
		text.WriteString("\n  " + entryText(&no.Refusals[i]))
	}
	return text.String()
}

// passTime makes --wait and --since mean the same instants as so long before.
func (s *session) passTime(took time.Duration) {
	shift := func(name string, by time.Duration) {
		if d, err := caddy.ParseDuration(flagText(s.Command, name)); err == nil {
			_ = s.Flags().Set(name, max(0, d+by).String()) // a text takes any value
		}
	}
	shift("wait", -took)
	shift("since", took)
}

// verify asks once for what the flags say.
func (s *session) verify() error {
	path := "/verify" + s.query("rule", "refused", "point", "exactly", "at-least", "at-most", "since", "wait")
	return show(s, http.MethodGet, path, nil, func(out io.Writer, v *api.VerifyView) error {
		what := fmt.Sprintf("hits of rule '%s'", flagText(s.Command, "rule"))
		if flagText(s.Command, "refused") == "true" {
			what = "refused triggers"
		}
		_, err := fmt.Fprintf(out, "%s: %d\n", what, v.Count)
		return err
	})
}
