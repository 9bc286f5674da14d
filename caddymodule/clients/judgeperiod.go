package clients

import (
	"fmt"
	"time"
)

// The thresholds of findings on periods, and the evidence that they need.
const (
	waveRatio    = 4.0 // times the rate before the fault
	waveRequests = 10  // within a tenth of a second
	waveClients  = 5

	// waveStep is how many times the mean of the second around it a tenth of a second has
	// at least. Without it, clients with equal and full jitter also make waves when a
	// fault releases many of them at once. Load that is spread over a second is not
	// synchronized. See TestCalibrateWave for the rates.
	waveStep = 4.0
)

// judgePeriod returns what a fault did to all clients together.
func judgePeriod(p *Period, s Settings, until time.Time) PeriodReport {
	report := PeriodReport{
		Point: p.Point, Rule: p.Rule, Start: p.Start, End: p.End, Findings: []Finding{}, Undecided: []Undecided{},
	}
	if p.hasBaseline() {
		rate := float64(p.Baseline) / p.BaselineSeconds
		report.BaselineRate = &rate
	}
	end := p.End
	if end.IsZero() {
		end = until
	}
	if took := end.Sub(p.Start).Seconds(); took > 0 {
		rate := float64(p.Requests) / took
		report.FaultRate = &rate
		if report.BaselineRate != nil && *report.BaselineRate > 0 {
			ratio := rate / *report.BaselineRate
			report.LoadRatio = &ratio
		}
	}
	for _, step := range p.After {
		report.PeakAfter = max(report.PeakAfter, 10*float64(step.Requests))
	}
	var recovered []float64
	for _, c := range p.Clients {
		switch {
		case c.At.IsZero():
			report.Waiting++
		case !p.End.IsZero():
			recovered = append(recovered, max(c.At.Sub(p.End), 0).Seconds())
		}
	}
	report.Recovery = spreadOf(recovered)
	report.add(Wave, p.wave(&report))
	report.add(SlowRecovery, p.slowRecovery(recovered, s.Recovery))
	return report
}

// hasBaseline reports whether the requests before the fault were counted for long
// enough.
func (p *Period) hasBaseline() bool { return p.BaselineSeconds >= minBaseline }

func (r *PeriodReport) add(name string, v verdict) {
	switch {
	case v.found != nil:
		v.found.Finding = name
		r.Findings = append(r.Findings, *v.found)
	case v.why != "":
		r.Undecided = append(r.Undecided, Undecided{name, v.why})
	}
}

// wave finds clients that come back together after a fault.
func (p *Period) wave(report *PeriodReport) verdict {
	switch {
	case p.End.IsZero():
		return undecided(tooEarly)
	case report.BaselineRate == nil:
		return undecided(noBaseline)
	case len(p.Clients) < waveClients:
		return undecided(needs(waveClients, "client", len(p.Clients)))
	}
	rate := *report.BaselineRate
	peak := (*Step)(nil)
	for i := range p.After {
		step := &p.After[i]
		if step.Requests >= waveRequests && step.Clients >= waveClients && 10*float64(step.Requests) >= waveRatio*rate &&
			float64(step.Requests) >= waveStep*p.around(step.At) && (peak == nil || step.Requests > peak.Requests) {
			peak = step
		}
	}
	switch {
	case peak == nil && !p.Complete:
		return undecided("the ten seconds after the fault have not passed")
	case peak == nil:
		return fine
	}
	return verdict{found: &Finding{Level: Warning, Count: int(peak.Requests), Text: fmt.Sprintf(
		"%d requests of %d or more clients within a tenth of a second, %s after the fault; before it, there were %.1f",
		peak.Requests, peak.Clients, secs(float64(peak.At)/10), rate/10)}}
}

// around returns the mean number of requests in the tenths of the second around one.
func (p *Period) around(at uint8) float64 {
	const each = 5
	from, to := max(int(at)-each, 0), min(int(at)+each, afterSteps-1)
	sum := 0
	for _, step := range p.After {
		if int(step.At) >= from && int(step.At) <= to {
			sum += int(step.Requests)
		}
	}
	return float64(sum) / float64(to-from+1)
}

// slowRecovery finds clients that need long to succeed after a fault.
func (p *Period) slowRecovery(recovered []float64, most time.Duration) verdict {
	switch {
	case p.End.IsZero():
		return undecided(tooEarly)
	case len(recovered) == 0:
		return undecided("no client that was hit has succeeded since")
	}
	found := &Finding{Level: Warning, Of: len(recovered)}
	for _, seconds := range recovered {
		if seconds > most.Seconds() {
			found.Count++
		}
	}
	if found.Count == 0 {
		return fine
	}
	found.Text = fmt.Sprintf("%s needed more than %s, up to %s", plural(found.Count, "client"), secs(most.Seconds()), secs(spreadOf(recovered).Max))
	return verdict{found: found}
}
