package load

import "context"

// kind is a kind of statement, and how often it is drawn.
type kind struct {
	name   string
	weight int
	do     do
	alone  bool // outside of a transaction
	churn  bool // needs Options.Churn
	doom   bool // needs Options.Doomed
}

// kinds is what is written. The weights are of about 10,000 statements; a
// transaction has 6.5 on the average.
var kinds = []kind{
	{name: "properties.insert", weight: 240, do: insert(properties, leave)},
	{name: "properties.upsert", weight: 80, do: insert(properties, overwrite)},
	{name: "properties.update", weight: 880, do: update(properties)},
	{name: "properties.same", weight: 64, do: same(properties)},
	{name: "properties.delete", weight: 96, do: remove(properties)},
	{name: "properties.again", weight: 48, do: again(properties)},
	{name: "properties.move", weight: 64, do: move(properties)},
	{name: "properties.rekey", weight: 8, do: rekey(properties)},

	{name: "addresses.insert", weight: 160, do: insert(addresses, leave)},
	{name: "addresses.upsert", weight: 40, do: insert(addresses, overwrite)},
	{name: "addresses.update", weight: 200, do: update(addresses)},
	{name: "addresses.delete", weight: 64, do: remove(addresses)},
	{name: "addresses.reparent", weight: 16, do: reparent(addresses)},

	{name: "listings.insert", weight: 160, do: insert(listings, leave)},
	{name: "listings.upsert", weight: 64, do: insert(listings, overwrite)},
	{name: "listings.update", weight: 320, do: update(listings)},
	{name: "listings.same", weight: 24, do: same(listings)},
	{name: "listings.delete", weight: 64, do: remove(listings)},
	{name: "listings.again", weight: 32, do: again(listings)},

	{name: "media_assets.insert", weight: 280, do: insert(mediaAssets, leave)},
	{name: "media_assets.update", weight: 200, do: update(mediaAssets)},
	{name: "media_assets.delete", weight: 96, do: remove(mediaAssets)},
	{name: "media_assets.reparent", weight: 32, do: reparent(mediaAssets)},
	{name: "media_assets.rekey", weight: 16, do: rekey(mediaAssets)},

	{name: "clients.insert", weight: 240, do: insert(clients, leave)},
	{name: "clients.fail", weight: 16, do: insert(clients, fail)},
	{name: "clients.upsert", weight: 80, do: insert(clients, overwrite)},
	{name: "clients.update", weight: 480, do: update(clients)},
	{name: "clients.same", weight: 40, do: same(clients)},
	{name: "clients.delete", weight: 96, do: remove(clients)},
	{name: "clients.again", weight: 40, do: again(clients)},
	{name: "clients.move", weight: 48, do: move(clients)},
	{name: "clients.rekey", weight: 8, do: rekey(clients)},

	{name: "client_relationships.insert", weight: 160, do: insert(relationships, leave)},
	{name: "client_relationships.update", weight: 96, do: update(relationships)},
	{name: "client_relationships.delete", weight: 64, do: remove(relationships)},
	{name: "client_relationships.reparent", weight: 24, do: reparent(relationships)},

	{name: "interactions.insert", weight: 280, do: insert(interactions, leave)},
	{name: "interactions.update", weight: 240, do: update(interactions)},
	{name: "interactions.delete", weight: 120, do: remove(interactions)},
	{name: "interactions.reparent", weight: 48, do: reparent(interactions)},

	{name: "tasks.insert", weight: 320, do: insert(tasks, leave)},
	{name: "tasks.upsert", weight: 64, do: insert(tasks, overwrite)},
	{name: "tasks.update", weight: 320, do: update(tasks)},
	{name: "tasks.assign", weight: 160, do: assign},
	{name: "tasks.delete", weight: 120, do: remove(tasks)},
	{name: "tasks.move", weight: 32, do: move(tasks)},
	{name: "tasks.reparent", weight: 40, do: reparent(tasks)},
	{name: "tasks.rekey", weight: 16, do: rekey(tasks)},

	{name: "notes.insert", weight: 400, do: insert(notes, leave)},
	{name: "notes.upsert", weight: 80, do: insert(notes, overwrite)},
	{name: "notes.update", weight: 400, do: update(notes)},
	{name: "notes.same", weight: 32, do: same(notes)},
	{name: "notes.delete", weight: 160, do: remove(notes)},
	{name: "notes.again", weight: 48, do: again(notes)},
	{name: "notes.reparent", weight: 80, do: reparent(notes)},
	{name: "notes.rekey", weight: 16, do: rekey(notes)},

	{name: "invitations.insert", weight: 120, do: insert(invitations, leave)},
	{name: "invitations.update", weight: 120, do: update(invitations)},
	{name: "invitations.delete", weight: 64, do: remove(invitations)},
	{name: "invitations.move", weight: 8, do: move(invitations)},
	{name: "invitations.rekey", weight: 8, do: rekey(invitations)},

	{name: "activities.insert", weight: 320, do: insert(activities, leave)},
	{name: "activities.update", weight: 32, do: update(activities)},
	{name: "activities.delete", weight: 160, do: remove(activities)},

	{name: "members.role", weight: 16, do: changeRole},
	{name: "members.leave", weight: 24, do: leaveOrganization, churn: true},
	{name: "members.join", weight: 32, do: joinOrganization, churn: true},
	{name: "members.again", weight: 8, do: joinAgain, churn: true},
	{name: "members.move", weight: 8, do: changeOrganization, churn: true},

	{name: "organizations.rename", weight: 64, do: rename},
	{name: "organizations.plan", weight: 40, do: changePlan},
	{name: "organizations.settings", weight: 32, do: changeSettings},
	{name: "organizations.all", weight: 16, do: changeAll},
	{name: "organizations.untold", weight: 16, do: touchOrganization},
	{name: "organizations.doom", weight: 16, do: doom, doom: true},
	{name: "users.update", weight: 32, do: updateUser},

	{name: "message.actor", weight: 240, do: sayActor},
	{name: "message.notification", weight: 120, do: sayNotification},
	{name: "message.alert", weight: 80, do: sayAlert},
	{name: "message.refused", weight: 48, do: sayRefused},

	{name: "truncate", weight: 3, do: truncate(mediaAssets, interactions)},
	{name: "ddl.inside", weight: 4, do: alterInside},
	{name: "ddl.alone", weight: 4, alone: true},
	{name: "big", weight: 2, do: func(ctx context.Context, w *writer) error { return w.big(ctx, w.options.BigRows) }},
}
