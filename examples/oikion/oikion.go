// Package oikion holds the database schema of the first application that
// orgcast was written for, a multi-tenant real-estate CRM. The demo and the
// tests run on it.
package oikion

import _ "embed"

// Schema is the application's schema as SQL for an empty database. It is what
// its Prisma schema migrates to, unaltered: it knows nothing of orgcast.
//
//go:embed schema.sql
var Schema string

// Demo fills the database of the demo: two organizations, three users, and
// something to change.
//
//go:embed demo.sql
var Demo string
