// Package access answers: what may they see?
//
// The [Directory] holds the memberships, the organizations' names and, where the
// application keeps its sessions in the database, these (by the hash of their
// tokens, never by the tokens), as the slot's snapshot had them and the WAL has kept them since, at the commit that
// was dispatched last. The database is never asked: the order in which rights
// and rows change is the order of the WAL.
//
// [Limits] counts the open streams against what is allowed.
package access
