package app

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// promToken is a piece of PromQL: a string, a range, a name, a number or a sign.
var promToken = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[a-zA-Z_:][a-zA-Z0-9_:]*|[0-9][0-9a-zA-Z.]*|[=!<>]=|=~|!~|[^\s]`)

var (
	promWords      = []string{"and", "or", "unless", "bool", "offset"}
	promLists      = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	promRates      = []string{"rate", "irate", "increase"}
	promOverTime   = []string{"max_over_time", "min_over_time", "avg_over_time"}
	promFunctions  = []string{"histogram_quantile", "sum", "max", "min", "avg", "count", "topk", "time", "clamp_min", "label_values"}
	promPlainWord  = regexp.MustCompile(`^[a-z_0-9.]+$`)
	grafanaIsGiven = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h")
)

// checkPromQL holds an expression against what is exported: names, types, labels
// and, where they are a closed set, the labels' values. It is no parser, and reads
// what our panels and alerts are written in.
func checkPromQL(families map[string]family, expr string) (labels []string, err error) {
	tokens := promToken.FindAllString(grafanaIsGiven.Replace(expr), -1)
	at := func(i int) string {
		if i < 0 || i >= len(tokens) {
			return ""
		}
		return tokens[i]
	}
	labels = slices.Clone(bothEnds)
	var asked []string  // labels of by() and the like
	var within []string // the functions that are open; "" is a bare parenthesis
	var metrics, buckets int
	quantile := false
	for i := 0; i < len(tokens); i++ {
		word := tokens[i]
		switch {
		case word == "(":
			name := at(i - 1)
			if !slices.Contains(slices.Concat(promFunctions, promRates, promOverTime), name) {
				name = ""
			}
			within = append(within, name)
		case word == ")":
			if len(within) == 0 {
				return nil, fmt.Errorf("a parenthesis too many")
			}
			within = within[:len(within)-1]
		case slices.Contains(promLists, word):
			if at(i+1) != "(" {
				return nil, fmt.Errorf("%s without a list", word)
			}
			for i += 2; i < len(tokens) && tokens[i] != ")"; i++ {
				if tokens[i] != "," {
					asked = append(asked, tokens[i])
				}
			}
			if at(i+1) == "(" { // sum by (…) (…)
				within = append(within, "sum")
				i++
			}
		case slices.Contains(promWords, word) || !regexp.MustCompile(`^[a-zA-Z_:]`).MatchString(word):
		case at(i+1) == "(" || slices.Contains(promLists, at(i+1)) && slices.Contains(promFunctions, word):
			if !slices.Contains(slices.Concat(promFunctions, promRates, promOverTime), word) {
				return nil, fmt.Errorf("%s is no function that is known here", word)
			}
			quantile = quantile || word == "histogram_quantile"
		default:
			f, part, err := find(families, word)
			if err != nil {
				return nil, err
			}
			metrics++
			if part == "_bucket" {
				buckets++
				labels = append(labels, "le")
			}
			for label := range f.labels {
				labels = append(labels, label)
			}
			if at(i+1) == "{" {
				if i, err = checkMatchers(f, word, tokens, i+2); err != nil {
					return nil, err
				}
			}
			ranged := strings.HasPrefix(at(i+1), "[")
			function := ""
			if len(within) > 0 {
				function = within[len(within)-1]
			}
			counts := f.kind == "COUNTER" || part != ""
			switch {
			case slices.Contains(promRates, function) && !ranged:
				return nil, fmt.Errorf("%s of %s without a range", function, word)
			case slices.Contains(promRates, function) && !counts:
				return nil, fmt.Errorf("%s of %s, which is a gauge", function, word)
			case ranged && !slices.Contains(promRates, function) && !(slices.Contains(promOverTime, function) && !counts):
				return nil, fmt.Errorf("%q takes no range of %s", function, word)
			case part == "_bucket" && function != "rate" && function != "increase":
				return nil, fmt.Errorf("%s without a rate", word)
			}
		}
	}
	switch {
	case len(within) > 0:
		return nil, fmt.Errorf("a parenthesis is open")
	case metrics == 0:
		return nil, fmt.Errorf("no metric")
	case quantile && (buckets == 0 || !slices.Contains(asked, "le")):
		return nil, fmt.Errorf("a quantile without buckets by le")
	}
	for _, label := range asked {
		if !slices.Contains(labels, label) {
			return nil, fmt.Errorf("by %s, a label that nothing here has", label)
		}
	}
	return labels, nil
}

// checkMatchers reads label matchers up to their brace.
func checkMatchers(f family, metric string, tokens []string, i int) (int, error) {
	for ; i < len(tokens) && tokens[i] != "}"; i += 3 {
		if tokens[i] == "," {
			i++
		}
		if i+2 >= len(tokens) {
			break
		}
		label, value := tokens[i], strings.Trim(tokens[i+2], `"`)
		values, known := f.labels[label]
		switch {
		case slices.Contains(bothEnds, label):
			continue
		case !known:
			return i, fmt.Errorf("%s has no label %s", metric, label)
		}
		for one := range strings.SplitSeq(value, "|") {
			if promPlainWord.MatchString(one) && !slices.Contains(values, one) {
				return i, fmt.Errorf("%s never has %s=%q", metric, label, one)
			}
		}
	}
	if i >= len(tokens) {
		return i, fmt.Errorf("matchers of %s without an end", metric)
	}
	return i, nil
}

// A checker that lets everything through would hold nothing.
func TestAnExpressionThatIsWrongIsFound(t *testing.T) {
	families := exported(t)
	for _, expr := range []string{
		`orgcast_nothing`, `rate(orgcast_nothing_total[5m])`, `rate(orgcast_streams_open[5m])`, `rate(orgcast_events_total)`, `orgcast_events_total[5m]`,
		`orgcast_stage_seconds`, `orgcast_streams_open_bucket`, `sum by (organization) (orgcast_streams_open)`, `orgcast_streams_open{user="u"}`,
		`rate(orgcast_streams_closed_total{reason="bored"}[5m])`, `rate(orgcast_streams_closed_total{reason=~"lease|bored"}[5m])`,
		`rate(orgcast_stage_seconds_bucket{stage="sent"}[5m])`, `histogram_quantile(0.99, sum(rate(orgcast_commit_to_socket_seconds_bucket[5m])))`,
		`histogram_quantile(0.99, orgcast_commit_to_socket_seconds_bucket)`, `sum by (le) (orgcast_streams_open)`, `wobble(orgcast_streams_open)`,
		`sum(orgcast_streams_open`, `orgcast_streams_open)`, `1 > 0`, `max_over_time(orgcast_events_total[5m])`, `orgcast_streams_open{job="x"`,
	} {
		if _, err := checkPromQL(families, expr); err == nil {
			t.Errorf("%s is taken for right", expr)
		}
	}
	for _, expr := range []string{
		`orgcast_streams_open`, `sum(rate(orgcast_events_total{job=~"$job"}[$__rate_interval]))`, `up{job="orgcast"} == 0`,
		`histogram_quantile(0.99, sum by (le, stage) (rate(orgcast_stage_seconds_bucket{stage=~"received|written"}[5m])))`,
		`sum by (reason) (increase(orgcast_rows_withheld_total{reason!~"parent_moved|not_a_member"}[15m])) > 0`,
		`orgcast_streams_open / on (job, instance) orgcast_streams_max > 0.9 and time() - process_start_time_seconds > 60`,
		`max_over_time(orgcast_feed_lag_seconds[5m])`, `rate(orgcast_commit_to_socket_seconds_sum[5m]) / rate(orgcast_commit_to_socket_seconds_count[5m])`,
	} {
		if _, err := checkPromQL(families, expr); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
	}
}
