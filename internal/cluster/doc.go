// Package cluster answers: how do we get a throwaway PostgreSQL?
//
// The demo and the tests run against a real server, started from the binaries
// that are installed on the machine, in a directory of its own, with logical
// decoding on.
//
// Invariants:
//   - The server listens on 127.0.0.1 only, and asks for a password that was
//     drawn for this cluster.
//   - PostgreSQL refuses to run as root. A parent that is root runs it as the
//     user postgres, or nobody, who then owns the directories.
//   - On Linux the server dies with its parent, however the parent dies. A
//     directory that such a parent left behind is removed by the next [Start].
//
// Order: initdb, configuration, server, first answer. The directory goes only
// after the server is gone.
package cluster
