package testkit

import (
	"regexp"
	"slices"
	"strings"
)

// Query is a query of Prometheus, or a text with placeholders for labels.
type Query struct {
	Where string // for the messages of a test
	Text  string
}

var (
	metricInQuery = regexp.MustCompile(`\b(?:caddy_\w+|\w+:caddy_\w+:\w+)`)
	groupedLabels = regexp.MustCompile(`(?:by|on|without|ignoring) \(([^)]*)\)`)
	matchedLabels = regexp.MustCompile(`[{,]\s*(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	valuesLabel   = regexp.MustCompile(`^label_values\(.*, (\w+)\)$`)
	shownLabels   = regexp.MustCompile(`\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}`)
)

// Metrics returns the names of the metrics in a query.
func (q Query) Metrics() []string {
	found := metricInQuery.FindAllString(q.Text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// Labels returns the labels in a query, or in the text that is shown with it.
func (q Query) Labels() (labels []string) {
	for _, match := range groupedLabels.FindAllStringSubmatch(q.Text, -1) {
		for label := range strings.SplitSeq(match[1], ",") {
			labels = append(labels, strings.TrimSpace(label))
		}
	}
	for _, re := range []*regexp.Regexp{matchedLabels, valuesLabel, shownLabels} {
		for _, match := range re.FindAllStringSubmatch(q.Text, -1) {
			labels = append(labels, match[1])
		}
	}
	slices.Sort(labels)
	return slices.DeleteFunc(slices.Compact(labels), func(label string) bool { return label == "" })
}
