package app

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/admin"
	"github.com/oikion/orgcast/internal/hub"
	"github.com/oikion/orgcast/internal/route"
)

// operatorLog fits log and hub to the operator's calls: what the log holds above
// the hub's position is not complete.
type operatorLog struct {
	*source
	hub *hub.Hub
}

// Floor is of what is stored: the operator reads on below what clients refetch.
func (l operatorLog) Floor(organization orgcast.OrganizationID) orgcast.Cursor {
	return l.opened.Load().FloorOf(organization)
}

// Position is what was handed out. It is of an epoch only if the log is open.
func (l operatorLog) Position() orgcast.Cursor { return l.hub.Position() }

// purge removes an organization's events from the log, and from memory.
func (h *house) purge(ctx context.Context, organization orgcast.OrganizationID) (admin.Purged, error) {
	events := h.source.opened.Load()
	if events == nil || h.hub.Position().Epoch == 0 {
		return admin.Purged{}, admin.ErrNotYet
	}
	p, err := events.Purge(ctx, organization)
	h.hub.Forget(organization)
	if err != nil {
		h.app.log.Error("event log was not purged to the end", "error", err, "hint", "Ask again: what is hidden already stays hidden.")
		return admin.Purged{}, err
	}
	h.app.log.Info("an organization was purged from the event log by the operator", "events", p.Events, "bytes", p.Bytes)
	return admin.Purged{Organization: organization, Events: p.Events, Bytes: p.Bytes, Floor: p.Floor.String()}, nil
}

func (h *house) explainer() *admin.Explainer {
	return &admin.Explainer{
		Log: operatorLog{h.source, h.hub}, Name: h.source.directory.Name, Membership: h.source.directory.Membership, Listening: h.hub.Listening,
		Tables: func(t orgcast.EventType, entity string, updated []string) []string {
			return tablesOf(h.app.rules, t, entity, updated)
		},
		Withheld: func() []admin.Count { return counts(h.app.metrics.Withheld()) },
		Refused:  func() []admin.Count { return counts(h.app.metrics.MessagesRefused()) },
	}
}

// counts puts what was counted by table and reason into order.
func counts(of map[[2]string]int64) []admin.Count {
	list := []admin.Count{}
	for _, key := range slices.SortedFunc(maps.Keys(of), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		list = append(list, admin.Count{Table: key[0], Reason: key[1], Count: of[key]})
	}
	return list
}

// tablesOf lists the tables whose rules make such an event: its type, a data.sync's
// entity and a property.update's fields are all that the event itself tells.
func tablesOf(rules *route.Rules, t orgcast.EventType, entity string, updated []string) (tables []string) {
	switch t {
	case orgcast.MemberJoin, orgcast.MemberLeave:
		return []string{rules.Membership.Table}
	case orgcast.OrganizationChange:
		return []string{rules.Organizations.Table, rules.Membership.Table} // a changed role is one, too
	}
	for _, name := range slices.Sorted(maps.Keys(rules.Tables)) {
		rule := rules.Tables[name]
		makes := rule.Event == t.String()
		switch t {
		case orgcast.NotificationNew:
			makes = rule.Notify != nil
		case orgcast.DataSync:
			makes = makes && rule.Entity == entity
		case orgcast.PropertyUpdate:
			makes = makes && ofFields(name, rule, updated)
		}
		if makes {
			tables = append(tables, name)
		}
	}
	return tables
}

// ofFields tells whether a table's rule makes a property.update of these fields:
// those of a part begin with its table's name. Without any it may be each.
func ofFields(table string, rule route.TableRule, updated []string) bool {
	if len(updated) == 0 {
		return true
	}
	bare := table[strings.LastIndexByte(table, '.')+1:]
	return slices.ContainsFunc(updated, func(field string) bool {
		prefix, _, ofPart := strings.Cut(field, ".")
		if rule.Part != "" {
			return prefix == bare
		}
		return !ofPart
	})
}
