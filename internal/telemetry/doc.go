// Package telemetry answers: how is it seen?
//
// The rooms report through structs of hooks; here they become Prometheus
// metrics. No label names an organization or a user. Logging is the
// standard library's slog: see [NewLogger].
package telemetry
