// Package house is what is put to the proof: a throwaway PostgreSQL with the
// application's schema, orgcast on it as a process, a disk for its log that can be
// filled and frozen, and a proxy on either side of it.
package house
