package app

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/oikion/orgcast/internal/server"
)

// datasource is what of Grafana's model names where to ask.
type datasource struct{ Type, UID string }

// dashboard is what of Grafana's model we write.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Templating    struct {
		List []struct {
			Name, Type, Definition string
			Query                  json.RawMessage
			Datasource             datasource
		}
	}
	Annotations struct {
		List []struct {
			Expr       string
			Datasource datasource
		}
	}
	Panels []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               datasource
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		RefID, Expr, LegendFormat string
		Datasource                datasource
	}
}

// named finds what is named of labels in a legend or an alert's text.
var named = regexp.MustCompile(`\{\{ *(?:\$labels\.)?([a-z_]+) *\}\}`)

// TestTheDashboardShowsWhatIsExported holds deploy/grafana/orgcast.json against the
// metrics of the house as it is built to serve.
func TestTheDashboardShowsWhatIsExported(t *testing.T) {
	families := exported(t)
	text, err := os.ReadFile("../../deploy/grafana/orgcast.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if d.UID != "orgcast" || d.Title == "" || d.SchemaVersion < 36 {
		t.Errorf("uid %q, title %q, schema version %d", d.UID, d.Title, d.SchemaVersion)
	}
	// The importer's own data source, and no other's.
	given := datasource{"prometheus", "${datasource}"}
	if v := d.Templating.List; len(v) == 0 || v[0].Name != "datasource" || v[0].Type != "datasource" || string(v[0].Query) != `"prometheus"` {
		t.Fatalf("the first variable is no data source: %+v", v)
	}
	variables := []string{"datasource", "__rate_interval", "__all"}
	for _, v := range d.Templating.List[1:] {
		variables = append(variables, v.Name)
		metric, label, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(v.Definition, "label_values("), ")"), ", ")
		labels, err := checkPromQL(families, metric)
		if !ok || err != nil || !slices.Contains(labels, label) || v.Datasource != given {
			t.Errorf("variable %s: %s: %v", v.Name, v.Definition, err)
		}
	}
	for _, a := range d.Annotations.List {
		if _, err := checkPromQL(families, a.Expr); err != nil || a.Datasource != given {
			t.Errorf("annotation %s: %v", a.Expr, err)
		}
	}
	for _, use := range regexp.MustCompile(`\$\{?([a-z_]+)\}?`).FindAllStringSubmatch(string(text), -1) {
		if !slices.Contains(variables, use[1]) {
			t.Errorf("$%s is no variable", use[1])
		}
	}
	ids, titles := map[int]bool{}, map[string]bool{}
	type cell struct{ x, y int }
	taken := map[cell]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || titles[p.Title] || p.Title == "" {
			t.Errorf("panel %d %q has another's id or title", p.ID, p.Title)
		}
		ids[p.ID], titles[p.Title] = true, true
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("panel %q lies outside of the grid: %+v", p.Title, g)
		}
		for x := range g.W {
			for y := range g.H {
				at := cell{g.X + x, g.Y + y}
				if other := taken[at]; other != "" {
					t.Fatalf("panel %q lies on %q", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource != given || len(p.Targets) == 0 {
			t.Errorf("panel %q: description %q, unit %q, data source %v, %d targets", p.Title, p.Description, p.FieldConfig.Defaults.Unit, p.Datasource, len(p.Targets))
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			labels, err := checkPromQL(families, target.Expr)
			if err != nil || target.Datasource != given || refs[target.RefID] || target.RefID == "" {
				t.Errorf("panel %q, %s: %s: %v", p.Title, target.RefID, target.Expr, err)
			}
			refs[target.RefID] = true
			for _, l := range named.FindAllStringSubmatch(target.LegendFormat, -1) {
				if !slices.Contains(labels, l[1]) {
					t.Errorf("panel %q: the legend names %s, which %s has not", p.Title, l[1], target.Expr)
				}
			}
		}
	}
	if len(d.Panels) < 20 {
		t.Errorf("%d panels", len(d.Panels))
	}
}

// TestTheAlertsAskForWhatIsExported holds deploy/prometheus/orgcast.rules.yml
// against the same.
func TestTheAlertsAskForWhatIsExported(t *testing.T) {
	families := exported(t)
	text, err := os.ReadFile("../../deploy/prometheus/orgcast.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	groups, alerts, asked := map[string]bool{}, map[string]bool{}, ""
	for _, g := range file.Groups {
		if groups[g.Name] || g.Name == "" || len(g.Rules) == 0 {
			t.Errorf("group %q", g.Name)
		}
		groups[g.Name] = true
		for _, r := range g.Rules {
			if alerts[r.Alert] || !strings.HasPrefix(r.Alert, "Orgcast") {
				t.Errorf("alert %q: its name is taken, or none", r.Alert)
			}
			alerts[r.Alert] = true
			asked += r.Expr + "\n"
			labels, err := checkPromQL(families, r.Expr)
			if err != nil {
				t.Errorf("%s: %s: %v", r.Alert, r.Expr, err)
			}
			if !regexp.MustCompile(` (>|<|==) [0-9.]+`).MatchString(r.Expr) {
				t.Errorf("%s has no threshold: %s", r.Alert, r.Expr)
			}
			if r.For != "" {
				if _, err := time.ParseDuration(r.For); err != nil {
					t.Errorf("%s: for %s", r.Alert, r.For)
				}
			}
			if s := r.Labels["severity"]; s != "page" && s != "ticket" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s: severity %q, annotations %v", r.Alert, s, r.Annotations)
			}
			for _, l := range named.FindAllStringSubmatch(r.Annotations["summary"]+r.Annotations["description"], -1) {
				if !slices.Contains(labels, l[1]) {
					t.Errorf("%s tells the label %s, which it has not", r.Alert, l[1])
				}
			}
			if !strings.Contains(string(manual), "`"+r.Alert+"`") {
				t.Errorf("docs/OPERATIONS.md does not say what to do about %s", r.Alert)
			}
		}
	}
	for _, about := range []string{
		"orgcast_feed_fresh", "orgcast_slot_retained_bytes", "orgcast_log_free_bytes", "node_limit", "address_limit", "orgcast_rows_withheld_total",
	} {
		if !strings.Contains(asked, about) {
			t.Errorf("no alert asks for %s", about)
		}
	}
}

// A refusal is the server's fault, somebody's who asks too much, or the request's
// own: a new reason has to be one of them, and the first two have an alert.
func TestEveryRefusalThatIsNotTheRequestsOwnHasAnAlert(t *testing.T) {
	text, err := os.ReadFile("../../deploy/prometheus/orgcast.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	alerted := map[server.Reason]bool{}
	for _, list := range regexp.MustCompile(`orgcast_requests_refused_total\{reason=~"([^"]*)"\}`).FindAllStringSubmatch(string(text), -1) {
		for reason := range strings.SplitSeq(list[1], "|") {
			if alerted[server.Reason(reason)] {
				t.Errorf("%s is in two alerts", reason)
			}
			alerted[server.Reason(reason)] = true
		}
	}
	own := []server.Reason{
		server.ReasonOrigin, server.ReasonBody, server.ReasonQueryLength, server.ReasonNotFound, server.ReasonMethod, server.ReasonUnauthorized,
		server.ReasonQuery, server.ReasonMissingOrganization, server.ReasonChannel, server.ReasonType, server.ReasonOrganizationID,
		server.ReasonTooManyOrganizations, server.ReasonConnectionID, server.ReasonLimit, server.ReasonWait, server.ReasonBodyType,
		server.ReasonBodyTooLarge, server.ReasonBodySlow, server.ReasonBodyMalformed, server.ReasonUnknownConnection, server.ReasonNotMember,
		server.ReasonKey, server.ReasonIdempotencyKey, server.ReasonKeyScope, server.ReasonInvalidEvents, server.ReasonClientGone,
	}
	for _, reason := range server.Reasons() {
		if alerted[reason] == slices.Contains(own, reason) {
			t.Errorf("%s: alerted %v, the request's own fault %v", reason, alerted[reason], slices.Contains(own, reason))
		}
	}
}

// TestEveryMetricIsInTheManual, and nothing else is.
func TestEveryMetricIsInTheManual(t *testing.T) {
	families := exported(t)
	manual, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range families {
		if strings.HasPrefix(name, "orgcast_") && !strings.Contains(string(manual), "`"+name+"`") && !strings.Contains(string(manual), "`"+name+"{") {
			t.Errorf("docs/OPERATIONS.md does not say what %s is", name)
		}
	}
	for _, name := range regexp.MustCompile("`(orgcast_[a-z_]+)[`{]").FindAllStringSubmatch(string(manual), -1) {
		if _, _, err := find(families, name[1]); err != nil && families[name[1]].kind == "" {
			t.Errorf("docs/OPERATIONS.md tells of %s, which is not exported", name[1])
		}
	}
}

// No metric may name an organization or a user, nor anything that has no end.
func TestLabelsAreBounded(t *testing.T) {
	bounded := []string{"stage", "reason", "outcome", "table", "column", "found", "version"}
	for name, f := range exported(t) {
		for label := range f.labels {
			if strings.HasPrefix(name, "orgcast_") && !slices.Contains(bounded, label) {
				t.Errorf("%s has the label %s", name, label)
			}
		}
	}
}
