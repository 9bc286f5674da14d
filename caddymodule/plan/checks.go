package plan

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/seen"
)

// watched is a check while a plan runs. A goroutine asks it, and the loop of the plan has
// its state.
type watched struct {
	*Check

	turn atomic.Int64 // stages begin a turn; an answer of an earlier one does not count
	off  atomic.Bool

	result  *CheckResult
	holds   bool
	streak  int       // failures in a row
	since   time.Time // of the first failure in a row
	why     string    // of the last failure
	changed bool      // it began to hold or to fail with this answer
	heldAt  time.Time // of the first answer since which it holds
}

// answer is what a check has answered.
type answer struct {
	check *watched
	turn  int64
	ok    bool
	text  string
	at    time.Time
}

// begin begins a turn.
func (w *watched) begin(off bool) {
	w.off.Store(off)
	w.turn.Add(1)
	w.holds, w.streak, w.since, w.why, w.heldAt = false, 0, time.Time{}, "", time.Time{}
}

// fails reports whether the check has failed.
func (w *watched) fails() bool { return w.streak >= w.Fails }

// take takes an answer, and reports whether it counts.
func (w *watched) take(a answer) bool {
	if a.turn != w.turn.Load() || w.off.Load() {
		return false
	}
	held, failed := w.holds, w.fails()
	w.result.Asked++
	w.result.Last = a.text
	if a.ok {
		w.streak, w.since = 0, time.Time{}
		if w.holds = true; !held {
			w.heldAt = a.at
		}
	} else {
		w.result.Failed++
		w.result.LastFailure, w.why = a.text, a.text
		if w.streak++; w.streak == 1 {
			w.since = a.at
		}
		if w.fails() {
			w.holds = false
		}
	}
	w.changed = w.holds != held || w.fails() != failed
	return true
}

// watch asks a check until the context ends.
func (r *Runner) watch(ctx context.Context, w *watched, tell func(answer)) {
	for {
		if !w.off.Load() {
			tell(r.ask(ctx, w))
		}
		if !sleep(ctx, time.Duration(w.Every)) {
			return
		}
	}
}

// ask asks a check once.
func (r *Runner) ask(ctx context.Context, w *watched) answer {
	a := answer{check: w, turn: w.turn.Load()}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(w.Within))
	defer cancel()
	switch {
	case w.HTTP != "":
		a.ok, a.text = r.askHTTP(ctx, w.Check)
	case w.Seen != nil:
		a.ok, a.text = r.askSeen(ctx, w.Check)
	default:
		a.ok, a.text = r.askCommand(ctx, w.Check)
	}
	a.at = time.Now()
	return a
}

// maxCheckBody is how much of a body a check reads.
const maxCheckBody = 1 << 20

func (r *Runner) askHTTP(ctx context.Context, c *Check) (ok bool, text string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.HTTP, nil)
	if err != nil {
		return false, err.Error()
	}
	resp, err := r.HTTP.Do(req)
	if err != nil {
		return false, noAnswer(ctx, c, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxCheckBody))
	text = fmt.Sprintf("status %d", resp.StatusCode)
	switch {
	case err != nil:
		return false, noAnswer(ctx, c, err)
	case !hasStatus(c.Status, resp.StatusCode):
		return false, text + ", want " + strings.Join(c.Status, " ")
	case !strings.Contains(string(body), c.Body):
		return false, text + ", the body does not contain '" + cut(c.Body) + "'"
	}
	return true, text
}

func noAnswer(ctx context.Context, c *Check, err error) string {
	if ctx.Err() != nil {
		return "no answer within " + c.Within.String()
	}
	return err.Error()
}

func hasStatus(wanted []string, status int) bool {
	text := strconv.Itoa(status)
	return slices.ContainsFunc(wanted, func(one string) bool {
		return one == text || strings.HasSuffix(one, "xx") && one[0] == text[0]
	})
}

// askSeen compares a figure of all nodes.
func (r *Runner) askSeen(ctx context.Context, c *Check) (ok bool, text string) {
	var all []seen.Figures
	for _, n := range r.Nodes {
		summary, err := n.Seen(ctx, c.Seen.Point, time.Duration(c.Seen.Over))
		if err != nil {
			return false, r.at(n, err).Error()
		}
		all = append(all, summary.All)
	}
	value, known := figureOf(c.Seen.Figure, all)
	if !known {
		return false, "saw nothing: no request came to point " + c.Seen.Point + " in " + c.Seen.Over.String()
	}
	text = c.Seen.Figure + " " + figureText(c.Seen.Figure, value)
	if ok = compare(c.Seen.Op, value, c.Seen.Value); !ok {
		text += ", want " + c.Seen.Op + " " + figureText(c.Seen.Figure, c.Seen.Value)
	}
	return ok, text
}

// figureOf returns a figure of several nodes. A percentile is that of the slowest node,
// since percentiles cannot be joined.
func figureOf(figure string, nodes []seen.Figures) (value float64, known bool) {
	count := 0.0
	for _, f := range nodes {
		switch figure {
		case "rate":
			value, known = value+f.Rate, known || f.Count > 0
		case "success":
			if f.Success != nil {
				value, count, known = value+*f.Success*float64(f.Count), count+float64(f.Count), true
			}
		default:
			if p := map[string]*float64{"p50": f.P50, "p95": f.P95, "p99": f.P99}[figure]; p != nil {
				value, known = max(value, *p), true
			}
		}
	}
	if figure == "success" && known {
		value /= max(count, 1)
	}
	return value, known
}

// seenAt writes a check on what a point has seen, for another point.
func (c *Check) seenAt(point string) string {
	s := c.Seen
	return strings.Join([]string{"check", c.Name, "seen", point, s.Figure, s.Op, figureText(s.Figure, s.Value), "over", s.Over.String()}, " ")
}

func compare(op string, a, b float64) bool {
	switch op {
	case ">=":
		return a >= b
	case ">":
		return a > b
	case "<=":
		return a <= b
	default:
		return a < b
	}
}

func figureText(figure string, value float64) string {
	switch figure {
	case "success":
		return strconv.FormatFloat(value*100, 'f', -1, 64)[:min(5, len(strconv.FormatFloat(value*100, 'f', -1, 64)))] + "%"
	case "rate":
		return fmt.Sprintf("%.1f/s", value)
	default:
		return time.Duration(value * float64(time.Second)).Round(100 * time.Microsecond).String()
	}
}

func (r *Runner) askCommand(ctx context.Context, c *Check) (ok bool, text string) {
	program, err := r.Programs.Start(c.Command)
	if err != nil {
		return false, err.Error()
	}
	select {
	case <-program.Ended():
	case <-ctx.Done():
		program.Stop(stopGrace)
		return false, "no end within " + c.Within.String()
	}
	return program.Code() == 0, fmt.Sprintf("exit code %d", program.Code())
}
